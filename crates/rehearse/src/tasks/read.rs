//! Reads the TOML of a definition's tasks, and says exactly what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use nightly_asl::Instant;
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::duration::{Took, parse_millis};
use super::shape::{Pattern, TaskState, task_states};
use super::value::Answer;
use super::{Behaviour, Behind, Failing, Invariant, Reply, Tasks};

/// One thing that is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Line and column, both from 1; none for what is missing.
    pub place: Option<(usize, usize)>,
    /// The key, such as `states.BookHotel.duration`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(formatter, "{line}:{column}: ")?;
        }
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        write!(formatter, "{}\n    {}", self.message, self.hint)
    }
}

/// Reads the file and holds it against the definition, which may still contain `${…}`.
pub fn read(text: &str, definition: &str) -> Result<Tasks, Vec<Wrong>> {
    let document = DeTable::parse(text).map_err(|error| {
        let place = error.span().map(|span| place(text, span.start));
        vec![Wrong {
            place,
            key: String::new(),
            message: format!("this is no TOML: {}", error.message().trim()),
            hint: "The format is described at https://toml.io; `--tasks-template` prints a file to begin with.".to_owned(),
        }]
    })?;
    let mut reader = Reader { text, wrongs: Vec::new() };
    let tasks = reader.document(document.get_ref(), definition);
    match tasks {
        Some(tasks) if reader.wrongs.is_empty() => Ok(tasks),
        _ => {
            reader.wrongs.sort_by_key(|wrong| wrong.place.unwrap_or((usize::MAX, 0)));
            Err(reader.wrongs)
        }
    }
}

/// What expressions of a task see.
const TASK_WORDS: [&str; 8] = ["parameters", "input", "state", "entry", "try", "elapsed", "seconds", "job"];
/// What a night's input sees.
const INPUT_WORDS: [&str; 1] = ["seed"];
/// What an invariant sees.
const INVARIANT_WORDS: [&str; 1] = ["night"];

const TASK_KEYS: [&str; 10] = ["duration", "call", "result", "results", "failures", "never", "answer", "jobs", "dpu", "comment"];
const JOB_STATES: &str = "SUCCEEDED, FAILED, TIMEOUT, STOPPED or whatever the service calls them";

struct Reader<'a> {
    text: &'a str,
    wrongs: Vec<Wrong>,
}

type Item<'i> = Spanned<DeValue<'i>>;
type Table<'i> = DeTable<'i>;

/// A task's table, as far as it says something.
#[derive(Default)]
struct Partial {
    duration: Option<Took>,
    call: Option<Took>,
    results: Option<Rc<ResultList>>,
    failures: Option<Rc<FailureList>>,
    never: Option<f64>,
    answer: Option<Rc<ReplyTable>>,
    ends: Option<Vec<(f64, String)>>,
    units: Option<f64>,
    key: String,
    span: Range<usize>,
    /// Something in it is wrong, and was said: what it lacks may be just that.
    is_wrong: bool,
}

/// JSON is kept, and compiled for each state of its own: an expression belongs to one state.
type ResultList = Vec<(f64, Value)>;
type FailureList = Vec<(String, String, f64, Option<Took>)>;

struct ReplyTable {
    delay: Option<Took>,
    never: f64,
    heartbeat: Option<i64>,
    results: Rc<ResultList>,
    failures: Rc<FailureList>,
}

impl Reader<'_> {
    fn wrong(&mut self, span: Option<&Range<usize>>, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let place = span.map(|span| place(self.text, span.start));
        self.wrongs.push(Wrong { place, key: key.to_owned(), message: message.into(), hint: hint.into() });
    }

    fn document(&mut self, document: &Table<'_>, definition: &str) -> Option<Tasks> {
        self.known_keys(document, "", &["night", "substitutions", "states", "resources", "invariant"]);
        let definition = self.definition(document, definition)?;
        let (start, input) = self.night(document);
        let behaviours = self.behaviours(document, &definition);
        let invariants = self.invariants(document, &definition);
        Some(Tasks { start, input, definition, invariants, behaviours })
    }

    /// The definition with its placeholders filled in.
    fn definition(&mut self, document: &Table<'_>, text: &str) -> Option<Value> {
        let mut fillings = BTreeMap::new();
        if let Some(table) = self.table(document, "", "substitutions") {
            for (name, item) in table {
                let key = format!("substitutions.{}", written_key(name.get_ref()));
                let filling = match item.get_ref() {
                    DeValue::String(text) => text.to_string(),
                    DeValue::Integer(number) => number.to_string(),
                    _ => {
                        self.wrong(Some(&item.span()), &key, "a substitution is a text", "Put it in quotes.");
                        continue;
                    }
                };
                if !text.contains(&format!("${{{}}}", name.get_ref())) {
                    let hint = format!("Remove the line, or spell it as one of {}.", list(placeholders(text)));
                    self.wrong(Some(&name.span()), &key, format!("the definition has no `${{{}}}`", name.get_ref()), hint);
                }
                fillings.insert(name.get_ref().to_string(), filling);
            }
        }
        let missing: Vec<_> = placeholders(text).into_iter().filter(|name| !fillings.contains_key(name)).collect();
        for name in &missing {
            let hint = format!("Write `{name} = \"…\"` under [substitutions].");
            self.wrong(None, "substitutions", format!("the definition's `${{{name}}}` has no value"), hint);
        }
        let mut filled = text.to_owned();
        for (name, filling) in &fillings {
            // Inside of JSON's quotes a filling must stay one text.
            let quoted = Value::String(filling.clone()).to_string();
            filled = filled.replace(&format!("${{{name}}}"), &quoted[1..quoted.len() - 1]);
        }
        match serde_json::from_str(&filled) {
            Ok(definition) => Some(definition),
            Err(error) => {
                self.wrong(None, "", format!("the definition is no JSON: {error}"), "Correct the definition, not this file.");
                None
            }
        }
    }

    fn night(&mut self, document: &Table<'_>) -> (Instant, Answer) {
        let mut start = Instant(DEFAULT_START);
        let mut input = Answer::plain(Value::Object(Map::new()));
        let Some(table) = self.table(document, "", "night") else { return (start, input) };
        self.known_keys(table, "night", &["start", "input"]);
        if let Some(item) = table.get("start") {
            let text = match item.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Datetime(datetime) => datetime.to_string(),
                _ => String::new(),
            };
            match text.parse::<jiff::Timestamp>() {
                Ok(timestamp) => start = Instant(timestamp.as_millisecond()),
                Err(_) => {
                    self.wrong(Some(&item.span()), "night.start", "this is no instant", "Write it with its offset: 2026-01-05T01:00:00Z.");
                }
            }
        }
        if let Some(item) = table.get("input")
            && let Some(value) = self.value(item, "night.input")
            && let Some(answer) = self.answer(&value, &item.span(), "night.input", &INPUT_WORDS)
        {
            input = answer;
        }
        (start, input)
    }

    fn invariants(&mut self, document: &Table<'_>, definition: &Value) -> Vec<Invariant> {
        let Some(item) = document.get("invariant") else { return Vec::new() };
        let Some(array) = item.get_ref().as_array() else {
            self.wrong(Some(&item.span()), "invariant", "this is no list of tables", "Write each one under `[[invariant]]`.");
            return Vec::new();
        };
        let states = state_names(definition);
        let mut invariants = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let key = format!("invariant[{index}]");
            let Some(table) = item.get_ref().as_table() else {
                self.wrong(Some(&item.span()), &key, "this is no table", "Write each one under `[[invariant]]`.");
                continue;
            };
            self.known_keys(table, &key, &["name", "holds"]);
            let name = self.text(table, &key, "name", "a sentence that is said when it doesn't hold");
            let holds = self.text(table, &key, "holds", "JSONata over `$night` that is true where it holds");
            let (Some((name, _)), Some((holds, span))) = (name, holds) else { continue };
            let key = format!("{key}.holds");
            if !holds.trim_start().starts_with("{%") {
                self.wrong(Some(&span), &key, "this is no JSONata", "Put it between `{%` and `%}`.");
                continue;
            }
            for state in named_states(&holds) {
                if !states.contains(state.as_str()) {
                    let hint = suggestion(&state, states.iter().copied());
                    self.wrong(Some(&span), &key, format!("the definition has no state «{state}»"), hint);
                }
            }
            if let Some(holds) = self.answer(&Value::String(holds), &span, &key, &INVARIANT_WORDS) {
                invariants.push(Invariant { name: Box::leak(name.into_boxed_str()), holds });
            }
        }
        invariants
    }

    fn behaviours(&mut self, document: &Table<'_>, definition: &Value) -> Vec<(String, Rc<Behaviour>)> {
        let states = task_states(definition);
        let all_states = state_names(definition);
        let mut by_state = BTreeMap::new();
        let mut by_resource = Vec::new();
        if let Some(table) = self.table(document, "", "states") {
            for (name, item) in table {
                let key = format!("states.{}", written_key(name.get_ref()));
                if !states.iter().any(|state| state.name == name.get_ref()) {
                    let (message, hint) = if all_states.contains(name.get_ref().as_ref()) {
                        (format!("«{}» is no Task", name.get_ref()), "Only Task states are described; remove the table.".to_owned())
                    } else {
                        let hint = suggestion(name.get_ref(), states.iter().map(|state| state.name));
                        (format!("the definition has no state «{}»", name.get_ref()), hint)
                    };
                    self.wrong(Some(&name.span()), &key, message, hint);
                    continue;
                }
                if let Some(partial) = self.partial(item, name.span(), &key) {
                    by_state.insert(name.get_ref().to_string(), partial);
                }
            }
        }
        if let Some(table) = self.table(document, "", "resources") {
            for (pattern, item) in table {
                let key = format!("resources.{}", written_key(pattern.get_ref()));
                if !states.iter().any(|state| matches(pattern.get_ref(), state)) {
                    let resources: BTreeSet<_> = states.iter().map(TaskState::short_resource).map(str::to_owned).collect();
                    let hint = format!("The definition calls {}; `*` stands for anything.", list(&resources));
                    self.wrong(Some(&pattern.span()), &key, "no Task of the definition calls this", hint);
                    continue;
                }
                if let Some(partial) = self.partial(item, pattern.span(), &key) {
                    by_resource.push((pattern.get_ref().to_string(), partial));
                }
            }
        }
        // The more of a pattern is written out, the more it knows.
        by_resource.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.chars().filter(|character| *character != '*').count()));
        let mut behaviours = Vec::new();
        for state in &states {
            let mut sources: Vec<&Partial> = by_state.get(state.name).into_iter().collect();
            sources.extend(by_resource.iter().filter(|(pattern, _)| matches(pattern, state)).map(|(_, partial)| partial));
            if let Some(behaviour) = self.behaviour(state, &sources) {
                behaviours.push((state.name.to_owned(), Rc::new(behaviour)));
            }
        }
        behaviours
    }

    /// What a state does by the tables that speak of it, the one that knows most first.
    fn behaviour(&mut self, state: &TaskState<'_>, sources: &[&Partial]) -> Option<Behaviour> {
        let key = format!("states.{}", written_key(state.name));
        let Some(first) = sources.first() else {
            let message = format!("nothing says what the Task «{}» does", state.name);
            let hint = format!("Add [{key}], or [resources.\"{}\"] for all of that kind.", state.short_resource());
            self.wrong(None, &key, message, hint);
            return None;
        };
        let (span, first_key) = (first.span.clone(), first.key.clone());
        let pattern = state.pattern();
        for (present, is_right, name, where_right) in [
            (first.answer.is_some(), pattern == Pattern::Token, "answer", ".waitForTaskToken"),
            (first.ends.is_some(), pattern == Pattern::Job, "jobs", ".sync"),
        ] {
            if present && !is_right && first_key.starts_with("states.") {
                let message = format!("«{}» calls {}, which has no `{name}`", state.name, state.short_resource());
                self.wrong(Some(&span), &format!("{first_key}.{name}"), message, format!("Only tasks that end in {where_right} have."));
            }
        }
        if sources.iter().any(|partial| partial.is_wrong) {
            return None;
        }
        let find = |of: fn(&Partial) -> Option<Took>| sources.iter().find_map(|partial| of(partial));
        let (duration, call) = (find(|partial| partial.duration.clone()), find(|partial| partial.call.clone()));
        let never = sources.iter().find_map(|partial| partial.never).unwrap_or_default();
        if duration.is_none() && (pattern == Pattern::Job || pattern == Pattern::Call && never < 1.0) {
            let what = if pattern == Pattern::Job { "its job takes" } else { "it takes" };
            let hint = "Write `duration = \"2s\"`, `{ from = \"1s\", to = \"5s\" }` or `{ p50 = \"2s\", p95 = \"9s\" }`.";
            self.wrong(Some(&span), &first_key, format!("nothing says how long {what}"), hint);
            return None;
        }
        if never > 0.0 && pattern != Pattern::Token && !state.has_timeout {
            let message = format!("«{}» has no TimeoutSeconds: a night in which its task never answers would never end", state.name);
            let hint = "Give the state a TimeoutSeconds; without it AWS waits 99,999,999 seconds, over three years.";
            self.wrong(Some(&span), &format!("{first_key}.never"), message, hint);
        }
        let quick = Took::Constant(CALL_MILLIS);
        let behind = match pattern {
            Pattern::Call => Behind::Nothing,
            Pattern::Job => Behind::Job {
                duration: duration.clone()?,
                ends: sources.iter().find_map(|partial| partial.ends.clone()).unwrap_or_else(|| vec![(1.0, "SUCCEEDED".to_owned())]),
                units: sources.iter().find_map(|partial| partial.units).unwrap_or_default(),
            },
            Pattern::Token => {
                let Some(reply) = sources.iter().find_map(|partial| partial.answer.clone()) else {
                    let message = format!("«{}» waits for a task token, and nothing says who sends it", state.name);
                    let hint = format!("Add [{key}.answer] with a `delay`, or with `never = 1.0`.");
                    self.wrong(Some(&span), &first_key, message, hint);
                    return None;
                };
                let answer_key = format!("{first_key}.answer");
                let Some(delay) = reply.delay.clone().or_else(|| (reply.never >= 1.0).then_some(Took::Constant(0))) else {
                    let hint = "Write `delay = { p50 = \"20m\", p95 = \"2h\" }`, or `never = 1.0` if nobody ever does.";
                    self.wrong(Some(&span), &answer_key, "nothing says how long the answer takes", hint);
                    return None;
                };
                Behind::Token(Reply {
                    delay,
                    never: reply.never,
                    heartbeat: reply.heartbeat,
                    results: self.answers(&reply.results, &span, &answer_key)?,
                    failures: failings(&reply.failures),
                })
            }
        };
        let results = match sources.iter().find_map(|partial| partial.results.clone()) {
            Some(results) => self.answers(&results, &span, &format!("{first_key}.result"))?,
            None => vec![(1.0, default_result(state)?)],
        };
        let failures = sources.iter().find_map(|partial| partial.failures.clone()).map(|list| failings(&list)).unwrap_or_default();
        let call = match pattern {
            Pattern::Call => duration.unwrap_or(quick),
            Pattern::Job => call.unwrap_or(quick),
            Pattern::Token => call.or(duration).unwrap_or(quick),
        };
        Some(Behaviour { call, results, failures, never, behind })
    }

    fn partial(&mut self, item: &Item<'_>, span: Range<usize>, key: &str) -> Option<Partial> {
        let Some(table) = item.get_ref().as_table() else {
            self.wrong(Some(&item.span()), key, "this is no table", format!("Write [{key}] and its keys below."));
            return None;
        };
        let before = self.wrongs.len();
        self.known_keys(table, key, &TASK_KEYS);
        let mut partial = Partial { key: key.to_owned(), span, ..Partial::default() };
        partial.duration = table.get("duration").and_then(|item| self.took(item, &format!("{key}.duration")));
        partial.call = table.get("call").and_then(|item| self.took(item, &format!("{key}.call")));
        partial.results = self.results(table, key).map(Rc::new);
        partial.failures = self.failures(table, key).map(Rc::new);
        partial.never = table.get("never").and_then(|item| self.probability(item, &format!("{key}.never")));
        partial.ends = table.get("jobs").and_then(|item| self.job_ends(item, &format!("{key}.jobs")));
        partial.units = table.get("dpu").and_then(|item| {
            let number = number(item.get_ref()).filter(|number| *number >= 0.0);
            if number.is_none() {
                let hint = "Write how many data processing units the job holds, such as 2 for two G.1X workers.";
                self.wrong(Some(&item.span()), &format!("{key}.dpu"), "this is no number of units", hint);
            }
            number
        });
        partial.answer = table.get("answer").and_then(|item| self.reply(item, &format!("{key}.answer"))).map(Rc::new);
        partial.is_wrong = self.wrongs.len() > before;
        Some(partial)
    }

    fn reply(&mut self, item: &Item<'_>, key: &str) -> Option<ReplyTable> {
        let Some(table) = item.get_ref().as_table() else {
            self.wrong(Some(&item.span()), key, "this is no table", format!("Write [{key}] and its keys below."));
            return None;
        };
        self.known_keys(table, key, &["delay", "never", "heartbeat", "result", "results", "failures"]);
        let heartbeat = table.get("heartbeat").and_then(|item| match self.took(item, &format!("{key}.heartbeat")) {
            Some(Took::Constant(millis)) if millis > 0 => Some(millis),
            None => None,
            Some(_) => {
                let hint = "Write `heartbeat = \"5m\"`.";
                self.wrong(Some(&item.span()), &format!("{key}.heartbeat"), "heartbeats come at one interval", hint);
                None
            }
        });
        Some(ReplyTable {
            delay: table.get("delay").and_then(|item| self.took(item, &format!("{key}.delay"))),
            never: table.get("never").and_then(|item| self.probability(item, &format!("{key}.never"))).unwrap_or_default(),
            heartbeat,
            results: Rc::new(self.results(table, key).unwrap_or_else(|| vec![(1.0, Value::Object(Map::new()))])),
            failures: Rc::new(self.failures(table, key).unwrap_or_default()),
        })
    }

    /// `result`, or `results` with their probabilities.
    fn results(&mut self, table: &Table<'_>, key: &str) -> Option<ResultList> {
        if let (Some(_), Some(item)) = (table.get("result"), table.get("results")) {
            let hint = "Keep `result` where there is one, `results` where chance decides.";
            self.wrong(Some(&item.span()), &format!("{key}.results"), "`result` and `results` stand side by side", hint);
            return None;
        }
        if let Some(item) = table.get("result") {
            return Some(vec![(1.0, self.value(item, &format!("{key}.result"))?)]);
        }
        let item = table.get("results")?;
        let key = format!("{key}.results");
        let entries = self.entries(item, &key, "{ probability = 0.9, value = { … } }")?;
        let mut results = Vec::new();
        for (key, table, span) in entries {
            self.known_keys(table, &key, &["probability", "value"]);
            let probability = self.required_probability(table, &key, &span);
            let value = if let Some(item) = table.get("value") {
                self.value(item, &format!("{key}.value"))
            } else {
                self.wrong(Some(&span), &key, "a result has no `value`", "Write `value = { … }`.");
                None
            };
            results.push((probability?, value?));
        }
        self.sums_to_one(item, &key, results.iter().map(|(share, _)| *share))?;
        Some(results)
    }

    fn failures(&mut self, table: &Table<'_>, key: &str) -> Option<FailureList> {
        let item = table.get("failures")?;
        let key = format!("{key}.failures");
        let entries = self.entries(item, &key, "{ error = \"Name\", probability = 0.02 }")?;
        let mut failures = Vec::new();
        for (key, table, span) in entries {
            self.known_keys(table, &key, &["error", "cause", "probability", "after"]);
            let probability = self.required_probability(table, &key, &span);
            let error = self.text(table, &key, "error", "the error name that Retry and Catch match");
            let cause = match table.get("cause") {
                Some(_) => self.text(table, &key, "cause", "what happened").map(|(cause, _)| cause),
                None => Some("Failed by the rehearsal.".to_owned()),
            };
            let after = table.get("after").and_then(|item| self.took(item, &format!("{key}.after")));
            failures.push((error?.0, cause?, probability?, after));
        }
        let sum: f64 = failures.iter().map(|(_, _, probability, _)| probability).sum();
        if sum > 1.0 + CRUMB {
            let message = format!("the probabilities add up to {sum:.4}, more than 1");
            self.wrong(Some(&item.span()), &key, message, "Each call fails in one way at most: lower them.");
        }
        Some(failures)
    }

    fn job_ends(&mut self, item: &Item<'_>, key: &str) -> Option<Vec<(f64, String)>> {
        let Some(table) = item.get_ref().as_table() else {
            let hint = format!("Write `{{ SUCCEEDED = 0.98, FAILED = 0.02 }}`: {JOB_STATES}.");
            self.wrong(Some(&item.span()), key, "this is no table of job states", hint);
            return None;
        };
        let mut ends = Vec::new();
        for (state, item) in table {
            ends.push((self.probability(item, &format!("{key}.{}", state.get_ref()))?, state.get_ref().to_string()));
        }
        self.sums_to_one(item, key, ends.iter().map(|(share, _)| *share))?;
        Some(ends)
    }

    fn sums_to_one(&mut self, item: &Item<'_>, key: &str, shares: impl Iterator<Item = f64>) -> Option<()> {
        let sum: f64 = shares.sum();
        if (sum - 1.0).abs() <= CRUMB {
            return Some(());
        }
        let hint = "One of them happens each time: make it 1.";
        self.wrong(Some(&item.span()), key, format!("the probabilities add up to {sum:.4}, not to 1"), hint);
        None
    }

    fn entries<'t, 'i>(&mut self, item: &'t Item<'i>, key: &str, example: &str) -> Option<Vec<(String, &'t Table<'i>, Range<usize>)>> {
        let tables = item.get_ref().as_array().map(|array| array.iter().map(|item| Some((item.get_ref().as_table()?, item.span()))));
        match tables.and_then(Iterator::collect::<Option<Vec<_>>>) {
            Some(tables) if !tables.is_empty() => {
                Some(tables.into_iter().enumerate().map(|(index, (table, span))| (format!("{key}[{index}]"), table, span)).collect())
            }
            _ => {
                self.wrong(Some(&item.span()), key, "this is no list of tables", format!("Write `[{example}, …]`."));
                None
            }
        }
    }

    fn required_probability(&mut self, table: &Table<'_>, key: &str, span: &Range<usize>) -> Option<f64> {
        if let Some(item) = table.get("probability") {
            self.probability(item, &format!("{key}.probability"))
        } else {
            self.wrong(Some(span), key, "it has no `probability`", "Write how often it happens, from 0 to 1.");
            None
        }
    }

    fn probability(&mut self, item: &Item<'_>, key: &str) -> Option<f64> {
        let probability = number(item.get_ref());
        match probability {
            Some(probability) if (0.0..=1.0).contains(&probability) => Some(probability),
            Some(probability) => {
                let hint = if (1.0..=100.0).contains(&probability) {
                    format!("A probability lies between 0 and 1; {probability} % is {}.", probability / 100.0)
                } else {
                    "A probability lies between 0 and 1.".to_owned()
                };
                self.wrong(Some(&item.span()), key, format!("{probability} is no probability"), hint);
                None
            }
            None => {
                self.wrong(Some(&item.span()), key, "this is no number", "A probability lies between 0 and 1.");
                None
            }
        }
    }

    fn took(&mut self, item: &Item<'_>, key: &str) -> Option<Took> {
        match item.get_ref() {
            DeValue::Table(table) => {
                let names: Vec<_> = table.keys().map(|key| key.get_ref().as_ref()).collect();
                let ends = match names.as_slice() {
                    ["from", "to"] | ["to", "from"] => ["from", "to"],
                    ["p50", "p95"] | ["p95", "p50"] => ["p50", "p95"],
                    _ => {
                        let hint = "Write `{ from = \"1s\", to = \"5s\" }` or `{ p50 = \"2s\", p95 = \"9s\" }`.";
                        self.wrong(Some(&item.span()), key, format!("{} make no distribution", list(&names)), hint);
                        return None;
                    }
                };
                let [low, high] = ends.map(|end| self.constant(&table[end], &format!("{key}.{end}")));
                let (low, high) = (low?, high?);
                if low > high {
                    let message = format!("`{}` is longer than `{}`", ends[0], ends[1]);
                    self.wrong(Some(&item.span()), key, message, "Exchange them.");
                    return None;
                }
                if ends[0] == "from" {
                    return Some(Took::Between(low, high));
                }
                if low == 0 {
                    self.wrong(Some(&item.span()), key, "a median of 0 makes no distribution", "Write at least \"1ms\".");
                    return None;
                }
                Some(Took::lognormal(low, high))
            }
            _ => self.constant(item, key).map(Took::Constant),
        }
    }

    fn constant(&mut self, item: &Item<'_>, key: &str) -> Option<i64> {
        let hint = "Write a number and a unit: \"250ms\", \"2s\", \"5m\", \"1h 30m\", up to a year.";
        match item.get_ref() {
            DeValue::String(text) => {
                let millis = parse_millis(text);
                if millis.is_none() {
                    self.wrong(Some(&item.span()), key, format!("«{text}» is no duration"), hint);
                }
                millis
            }
            DeValue::Integer(number) => {
                self.wrong(Some(&item.span()), key, format!("{number} has no unit"), format!("Write \"{number}s\" for seconds."));
                None
            }
            other => {
                self.wrong(Some(&item.span()), key, format!("a {} is no duration", other.type_str()), hint);
                None
            }
        }
    }

    /// TOML as JSON. A text that begins like an object or an array is JSON itself.
    fn value(&mut self, item: &Item<'_>, key: &str) -> Option<Value> {
        if let DeValue::String(text) = item.get_ref() {
            let trimmed = text.trim_start();
            if trimmed.starts_with('[') || trimmed.starts_with('{') && !trimmed.starts_with("{%") {
                return match serde_json::from_str(text) {
                    Ok(value) => Some(value),
                    Err(error) => {
                        let hint = "Correct the JSON, or write the value as TOML: `{ key = \"value\" }`.";
                        self.wrong(Some(&item.span()), key, format!("this is no JSON: {error}"), hint);
                        None
                    }
                };
            }
        }
        Some(json(item.get_ref()))
    }

    fn answers(&mut self, results: &ResultList, span: &Range<usize>, key: &str) -> Option<Vec<(f64, Answer)>> {
        results.iter().map(|(share, value)| Some((*share, self.answer(value, span, key, &TASK_WORDS)?))).collect()
    }

    fn answer(&mut self, value: &Value, span: &Range<usize>, key: &str, words: &[&str]) -> Option<Answer> {
        let answer = match Answer::compile(value) {
            Ok(answer) => answer,
            Err(message) => {
                self.wrong(Some(span), key, message, "Correct the JSONata between `{%` and `%}`.");
                return None;
            }
        };
        for name in answer.variables() {
            if !words.contains(&name.as_str()) {
                let hint = format!("An expression here sees {}.", list(words.iter().map(|word| format!("${word}")).collect::<Vec<_>>()));
                self.wrong(Some(span), key, format!("there is no `${name}`"), hint);
                return None;
            }
        }
        Some(answer)
    }

    fn text(&mut self, table: &Table<'_>, key: &str, name: &str, what: &str) -> Option<(String, Range<usize>)> {
        match table.get(name).map(|item| (item.get_ref(), item.span())) {
            Some((DeValue::String(text), span)) if !text.trim().is_empty() => Some((text.to_string(), span)),
            Some((_, span)) => {
                self.wrong(Some(&span), &format!("{key}.{name}"), "this is no text", format!("Write {what}."));
                None
            }
            None => {
                let span = table.keys().next().map(toml::Spanned::span);
                self.wrong(span.as_ref(), key, format!("it has no `{name}`"), format!("Add `{name}`: {what}."));
                None
            }
        }
    }

    fn table<'t, 'i>(&mut self, table: &'t Table<'i>, key: &str, name: &str) -> Option<&'t Table<'i>> {
        let item = table.get(name)?;
        let inner = item.get_ref().as_table();
        if inner.is_none() {
            let key = if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
            self.wrong(Some(&item.span()), &key, "this is no table", format!("Write [{key}] and its keys below."));
        }
        inner
    }

    fn known_keys(&mut self, table: &Table<'_>, key: &str, known: &[&str]) {
        for name in table.keys() {
            if !known.contains(&name.get_ref().as_ref()) {
                let dot = if key.is_empty() { "" } else { "." };
                let key = format!("{key}{dot}{}", written_key(name.get_ref()));
                self.wrong(Some(&name.span()), &key, "there is no such key", suggestion(name.get_ref(), known.iter().copied()));
            }
        }
    }
}

/// 2026-01-05T01:00:00Z: a night without a `start` is the same every time.
const DEFAULT_START: i64 = 1_767_574_800_000;
/// How long a call takes that only starts something.
const CALL_MILLIS: i64 = 200;
/// What rounding may add to or take from a sum of shares.
const CRUMB: f64 = 1e-9;

/// What a task answers where the file says nothing: what its service says of success, or an empty object.
fn default_result(state: &TaskState<'_>) -> Option<Answer> {
    let job = |text: &str| serde_json::from_str::<Value>(text).expect("the text is fixed");
    let value = match state.short_resource() {
        "glue:startJobRun.sync" => job(
            r#"{"Id": "{% 'jr_' & $uuid() %}", "JobName": "{% $parameters.JobName %}", "JobRunState": "{% $job %}", "ExecutionTime": "{% $seconds %}"}"#,
        ),
        "athena:startQueryExecution.sync" => {
            job(r#"{"QueryExecution": {"QueryExecutionId": "{% $uuid() %}", "Status": {"State": "{% $job %}"}}}"#)
        }
        "lambda:invoke" => job(r#"{"ExecutedVersion": "$LATEST", "Payload": {}, "StatusCode": 200}"#),
        _ => Value::Object(Map::new()),
    };
    Answer::compile(&value).ok()
}

fn failings(list: &FailureList) -> Vec<Failing> {
    let failing = |(error, cause, probability, after): &(String, String, f64, Option<Took>)| Failing {
        error: error.clone(),
        cause: cause.clone(),
        probability: *probability,
        after: after.clone(),
    };
    list.iter().map(failing).collect()
}

/// Whether the pattern takes the state's resource, whole or without what every integration begins with.
fn matches(pattern: &str, state: &TaskState<'_>) -> bool {
    wildcard(pattern, state.resource) || wildcard(pattern, state.short_resource())
}

fn wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && wildcard(after, &rest[at..]))),
    }
}

/// The names inside of `${…}`, in their order, each once.
pub(super) fn placeholders(definition: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for piece in definition.split("${").skip(1) {
        if let Some((name, _)) = piece.split_once('}')
            && !name.is_empty()
            && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '.'))
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// Every state of the definition, those in branches and items with them.
pub fn state_names(definition: &Value) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut machines = vec![definition];
    while let Some(machine) = machines.pop() {
        for (name, state) in machine["States"].as_object().into_iter().flatten() {
            names.insert(name.as_str());
            machines.extend(state["Branches"].as_array().into_iter().flatten());
            machines.extend(["ItemProcessor", "Iterator"].iter().filter_map(|field| state.get(field)));
        }
    }
    names
}

/// The states that an invariant looks at: what follows `$night.states.`.
fn named_states(expression: &str) -> Vec<String> {
    let name = |rest: &str| match rest.strip_prefix('`') {
        Some(quoted) => quoted.split('`').next().unwrap_or_default().to_owned(),
        None => rest.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect(),
    };
    expression.split("$night.states.").skip(1).map(name).filter(|name| !name.is_empty() && name != "*").collect()
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Datetime(datetime) => Value::String(datetime.to_string()),
        DeValue::Integer(_) | DeValue::Float(_) => json_number(value).map_or(Value::Null, Value::Number),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| json(item.get_ref())).collect()),
        DeValue::Table(table) => Value::Object(table.iter().map(|(key, item)| (key.get_ref().to_string(), json(item.get_ref()))).collect()),
    }
}

fn json_number(value: &DeValue<'_>) -> Option<Number> {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok().map(Number::from),
        _ => Number::from_f64(number(value)?),
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => number.as_str().replace('_', "").parse().ok(),
        DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
        _ => None,
    }
}

/// A key as TOML spells it.
pub(super) fn written_key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'));
    if is_bare { name.to_owned() } else { Value::String(name.to_owned()).to_string() }
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
}

/// The nearest of the names that would have been right.
fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.collect();
    let nearest = known.iter().map(|other| (distance(name, other), *other)).min();
    match nearest {
        Some((distance, other)) if distance <= 2 || distance * 3 <= name.len() => format!("Did you mean `{other}`?"),
        _ if known.is_empty() => "There is none at all.".to_owned(),
        _ => format!("There is {}.", list(&known)),
    }
}

/// How many letters must change (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            let least = changed.min(row[column] + 1).min(row[column + 1] + 1);
            diagonal = std::mem::replace(&mut row[column + 1], least);
        }
    }
    row[right.len()]
}

/// `a`, `b` and `c`.
fn list<Name: AsRef<str>>(names: impl IntoIterator<Item = Name>) -> String {
    nightly_pages::written::list(&names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>())
}
