//! What a history says about states: when each was entered and left, how often its task was tried, how many transitions are billed.

use std::collections::HashMap;

use nightly_asl::{Detail, Event};

use crate::Visit;

/// What there is to tell of a history.
pub(crate) struct Timeline {
    pub(crate) visits: Vec<Visit>,
    pub(crate) transitions: u64,
    /// How long task tokens were waited for, in milliseconds.
    pub(crate) token_wait_millis: Option<i64>,
}

/// Reads a history.
pub(crate) fn read(events: &[Event]) -> Timeline {
    let mut visits: Vec<Visit> = Vec::new();
    // The visit that an event belongs to, by the event's number: what led to it says so.
    let mut visit_of: HashMap<u64, usize> = HashMap::new();
    let mut depth_of: HashMap<u64, usize> = HashMap::new();
    let mut tokens: Vec<usize> = Vec::new();
    let mut transitions = 0;
    for event in events {
        let before = visit_of.get(&event.previous).copied();
        let mut depth = depth_of.get(&event.previous).copied().unwrap_or(0);
        let mut visit = before;
        match &event.detail {
            Detail::StateEntered { kind, name, .. } => {
                transitions += 1;
                visit = Some(visits.len());
                visits.push(Visit { state: name.to_string(), kind, depth, entered: event.at, left: None, attempts: 0 });
            }
            Detail::StateExited { name, .. } => {
                // A Parallel is left by what its last branch led to: then the name says which.
                let left = before.filter(|place| *visits[*place].state == **name);
                let left = left.or_else(|| visits.iter().rposition(|visit| *visit.state == **name && visit.left.is_none()));
                if let Some(place) = left {
                    visits[place].left = Some(event.at);
                    depth = visits[place].depth;
                    visit = Some(place);
                }
            }
            Detail::StateStarted { .. } => depth += 1,
            Detail::StateSucceeded { .. } | Detail::StateFailed { .. } => depth = depth.saturating_sub(1),
            Detail::TaskScheduled { call, .. } => {
                if let Some(place) = before {
                    transitions += u64::from(visits[place].attempts > 0);
                    visits[place].attempts += 1;
                    if call.action.ends_with(".waitForTaskToken") && !tokens.contains(&place) {
                        tokens.push(place);
                    }
                }
            }
            _ => {}
        }
        if let Some(place) = visit {
            visit_of.insert(event.id, place);
        }
        depth_of.insert(event.id, depth);
    }
    let end = events.last().map(|event| event.at);
    let waits = tokens.iter().filter_map(|place| Some(visits[*place].left.or(end)?.0 - visits[*place].entered.0));
    let token_wait_millis = (!tokens.is_empty()).then(|| waits.sum());
    Timeline { visits, transitions, token_wait_millis }
}
