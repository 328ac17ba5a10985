//! The eleven nodes of a night, and what an execution's history says of each.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::history::{EventKind, ExecutionEnd, HistoryEvent};

/// One node of the night. Several states of the definition may work for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// Reads the run date's orders.
    ExtractOrders,
    /// Reads the inventory snapshot.
    ExtractInventory,
    /// The orders fact.
    TransformOrders,
    /// The inventory dimension.
    TransformInventory,
    /// Fetches the exchange rates.
    EnrichCurrency,
    /// Joins fact and dimension.
    JoinFactDim,
    /// Applies the rates.
    ApplyFx,
    /// Judges the staged build.
    DataQualityGate,
    /// Waits for a person.
    ManualApproval,
    /// Writes the warehouse.
    PublishToWarehouse,
    /// Tells the stakeholders.
    NotifyStakeholders,
}

impl Node {
    /// Every node, in the order of the night.
    pub const ALL: [Self; 11] = [
        Self::ExtractOrders,
        Self::ExtractInventory,
        Self::TransformOrders,
        Self::TransformInventory,
        Self::EnrichCurrency,
        Self::JoinFactDim,
        Self::ApplyFx,
        Self::DataQualityGate,
        Self::ManualApproval,
        Self::PublishToWarehouse,
        Self::NotifyStakeholders,
    ];

    /// The name that people and jobs know it by, such as `extract-orders`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExtractOrders => "extract-orders",
            Self::ExtractInventory => "extract-inventory",
            Self::TransformOrders => "transform-orders",
            Self::TransformInventory => "transform-inventory",
            Self::EnrichCurrency => "enrich-currency",
            Self::JoinFactDim => "join-fact-dim",
            Self::ApplyFx => "apply-fx",
            Self::DataQualityGate => "data-quality-gate",
            Self::ManualApproval => "manual-approval",
            Self::PublishToWarehouse => "publish-to-warehouse",
            Self::NotifyStakeholders => "notify-stakeholders",
        }
    }

    /// The name as a title, in two halves for narrow boxes.
    pub fn title_halves(self) -> (&'static str, &'static str) {
        match self {
            Self::ExtractOrders => ("Extract", "orders"),
            Self::ExtractInventory => ("Extract", "inventory"),
            Self::TransformOrders => ("Transform", "orders"),
            Self::TransformInventory => ("Transform", "inventory"),
            Self::EnrichCurrency => ("Enrich", "currency"),
            Self::JoinFactDim => ("Join", "fact, dim"),
            Self::ApplyFx => ("Apply", "FX rates"),
            Self::DataQualityGate => ("Data", "quality gate"),
            Self::ManualApproval => ("Manual", "approval"),
            Self::PublishToWarehouse => ("Publish to", "warehouse"),
            Self::NotifyStakeholders => ("Notify", "stakeholders"),
        }
    }

    /// The name as a title, such as `Extract orders`.
    pub fn title(self) -> String {
        let (first, second) = self.title_halves();
        format!("{first} {second}")
    }

    /// The nodes that must have ended before this one begins.
    pub fn waits_for(self) -> &'static [Self] {
        match self {
            Self::ExtractOrders | Self::ExtractInventory => &[],
            Self::TransformOrders => &[Self::ExtractOrders],
            Self::TransformInventory => &[Self::ExtractInventory],
            Self::EnrichCurrency => &[Self::TransformOrders],
            Self::JoinFactDim => &[Self::TransformOrders, Self::TransformInventory],
            Self::ApplyFx => &[Self::EnrichCurrency, Self::JoinFactDim],
            Self::DataQualityGate => &[Self::ApplyFx],
            Self::ManualApproval => &[Self::DataQualityGate],
            Self::PublishToWarehouse => &[Self::ManualApproval],
            Self::NotifyStakeholders => &[Self::PublishToWarehouse],
        }
    }

    /// The node that a state of the definition works for, if any: what frames the night belongs to none.
    pub fn of_state(state: &str) -> Option<Self> {
        Some(match state {
            "ExtractOrders" => Self::ExtractOrders,
            "ExtractInventory" => Self::ExtractInventory,
            "TransformOrders" => Self::TransformOrders,
            "TransformInventory" => Self::TransformInventory,
            "EnrichCurrency" => Self::EnrichCurrency,
            "JoinFactDim" => Self::JoinFactDim,
            "ApplyFx" => Self::ApplyFx,
            "ReadStagedTable" | "RegisterStaged" | "StartQualityRun" | "WaitForQualityRun" | "ReadQualityRun" | "QualityRunEnded"
            | "QualityRunFailed" | "ReadQualityResult" | "QualityGate" | "QualityFailed" => Self::DataQualityGate,
            "ManualApproval" | "ExpireApproval" | "ReadVerdict" | "ApprovalDecision" | "ApprovalRejected" | "ApprovalExpired" => {
                Self::ManualApproval
            }
            "PublishToWarehouse"
            | "CountPublished"
            | "ReadCount"
            | "CountAgrees"
            | "PublishedCountMismatch"
            | "RecordPublished"
            | "NightTakenOver" => Self::PublishToWarehouse,
            "NotifyStakeholders" | "DeferNotice" => Self::NotifyStakeholders,
            _ => return None,
        })
    }
}

/// What became of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which node.
    pub node: Node,
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

/// What the history says of every node, in the order of the night.
pub fn steps(history: &[HistoryEvent]) -> Vec<Step> {
    let trace = Trace::of(history);
    Node::ALL.into_iter().map(|node| trace.step(node)).collect()
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
                    found.fatal = None;
                }
                EventKind::Passed => {}
            }
            if let Some(visit) = visit {
                visit_of.insert(event.id, visit);
            }
        }
        found
    }

    fn step(&self, node: Node) -> Step {
        let mine: Vec<_> = self.visits.iter().enumerate().filter(|(_, visit)| Node::of_state(&visit.state) == Some(node)).collect();
        let (Some((_, first)), Some((last_index, last))) = (mine.first(), mine.last()) else {
            return Step { node, state: StepState::NotReached, started_at: None, ended_at: None, tries: 0 };
        };
        let state = self.state(*last_index, last);
        let ended_at = match state {
            StepState::Running => None,
            _ => last.exited_at.or(self.end.as_ref().map(|(_, at)| *at)),
        };
        let retries: u32 = mine.iter().map(|(_, visit)| visit.tries.saturating_sub(1)).sum();
        Step { node, state, started_at: Some(first.entered_at), ended_at, tries: retries + 1 }
    }

    /// The state of the node whose last visit this is.
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
        for step in steps(&read_json(history).unwrap()) {
            let state = match &step.state {
                StepState::Failed { error } => format!("Failed({error})"),
                other => format!("{other:?}"),
            };
            write!(text, "{} {state}", step.node.name()).unwrap();
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
        let enrich = steps(&history).into_iter().find(|step| step.node == Node::EnrichCurrency).unwrap();
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
        let mut before = steps(&[]);
        for length in 0..=history.len() {
            let now = steps(&history[..length]);
            assert_eq!(now.len(), Node::ALL.len());
            for (earlier, later) in before.iter().zip(&now) {
                assert!(rank(&earlier.state).min(1) <= rank(&later.state), "{:?} after {length} events", later.node);
                assert!(earlier.tries <= later.tries, "{:?} after {length} events", later.node);
                assert!(earlier.started_at.is_none() || earlier.started_at == later.started_at);
            }
            before = now;
        }
    }

    #[test]
    fn every_task_and_ending_of_the_definition_works_for_a_node() {
        fn states(of: &serde_json::Value, found: &mut Vec<(String, String)>) {
            for (name, state) in of["States"].as_object().into_iter().flatten() {
                found.push((name.clone(), state["Type"].as_str().unwrap().to_owned()));
                for branch in state["Branches"].as_array().into_iter().flatten() {
                    states(branch, found);
                }
            }
        }
        let definition = serde_json::from_str(include_str!("../../../statemachine/nightly-warehouse.asl.json")).unwrap();
        let mut found = Vec::new();
        states(&definition, &mut found);
        for (name, kind) in &found {
            let claims_it =
                matches!(name.as_str(), "ClaimNight" | "ReadClaim" | "ReadOwner" | "ClaimStands" | "NightAlreadyClaimed" | "TakeOverNight");
            let frames_the_night = claims_it
                || matches!(name.as_str(), "ResolveRun" | "CheckRunDate" | "InvalidRunDate" | "CheckFlags" | "InvalidFlag" | "Published")
                || kind == "Parallel";
            assert_eq!(Node::of_state(name).is_none(), frames_the_night, "{name} ({kind})");
        }
        for node in Node::ALL {
            assert!(found.iter().any(|(name, _)| Node::of_state(name) == Some(node)), "{node:?} has a state");
        }
    }

    #[test]
    fn a_node_waits_only_for_earlier_ones_and_is_written_by_its_name() {
        for node in Node::ALL {
            assert!(node.waits_for().iter().all(|earlier| *earlier < node));
            assert_eq!(serde_json::to_value(node).unwrap(), node.name());
        }
    }
}
