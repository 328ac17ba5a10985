//! The steps of a night, and what an execution's history says of each.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::history::{EventKind, ExecutionEnd, HistoryEvent};
use crate::plan::{Plan, PlannedStep, StepKind, title};

/// What became of one step of the definition. It says itself where it stands, so that a night is drawn as it ran, whatever the definition
/// has become since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name, such as `extract-orders`.
    pub node: String,
    /// What people call it. Records of before the steps came from the definition lack it: see [`Step::complete`].
    #[serde(default)]
    pub title: String,
    /// What its time is spent on.
    #[serde(default)]
    pub kind: StepKind,
    /// The names of the steps that it follows.
    #[serde(default)]
    pub after: Vec<String>,
    /// How far it came.
    #[serde(flatten)]
    pub state: StepState,
    /// When its first state began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended, however it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// 1, and one more for each retry; 0 where it was not reached.
    pub tries: u32,
}

/// How far a node came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepState {
    /// The night ended, or has not come, before it.
    NotReached,
    /// It works or waits.
    Running,
    /// It did what it is for.
    Succeeded,
    /// It failed for good.
    Failed {
        /// The error's name.
        error: String,
    },
    /// An approver said no.
    Rejected,
    /// Too few approvers answered in time.
    Expired,
    /// It was stopped because the night ended elsewhere.
    Stopped,
}

impl Step {
    /// Fills in what a record of an earlier version doesn't say.
    pub fn complete(&mut self, plan: &Plan) {
        if !self.title.is_empty() {
            return;
        }
        match plan.step(&self.node) {
            Some(planned) => {
                self.title.clone_from(&planned.title);
                self.kind = planned.kind;
                self.after.clone_from(&planned.after);
            }
            None => self.title = title(&self.node),
        }
    }

    /// How long it took, once it has ended.
    pub fn took(&self) -> Option<SignedDuration> {
        Some(self.ended_at?.duration_since(self.started_at?))
    }
}

/// What the history says of every step, in the order of the plan.
pub fn steps(plan: &Plan, history: &[HistoryEvent]) -> Vec<Step> {
    let trace = Trace::of(history);
    plan.steps().iter().map(|step| trace.step(plan, step)).collect()
}

/// How often the execution was told to go on from where it had failed.
pub fn redrives(history: &[HistoryEvent]) -> u32 {
    history.iter().map(|event| u32::from(event.kind == EventKind::Redriven)).sum()
}

/// How many state transitions AWS bills: one a state, and one more for each retry (<https://aws.amazon.com/step-functions/pricing/>).
pub fn transitions(history: &[HistoryEvent]) -> u64 {
    Trace::of(history).visits.iter().map(|visit| u64::from(visit.tries.max(1))).sum()
}

/// One stay in one state.
#[derive(Debug)]
struct Visit {
    state: String,
    entered_at: Timestamp,
    exited_at: Option<Timestamp>,
    tries: u32,
}

#[derive(Debug, Default)]
struct Trace {
    visits: Vec<Visit>,
    end: Option<(ExecutionEnd, Timestamp)>,
    /// The visit that the execution failed in.
    fatal: Option<usize>,
}

impl Trace {
    fn of(history: &[HistoryEvent]) -> Self {
        let mut found = Self::default();
        // An event belongs to the visit of the event it follows: this keeps interleaved branches apart.
        let mut visit_of: HashMap<i64, usize> = HashMap::new();
        for event in history {
            let mut visit = visit_of.get(&event.previous_id).copied();
            match &event.kind {
                EventKind::Entered { state } => {
                    visit = Some(found.visits.len());
                    found.visits.push(Visit { state: state.clone(), entered_at: event.at, exited_at: None, tries: 0 });
                }
                // The exit of a Parallel follows an event of one of its branches, so the name has the last word.
                EventKind::Exited { state } => {
                    visit = found.visits.iter().rposition(|visit| visit.state == *state && visit.exited_at.is_none());
                    if let Some(visit) = visit {
                        found.visits[visit].exited_at = Some(event.at);
                    }
                }
                EventKind::Tried => {
                    if let Some(visit) = visit {
                        found.visits[visit].tries += 1;
                    }
                }
                EventKind::Ended(end) => {
                    found.end = Some((end.clone(), event.at));
                    found.fatal = visit;
                }
                EventKind::Redriven => {
                    found.end = None;
                    // What goes on is told as following the redrive, not the state: it is the one that had failed.
                    visit = found.fatal.take();
                }
                EventKind::Passed => {}
            }
            if let Some(visit) = visit {
                visit_of.insert(event.id, visit);
            }
        }
        found
    }

    fn step(&self, plan: &Plan, planned: &PlannedStep) -> Step {
        let is_mine = |visit: &Visit| plan.of_state(&visit.state).is_some_and(|step| step.name == planned.name);
        let mine: Vec<_> = self.visits.iter().enumerate().filter(|(_, visit)| is_mine(visit)).collect();
        let mut step = Step {
            node: planned.name.clone(),
            title: planned.title.clone(),
            kind: planned.kind,
            after: planned.after.clone(),
            state: StepState::NotReached,
            started_at: None,
            ended_at: None,
            tries: 0,
        };
        let (Some((_, first)), Some(last)) = (mine.first(), mine.last()) else { return step };
        // Of the items of a Map, the one that failed has the last word.
        let (index, deciding) = mine.iter().find(|(index, _)| self.fatal == Some(*index)).unwrap_or(last);
        step.state = self.state(*index, deciding);
        step.started_at = Some(first.entered_at);
        step.ended_at = match step.state {
            StepState::Running => None,
            _ => deciding.exited_at.or(self.end.as_ref().map(|(_, at)| *at)),
        };
        step.tries = 1 + mine.iter().map(|(_, visit)| visit.tries.saturating_sub(1)).sum::<u32>();
        step
    }

    /// The state of the step whose last visit this is.
    fn state(&self, index: usize, visit: &Visit) -> StepState {
        match (&visit.exited_at, &self.end) {
            (Some(_), _) => StepState::Succeeded,
            (None, None) => StepState::Running,
            (None, Some((ExecutionEnd::Failed { error }, _))) => match visit.state.as_str() {
                "ApprovalRejected" => StepState::Rejected,
                "ApprovalExpired" => StepState::Expired,
                _ if self.fatal == Some(index) => StepState::Failed { error: error.clone() },
                _ => StepState::Stopped,
            },
            (None, Some(_)) => StepState::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::history::read_json;

    /// One line a node: its name, how far it came, when it began (of the hour), how many seconds it took, how many tries.
    fn written(history: &str) -> String {
        let mut text = String::new();
        for step in steps(Plan::of_the_night(), &read_json(history).unwrap()) {
            let state = match &step.state {
                StepState::Failed { error } => format!("Failed({error})"),
                other => format!("{other:?}"),
            };
            write!(text, "{} {state}", step.node).unwrap();
            if let Some(start) = step.started_at {
                write!(text, " {}", start.strftime("%H:%M:%S")).unwrap();
            }
            if let (Some(start), Some(end)) = (step.started_at, step.ended_at) {
                write!(text, " +{}", end.duration_since(start).as_secs()).unwrap();
            }
            writeln!(text, " ×{}", step.tries).unwrap();
        }
        text
    }

    #[test]
    fn every_state_is_a_transition_and_every_retry_one_more() {
        for (history, expected) in
            [(include_str!("../histories/published.json"), 30), (include_str!("../histories/rates-unavailable.json"), 13)]
        {
            assert_eq!(transitions(&read_json(history).unwrap()), expected);
        }
    }

    #[test]
    fn a_published_night_is_told_apart_into_its_steps_with_parallel_branches_and_retries() {
        assert_eq!(
            written(include_str!("../histories/published.json")),
            "extract-orders Succeeded 01:00:00 +947 ×1\n\
             extract-inventory Succeeded 01:00:00 +534 ×1\n\
             transform-orders Succeeded 01:15:48 +1326 ×2\n\
             transform-inventory Succeeded 01:08:55 +672 ×1\n\
             enrich-currency Succeeded 01:37:54 +3 ×1\n\
             join-fact-dim Succeeded 01:37:54 +1458 ×1\n\
             apply-fx Succeeded 02:02:13 +770 ×1\n\
             data-quality-gate Succeeded 02:15:04 +531 ×1\n\
             manual-approval Succeeded 02:23:56 +2887 ×1\n\
             publish-to-warehouse Succeeded 03:12:03 +117 ×1\n\
             notify-stakeholders Running 03:14:01 ×1\n"
        );
    }

    #[test]
    fn a_failed_branch_is_the_failure_and_its_sibling_was_stopped() {
        let night = written(include_str!("../histories/rates-unavailable.json"));
        let expected =
            "enrich-currency Failed(RatesUnavailable) 01:37:54 +61 ×3\njoin-fact-dim Stopped 01:37:54 +61 ×1\napply-fx NotReached ×0\n";
        assert!(night.contains(expected), "{night}");
    }

    #[test]
    fn deliberate_endings_belong_to_the_node_that_decided() {
        for (history, expected) in [
            (
                include_str!("../histories/quality-failed.json"),
                "data-quality-gate Failed(QualityFailed) 02:15:04 +532 ×1\nmanual-approval NotReached ×0\n",
            ),
            (include_str!("../histories/rejected.json"), "manual-approval Rejected 02:23:56 +964 ×1\npublish-to-warehouse NotReached ×0\n"),
            (include_str!("../histories/expired.json"), "manual-approval Expired 02:23:56 +3600 ×1\npublish-to-warehouse NotReached ×0\n"),
        ] {
            let night = written(history);
            assert!(night.contains(expected), "{night}");
        }
    }

    #[test]
    fn an_aborted_night_failed_nowhere() {
        let night = written(include_str!("../histories/aborted.json"));
        assert!(night.starts_with("extract-orders Succeeded 01:00:00 +947 ×1\nextract-inventory Stopped 01:00:00 +999 ×1\ntransform-orders Stopped 01:15:48 +52 ×1\n"), "{night}");
        assert!(!night.contains("Failed"), "{night}");
    }

    #[test]
    fn a_redriven_night_runs_again() {
        let mut history = read_json(include_str!("../histories/rates-unavailable.json")).unwrap();
        let (id, at) = history.last().map(|last| (last.id, last.at)).unwrap();
        history.push(HistoryEvent { id: id + 1, previous_id: 0, at, kind: EventKind::Redriven });
        let enrich = steps(Plan::of_the_night(), &history).into_iter().find(|step| step.node == "enrich-currency").unwrap();
        assert_eq!((enrich.state, enrich.ended_at), (StepState::Running, None));
    }

    #[test]
    fn every_prefix_of_a_history_gives_eleven_steps_that_only_move_on() {
        let history = read_json(include_str!("../histories/published.json")).unwrap();
        let rank = |state: &StepState| match state {
            StepState::NotReached => 0,
            StepState::Running => 1,
            _ => 2,
        };
        // A node of several states rests between two of them, so only its first state and its tries are certain to grow.
        let plan = Plan::of_the_night();
        let mut before = steps(plan, &[]);
        for length in 0..=history.len() {
            let now = steps(plan, &history[..length]);
            assert_eq!(now.len(), 11);
            for (earlier, later) in before.iter().zip(&now) {
                assert!(rank(&earlier.state).min(1) <= rank(&later.state), "{:?} after {length} events", later.node);
                assert!(earlier.tries <= later.tries, "{:?} after {length} events", later.node);
                assert!(earlier.started_at.is_none() || earlier.started_at == later.started_at);
            }
            before = now;
        }
    }

    #[test]
    fn a_definition_with_another_step_has_another_line() {
        let definition = include_str!("../../../examples/rehearsal/files.asl.json");
        let event = |id, previous_id, kind| HistoryEvent { id, previous_id, at: Timestamp::UNIX_EPOCH, kind };
        let entered = |state: &str| EventKind::Entered { state: state.to_owned() };
        let exited = |state: &str| EventKind::Exited { state: state.to_owned() };
        let failed = ExecutionEnd::Failed { error: "Corrupt".to_owned() };
        // Two files are read at the same time; the first of them fails the Map after the second has gone on.
        let history = [
            event(1, 0, entered("ListFiles")),
            event(2, 1, exited("ListFiles")),
            event(3, 2, entered("EachFile")),
            event(4, 3, entered("ReadFile")),
            event(5, 3, entered("ReadFile")),
            event(6, 5, exited("ReadFile")),
            event(7, 4, EventKind::Ended(failed)),
        ];
        let told: Vec<_> = steps(&Plan::read(definition).unwrap(), &history).into_iter().map(|step| (step.node, step.state)).collect();
        assert_eq!(told[0], ("list-files".to_owned(), StepState::Succeeded));
        assert_eq!(told[1], ("read-file".to_owned(), StepState::Failed { error: "Corrupt".to_owned() }));
        assert_eq!(told[3], ("tell".to_owned(), StepState::NotReached));
    }

    #[test]
    fn a_record_of_before_the_steps_came_from_the_definition_is_filled_in() {
        let old =
            r#"[{"node": "apply-fx", "state": "NOT_REACHED", "tries": 0}, {"node": "weigh-parcels", "state": "NOT_REACHED", "tries": 0}]"#;
        let mut steps: Vec<Step> = serde_json::from_str(old).unwrap();
        for step in &mut steps {
            step.complete(Plan::of_the_night());
        }
        assert_eq!(
            (steps[0].title.as_str(), steps[0].after.as_slice()),
            ("Apply FX", ["enrich-currency".to_owned(), "join-fact-dim".to_owned()].as_slice())
        );
        assert_eq!((steps[1].title.as_str(), steps[1].after.len()), ("Weigh parcels", 0));
    }
}
