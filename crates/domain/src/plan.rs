//! The steps that a definition is drawn as, read out of the definition itself.
//!
//! A definition has more states than a person wants to see. Three rules make steps of them:
//!
//! 1. Every Task is a step, named by its state, apart from calls that only look (`get…`, `describe…`) or keep the books (DynamoDB's item
//!    calls).
//! 2. Those, and every state that is no Task, belong to the step before them; in a branch that begins with them, to the one after. What
//!    stands before the first step, or right behind a Parallel or a Map, belongs to none.
//! 3. A `Comment` that begins with `[A title]` puts its state into the step of that title. On a Parallel or a Map it makes one step of
//!    everything inside.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The definition that is deployed with this build.
static NIGHT: LazyLock<Plan> = LazyLock::new(|| {
    Plan::read(include_str!("../../../statemachine/nightly-warehouse.asl.json")).expect("the definition is tested to be readable")
});

/// A dataset's, likewise.
static DATASET: LazyLock<Plan> =
    LazyLock::new(|| Plan::read(include_str!("../../../statemachine/dataset.asl.json")).expect("the definition is tested to be readable"));

/// The steps of a definition, in the order in which they can begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    steps: Vec<PlannedStep>,
    step_of_state: HashMap<String, usize>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// The title in lower case with hyphens, such as `extract-orders`.
    pub name: String,
    /// What people call it, such as `Extract orders`.
    pub title: String,
    /// What its time is spent on.
    pub kind: StepKind,
    /// The names of the steps that it follows. No step comes before one that it follows.
    pub after: Vec<String>,
}

/// What a step's time is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepKind {
    /// A job or a call, whose time says something about it.
    #[default]
    Work,
    /// Waiting for whoever has the task token, such as a person.
    Wait,
}

/// Text that is no definition.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDefinition {
    /// It isn't JSON.
    #[error("the definition is not JSON")]
    NotJson(#[from] serde_json::Error),
    /// A state that is named is not there.
    #[error("the definition has no state {0}")]
    NoState(String),
}

impl Plan {
    /// The night's plan.
    pub fn of_the_night() -> &'static Self {
        &NIGHT
    }

    /// The plan of a dataset's build.
    pub fn of_a_dataset() -> &'static Self {
        &DATASET
    }

    /// Reads a definition in the Amazon States Language. It is taken to be valid; what the language doesn't have is passed over.
    pub fn read(definition: &str) -> Result<Self, InvalidDefinition> {
        let definition: Value = serde_json::from_str(definition)?;
        let mut reader = Reader::default();
        let start = reader.flow(&definition, None)?;
        reader.assign(start, None, None);
        Ok(reader.plan())
    }

    /// Every step; what a step follows stands before it.
    pub fn steps(&self) -> &[PlannedStep] {
        &self.steps
    }

    /// The step of this name.
    pub fn step(&self, name: &str) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The step that a state works for, if any: what frames the night belongs to none.
    pub fn of_state(&self, state: &str) -> Option<&PlannedStep> {
        self.step_of_state.get(state).map(|index| &self.steps[*index])
    }
}

/// `Enrich currency` from `EnrichCurrency` or `enrich-currency`. Words in capitals stay as they are.
pub fn title(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = vec![String::new()];
    for (index, character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| characters[before]);
        let next_is_small = characters.get(index + 1).is_some_and(|next| next.is_lowercase());
        let begins_word = character.is_uppercase()
            && before.is_some_and(|before| before.is_lowercase() || before.is_ascii_digit() || (before.is_uppercase() && next_is_small));
        if !character.is_alphanumeric() || begins_word {
            words.push(String::new());
        }
        if character.is_alphanumeric() {
            words.last_mut().expect("there is always a word").push(*character);
        }
    }
    let words = words.into_iter().filter(|word| !word.is_empty()).enumerate().map(|(place, word)| {
        let in_capitals = word.chars().count() > 1 && !word.chars().any(char::is_lowercase);
        match place {
            0 => word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect(),
            _ if in_capitals => word,
            _ => word.to_lowercase(),
        }
    });
    words.collect::<Vec<String>>().join(" ")
}

/// `join-fact-dim` from `Join fact, dim`.
fn name_of(title: &str) -> String {
    let parts = title.split(|character: char| !character.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

/// A state as far as the plan depends on it. States are numbered across all branches, for their names are unique across all of them.
#[derive(Debug)]
struct State {
    name: String,
    /// Whether it makes a step of itself.
    is_step: bool,
    kind: StepKind,
    /// The title that its comment begins with.
    marked: Option<String>,
    /// Whether what it is in may end with it.
    ends: bool,
    /// Where it goes next, what it falls back to last.
    next: Vec<usize>,
    /// How many of these are no fallback.
    onward: usize,
    /// The first state of each branch, or of a Map's items.
    branches: Vec<usize>,
    /// The Parallel or Map that it is in.
    inside: Option<usize>,
    step: Option<usize>,
    seen: bool,
}

#[derive(Debug, Default)]
struct Reader {
    states: Vec<State>,
    titles: Vec<(String, StepKind)>,
}

impl Reader {
    /// Reads states that follow one another; gives the first of them.
    fn flow(&mut self, flow: &Value, inside: Option<usize>) -> Result<usize, InvalidDefinition> {
        let none = serde_json::Map::new();
        let states = flow["States"].as_object().unwrap_or(&none);
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for (name, state) in states {
            numbers.insert(name, self.states.len());
            self.states.push(State::read(name, state, inside));
        }
        let number = |name: &Value| {
            let name = name.as_str().unwrap_or_default();
            numbers.get(name).copied().ok_or_else(|| InvalidDefinition::NoState(name.to_owned()))
        };
        for (name, state) in states {
            let ways = [&state["Next"]].into_iter().chain(nexts(&state["Choices"])).chain([&state["Default"]]);
            let ways: Vec<_> = ways.filter(|way| !way.is_null()).collect();
            let state_here = &mut self.states[numbers[name.as_str()]];
            state_here.onward = ways.len();
            state_here.next = ways.into_iter().chain(nexts(&state["Catch"])).map(&number).collect::<Result<_, _>>()?;
        }
        for (name, state) in states {
            let container = numbers[name.as_str()];
            let inner = state["Branches"].as_array().into_iter().flatten();
            let inner = inner.chain(["ItemProcessor", "Iterator"].into_iter().filter_map(|field| state.get(field)));
            for branch in inner {
                let start = self.flow(branch, Some(container))?;
                self.states[container].branches.push(start);
            }
        }
        number(&flow["StartAt"])
    }

    /// Puts everything that is reached from a state into its steps. `whole` is the step that everything here belongs to. Gives the first
    /// step that was met.
    fn assign(&mut self, start: usize, before: Option<usize>, whole: Option<usize>) -> Option<usize> {
        let mut first = None;
        let mut ahead = std::collections::VecDeque::from([(start, before)]);
        while let Some((at, before)) = ahead.pop_front() {
            if std::mem::replace(&mut self.states[at].seen, true) {
                continue;
            }
            let own = whole.or_else(|| self.own_step(at));
            let branches = self.states[at].branches.clone();
            let mut inner_first = None;
            for branch in branches {
                let met = self.assign(branch, None, own);
                inner_first = inner_first.or(met);
                // What leads a branch belongs to the first step after it; a branch without any, to the step before the branch.
                if let Some(step) = met.or(before) {
                    self.adopt(branch, step);
                }
            }
            let step = if inner_first.is_some() && own.is_none() { None } else { own.or(before) };
            self.states[at].step = step;
            first = first.or(own).or(inner_first);
            ahead.extend(self.states[at].next.iter().map(|next| (*next, step)));
        }
        first
    }

    /// The step that a state makes of itself.
    fn own_step(&mut self, at: usize) -> Option<usize> {
        let state = &self.states[at];
        let title = match &state.marked {
            Some(title) => title.clone(),
            None if state.is_step => title(&state.name),
            None => return None,
        };
        let kind = state.kind;
        let known = self.titles.iter().position(|(known, _)| name_of(known) == name_of(&title));
        let step = known.unwrap_or_else(|| {
            self.titles.push((title, kind));
            self.titles.len() - 1
        });
        if kind == StepKind::Wait {
            self.titles[step].1 = kind;
        }
        Some(step)
    }

    /// Gives what belongs to no step, from a state on to the end of its branch, to this one.
    fn adopt(&mut self, from: usize, step: usize) {
        let mut ahead = vec![from];
        let mut met = BTreeSet::new();
        while let Some(at) = ahead.pop() {
            if met.insert(at) && self.states[at].step.is_none() && self.states[at].branches.is_empty() {
                self.states[at].step = Some(step);
                ahead.extend(&self.states[at].next);
            }
        }
    }

    fn plan(self) -> Plan {
        let mut followed: Vec<Vec<usize>> = vec![Vec::new(); self.titles.len()];
        let mut goes_on = BTreeSet::new();
        for (at, state) in self.states.iter().enumerate() {
            let Some(from) = state.step else { continue };
            let mut met = BTreeSet::new();
            for (way, next) in self.ways_out(at).into_iter().enumerate() {
                for to in self.steps_at(next, &mut met) {
                    if to != from && !followed[to].contains(&from) {
                        followed[to].push(from);
                    }
                    if way < state.onward || way >= state.next.len() {
                        goes_on.insert((from, to));
                    }
                }
            }
        }
        forget_ways_back(&mut followed);
        forget_shortcuts(&mut followed, &goes_on);
        let depths = depths(&followed);
        let mut order: Vec<usize> = (0..self.titles.len()).collect();
        order.sort_by_key(|step| depths[*step]);
        let name = |step: usize| name_of(&self.titles[step].0);
        let steps = order.iter().map(|step| {
            let (title, kind) = self.titles[*step].clone();
            let mut after = followed[*step].clone();
            after.sort_by_key(|step| order.iter().position(|it| it == step));
            PlannedStep { name: name(*step), title, kind, after: after.into_iter().map(name).collect() }
        });
        let steps = steps.collect();
        let place = |step: usize| order.iter().position(|it| *it == step);
        let step_of_state = self.states.iter().filter_map(|state| Some((state.name.clone(), place(state.step?)?))).collect();
        Plan { steps, step_of_state }
    }

    /// Where an execution can go from a state: on, or out of the Parallel or Map that ends with it.
    fn ways_out(&self, at: usize) -> Vec<usize> {
        let state = &self.states[at];
        let outside = state.inside.filter(|_| state.ends).map(|container| self.ways_out(container));
        state.next.iter().copied().chain(outside.into_iter().flatten()).collect()
    }

    /// The steps that begin with a state, or behind it where it belongs to none.
    fn steps_at(&self, at: usize, met: &mut BTreeSet<usize>) -> Vec<usize> {
        let state = &self.states[at];
        if let Some(step) = state.step {
            return vec![step];
        }
        if !met.insert(at) {
            return Vec::new();
        }
        let onward = if state.branches.is_empty() { self.ways_out(at) } else { state.branches.clone() };
        onward.into_iter().flat_map(|next| self.steps_at(next, met)).collect()
    }
}

impl State {
    fn read(name: &str, state: &Value, inside: Option<usize>) -> Self {
        let resource = state["Resource"].as_str().unwrap_or_default();
        let comment = state["Comment"].as_str().unwrap_or_default();
        let marked = comment.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(title, _)| title.trim().to_owned());
        Self {
            name: name.to_owned(),
            is_step: state["Type"] == "Task" && !only_looks(resource),
            kind: if resource.ends_with(".waitForTaskToken") { StepKind::Wait } else { StepKind::Work },
            marked: marked.filter(|title| !name_of(title).is_empty()),
            ends: state["End"] == true || state["Type"] == "Succeed",
            next: Vec::new(),
            onward: 0,
            branches: Vec::new(),
            inside,
            step: None,
            seen: false,
        }
    }
}

fn nexts(ways: &Value) -> impl Iterator<Item = &Value> {
    ways.as_array().into_iter().flatten().map(|way| &way["Next"])
}

/// Whether a call of an AWS service does no work of its own.
fn only_looks(resource: &str) -> bool {
    let Some((_, call)) = resource.split_once(":::") else { return false };
    let action = call.rsplit(':').next().unwrap_or_default();
    let is_item = call.starts_with("dynamodb:") && ["getItem", "putItem", "updateItem", "deleteItem"].contains(&action);
    let is_look = !action.contains('.') && ["get", "describe"].iter().any(|verb| action.starts_with(verb));
    is_item || is_look
}

/// A loop's way back is not drawn, and nothing waits for itself.
fn forget_ways_back(followed: &mut [Vec<usize>]) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    fn walk(at: usize, followed: &mut [Vec<usize>], marks: &mut [Mark]) {
        marks[at] = Mark::Open;
        for next in 0..followed.len() {
            if !followed[next].contains(&at) {
                continue;
            }
            match marks[next] {
                Mark::New => walk(next, followed, marks),
                Mark::Open => followed[next].retain(|before| *before != at),
                Mark::Done => {}
            }
        }
        marks[at] = Mark::Done;
    }
    let mut marks = vec![Mark::New; followed.len()];
    for step in 0..followed.len() {
        if marks[step] == Mark::New {
            walk(step, followed, &mut marks);
        }
    }
}

/// A Choice that leaves steps out adds no line around them: the longer way leads there as well. A fallback's line stays.
fn forget_shortcuts(followed: &mut [Vec<usize>], goes_on: &BTreeSet<(usize, usize)>) {
    fn comes_before(earlier: usize, later: usize, followed: &[Vec<usize>], goes_on: &BTreeSet<(usize, usize)>) -> bool {
        let mut before = followed[later].iter().filter(|before| goes_on.contains(&(**before, later)));
        before.any(|before| *before == earlier || comes_before(earlier, *before, followed, goes_on))
    }
    for step in 0..followed.len() {
        let before = std::mem::take(&mut followed[step]);
        let goes_here = |from: usize| goes_on.contains(&(from, step));
        let longer = |earlier: usize| before.iter().any(|other| goes_here(*other) && comes_before(earlier, *other, followed, goes_on));
        let is_shortcut = |earlier: &usize| goes_here(*earlier) && longer(*earlier);
        followed[step] = before.iter().copied().filter(|earlier| !is_shortcut(earlier)).collect();
    }
}

/// How many steps come one after another before each: the most on any way.
fn depths(followed: &[Vec<usize>]) -> Vec<usize> {
    fn depth(at: usize, followed: &[Vec<usize>], known: &mut [Option<usize>]) -> usize {
        if let Some(depth) = known[at] {
            return depth;
        }
        let found = followed[at].iter().map(|before| depth(*before, followed, known) + 1).max().unwrap_or(0);
        known[at] = Some(found);
        found
    }
    let mut known = vec![None; followed.len()];
    (0..followed.len()).map(|at| depth(at, followed, &mut known)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DEFINITION: &str = include_str!("../../../statemachine/nightly-warehouse.asl.json");

    /// One line a step: what it follows, and its name.
    fn drawn(plan: &Plan) -> Vec<String> {
        let line = |step: &PlannedStep| match step.after.as_slice() {
            [] => step.name.clone(),
            after => format!("{} > {}", after.join(" + "), step.name),
        };
        plan.steps().iter().map(line).collect()
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Plan {
        let mut definition = serde_json::from_str(DEFINITION).unwrap();
        change(&mut definition);
        Plan::read(&definition.to_string()).unwrap()
    }

    fn job(next: &str) -> Value {
        json!({"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Next": next})
    }

    #[test]
    fn the_night_is_eleven_steps() {
        assert_eq!(
            drawn(Plan::of_the_night()),
            [
                "extract-orders",
                "extract-inventory",
                "extract-orders > transform-orders",
                "extract-inventory > transform-inventory",
                "transform-orders + transform-inventory > enrich-currency",
                "transform-orders + transform-inventory > join-fact-dim",
                "enrich-currency + join-fact-dim > apply-fx",
                "apply-fx > data-quality-gate",
                "data-quality-gate > manual-approval",
                "manual-approval > publish-to-warehouse",
                "publish-to-warehouse > notify-stakeholders",
            ]
        );
        let titles: Vec<_> = Plan::of_the_night().steps().iter().map(|step| step.title.as_str()).collect();
        assert_eq!(titles[5..8], ["Join fact, dim", "Apply FX", "Data quality gate"]);
        let waits: Vec<_> = Plan::of_the_night().steps().iter().filter(|step| step.kind == StepKind::Wait).collect();
        assert_eq!(waits.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["manual-approval"]);
    }

    #[test]
    fn deliberate_endings_belong_to_the_step_that_decides() {
        let plan = Plan::of_the_night();
        for (state, step) in [
            ("QualityFailed", "data-quality-gate"),
            ("QualityRunFailed", "data-quality-gate"),
            ("ReadStagedTable", "data-quality-gate"),
            ("ApprovalRejected", "manual-approval"),
            ("ReadVerdict", "manual-approval"),
            ("PublishedCountMismatch", "publish-to-warehouse"),
            ("ReadCount", "publish-to-warehouse"),
            ("DeferNotice", "notify-stakeholders"),
        ] {
            assert_eq!(plan.of_state(state).map(|step| step.name.as_str()), Some(step), "{state}");
        }
        for state in ["ResolveRun", "CheckRunDate", "InvalidRunDate", "BuildSources", "EnrichAndJoin", "nowhere"] {
            assert_eq!(plan.of_state(state), None, "{state}");
        }
    }

    #[test]
    fn a_datasets_build_is_drawn_from_its_definition() {
        let expected = [
            "check-source",
            "check-source > ingest-raw",
            "ingest-raw > data-quality-gate",
            "data-quality-gate > build-curated",
            "build-curated > count",
            "count > tell-built",
        ];
        assert_eq!(drawn(Plan::of_a_dataset()), expected);
    }

    #[test]
    fn a_new_task_is_a_new_step() {
        let plan = changed(|definition| {
            definition["States"]["ApplyFx"]["Next"] = "MaskPersonalData".into();
            definition["States"]["MaskPersonalData"] = job("ReadStagedTable");
        });
        assert_eq!(plan.steps().len(), 12);
        assert_eq!(plan.of_state("MaskPersonalData").unwrap().title, "Mask personal data");
        let lines = drawn(&plan);
        assert!(lines.contains(&"apply-fx > mask-personal-data".to_owned()), "{lines:?}");
        assert!(lines.contains(&"mask-personal-data > data-quality-gate".to_owned()), "{lines:?}");
    }

    #[test]
    fn a_new_branch_is_drawn_beside_the_others() {
        let plan = changed(|definition| {
            let mut fetch = job("");
            fetch.as_object_mut().unwrap().remove("Next");
            fetch["End"] = true.into();
            let branch =
                json!({"StartAt": "Tidy", "States": {"Tidy": {"Type": "Pass", "Next": "ExtractReturns"}, "ExtractReturns": fetch}});
            definition["States"]["BuildSources"]["Branches"].as_array_mut().unwrap().push(branch);
        });
        let lines = drawn(&plan);
        assert_eq!(lines[2], "extract-returns");
        assert!(lines.contains(&"extract-returns + transform-orders + transform-inventory > join-fact-dim".to_owned()), "{lines:?}");
        assert_eq!(plan.of_state("Tidy").unwrap().name, "extract-returns", "what leads a branch belongs to its first step");
    }

    #[test]
    fn what_keeps_the_books_is_no_step() {
        let call = |resource: &str, next: &str| json!({"Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Next": next});
        let plan = changed(|definition| {
            let states = &mut definition["States"];
            states["CheckRunDate"]["Choices"][0]["Next"] = "Claim".into();
            states["Claim"] = call("dynamodb:updateItem", "ReadOwner");
            states["ReadOwner"] = call("aws-sdk:sfn:describeExecution", "BuildSources");
            states["CountAgrees"]["Choices"][0]["Next"] = "Record".into();
            states["Record"] = call("dynamodb:updateItem", "NotifyStakeholders");
        });
        assert_eq!(drawn(&plan), drawn(Plan::of_the_night()));
        assert_eq!(plan.of_state("Record").unwrap().name, "publish-to-warehouse");
        assert_eq!(plan.of_state("ReadOwner"), None);
    }

    #[test]
    fn definitions_that_are_not_ours_have_steps_too() {
        let read = |text: &str| drawn(&Plan::read(text).unwrap());
        assert_eq!(
            read(include_str!("../../../examples/rehearsal/booking.asl.json")),
            [
                "book-hotel",
                "book-hotel > book-flight",
                "book-flight > book-car",
                "book-car > cancel-car",
                "book-flight + cancel-car > cancel-flight",
                "book-hotel + cancel-flight > cancel-hotel",
            ]
        );
        assert_eq!(
            read(include_str!("../../../examples/rehearsal/files.asl.json")),
            ["list-files", "list-files > read-file", "read-file > put-aside", "read-file + put-aside > tell"]
        );
        assert_eq!(read(include_str!("../../../examples/rehearsal/export.asl.json")), ["start-export"], "a loop that looks is one step");
        assert_eq!(read(include_str!("../../../statemachine/question.asl.json")), ["ask"]);
    }

    #[test]
    fn a_mark_makes_one_step_of_many_states() {
        let plan = changed(|definition| definition["States"]["BuildSources"]["Comment"] = "[Build sources] Side by side.".into());
        let lines = drawn(&plan);
        assert_eq!(lines[..2], ["build-sources", "build-sources > enrich-currency"]);
        assert_eq!(plan.of_state("TransformInventory").unwrap().name, "build-sources");
    }

    #[test]
    fn a_loop_has_no_way_back() {
        let plan = changed(|definition| definition["States"]["QualityGate"]["Default"] = "ApplyFx".into());
        assert_eq!(drawn(&plan), drawn(Plan::of_the_night()));
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        assert!(Plan::read("{").unwrap_err().to_string().contains("not JSON"));
        assert_eq!(Plan::read(r#"{"StartAt": "A", "States": {}}"#).unwrap_err().to_string(), "the definition has no state A");
        let astray = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}"#;
        assert_eq!(Plan::read(astray).unwrap_err().to_string(), "the definition has no state B");
    }

    #[test]
    fn names_are_written_as_titles() {
        for (name, written) in [
            ("EnrichCurrency", "Enrich currency"),
            ("ApplyFX", "Apply FX"),
            ("FXRates2Go", "FX rates2 go"),
            ("read_the-file now", "Read the file now"),
            ("S3Copy", "S3 copy"),
            ("", ""),
        ] {
            assert_eq!(title(name), written, "{name}");
        }
    }
}
