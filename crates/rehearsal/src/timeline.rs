//! What a history says about states: when each was entered and left, how its task was tried and failed, how many transitions are billed.

use std::rc::Rc;

use nightly_asl::{Call, Detail, Event, Failure};

use crate::{End, Try, Visit};

/// What there is to tell of a history.
pub(crate) struct Timeline {
    pub(crate) visits: Vec<Visit>,
    pub(crate) transitions: u64,
    /// How long task tokens were waited for, in milliseconds.
    pub(crate) token_wait_millis: Option<i64>,
}

/// Reads a history.
pub(crate) fn read(events: &[Event]) -> Timeline {
    let mut reader = Reader { visits: Vec::new(), open: Vec::new(), of_event: vec![Place::default()], transitions: 0 };
    for event in events {
        let place = reader.read(event);
        reader.of_event.push(place);
    }
    let end = events.last().map(|event| event.at);
    let waits = reader.visits.iter().filter(|visit| visit.waits_for_token);
    let waits: Vec<_> = waits.filter_map(|visit| Some(visit.left.or(end)?.0 - visit.entered.0)).collect();
    let token_wait_millis = (!waits.is_empty()).then(|| waits.iter().sum());
    Timeline { visits: reader.visits, transitions: reader.transitions, token_wait_millis }
}

struct Reader {
    visits: Vec<Visit>,
    /// What is known of each visit only while it lasts.
    open: Vec<Open>,
    /// By the number of the event; nothing happened at 0.
    of_event: Vec<Place>,
    transitions: u64,
}

/// Where in the tree of states an event stands.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The visit that it belongs to.
    visit: Option<usize>,
    /// The Parallel or Map in which the next state is entered.
    inside: Option<usize>,
}

struct Open {
    parent: Option<usize>,
    /// Its branches or items are over, though it isn't left yet, or never will be.
    over: bool,
    /// What its task calls.
    call: Option<Rc<Call>>,
    /// A redrive may go on with it: what follows is told as the redrive's, not as the state's.
    resumable: bool,
}

impl Reader {
    fn read(&mut self, event: &Event) -> Place {
        let before = usize::try_from(event.previous).ok().and_then(|id| self.of_event.get(id)).copied().unwrap_or_default();
        match &event.detail {
            Detail::StateEntered { kind, name, .. } => {
                self.transitions += 1;
                let depth = before.inside.map_or(0, |parent| self.visits[parent].depth + 1);
                self.visits.push(Visit {
                    state: name.to_string(),
                    kind,
                    depth,
                    entered: event.at,
                    left: None,
                    attempts: 0,
                    tries: Vec::new(),
                    end: End::Open,
                    ended: event.at,
                    waits_for_token: false,
                });
                self.open.push(Open { parent: before.inside, over: false, call: None, resumable: false });
                Place { visit: Some(self.visits.len() - 1), inside: before.inside }
            }
            Detail::StateExited { name, .. } => {
                let left = self.upward(before.visit, |visit, _| *visit.state == **name && visit.left.is_none());
                let Some(at) = left.or_else(|| self.resume(|visit, _| *visit.state == **name)) else { return before };
                let visit = &mut self.visits[at];
                (visit.left, visit.ended) = (Some(event.at), event.at);
                visit.end = match std::mem::replace(&mut visit.end, End::Open) {
                    End::Failed { error } => End::Caught { error },
                    _ => End::Left,
                };
                Place { visit: Some(at), inside: self.open[at].parent }
            }
            Detail::StateStarted { kind, .. } => {
                let at = before.visit.or_else(|| self.resume(|visit, _| visit.kind == *kind));
                self.touch(at, event, |visit| visit.end = End::Open);
                Place { visit: at, inside: at }
            }
            Detail::MapIterationStarted { name, .. } => {
                let map = self.upward(before.inside, |visit, _| *visit.state == **name);
                Place { visit: map, inside: map }
            }
            Detail::MapIterationSucceeded { name, .. }
            | Detail::MapIterationFailed { name, .. }
            | Detail::MapIterationAborted { name, .. } => {
                let map = self.upward(before.visit, |visit, _| *visit.state == **name);
                Place { visit: map, inside: map }
            }
            Detail::StateSucceeded { kind } => {
                let at = self.upward(before.visit, |visit, open| visit.kind == *kind && !open.over);
                // After a redrive it had failed before; what failed then has ended well now.
                self.touch(at, event, |visit| visit.end = End::Open);
                self.close(at);
                Place { visit: at, inside: before.inside }
            }
            Detail::StateFailed { kind } => {
                let error = before.visit.and_then(|at| self.visits[at].end.error()).unwrap_or_default().to_owned();
                self.touch(before.visit, event, |visit| {
                    if visit.kind == "Fail" {
                        visit.end = End::Failed { error: error.clone() };
                    }
                });
                let at = self.upward(before.visit, |visit, open| visit.kind == *kind && !open.over);
                self.touch(at, event, |visit| visit.end = End::Failed { error });
                self.close(at);
                Place { visit: at, inside: before.inside }
            }
            Detail::StateAborted { kind } => {
                let at = self.upward(before.visit, |visit, open| visit.kind == *kind && !open.over);
                // A Task that failed its branch is told as aborted, too.
                self.touch(at, event, |visit| {
                    if visit.end == End::Open {
                        visit.end = End::Stopped;
                        visit.close_try(event, None);
                    }
                });
                Place { visit: at, inside: before.inside }
            }
            Detail::EvaluationFailed { state, failure, .. } => {
                let at = self.visits.iter().rposition(|visit| *visit.state == **state && visit.left.is_none());
                self.touch(at, event, |visit| visit.end = failed(failure));
                Place { visit: at, inside: before.inside }
            }
            _ => self.read_task(event, before),
        }
    }

    /// What is told of tasks, and of the execution as a whole.
    fn read_task(&mut self, event: &Event, before: Place) -> Place {
        match &event.detail {
            Detail::ExecutionRedriven { .. } => {
                for (visit, open) in self.visits.iter().zip(&mut self.open).filter(|(visit, _)| visit.left.is_none()) {
                    (open.over, open.resumable) = (false, visit.end != End::Left);
                }
                return Place::default();
            }
            Detail::ExecutionFailed(failure) => {
                // Of a Fail state nothing else is told, and of what fails without a task neither.
                let told = before.visit;
                let of_no_name = End::Failed { error: String::new() };
                let meant = |(at, visit): &(usize, &mut Visit)| visit.end == of_no_name || told == Some(*at) && visit.end == End::Open;
                self.visits.iter_mut().enumerate().filter(|it| it.1.left.is_none()).filter(meant).for_each(|(_, visit)| {
                    (visit.end, visit.ended) = (failed(failure), event.at);
                });
            }
            Detail::ExecutionTimedOut(_) | Detail::ExecutionAborted(_) => {
                let lasting = self.visits.iter_mut().filter(|visit| visit.left.is_none() && visit.end == End::Open);
                lasting.for_each(|visit| {
                    visit.close_try(event, None);
                    (visit.end, visit.ended) = (End::Stopped, event.at);
                });
            }
            Detail::TaskScheduled { call, .. } => {
                let at = before.visit.or_else(|| self.resume(|_, open| open.call.as_ref() == Some(call)));
                let Some(at) = at else { return before };
                self.transitions += u64::from(self.visits[at].attempts > 0);
                self.open[at].call.get_or_insert_with(|| call.clone());
                self.touch(Some(at), event, |visit| {
                    visit.attempts += 1;
                    visit.end = End::Open;
                    visit.waits_for_token = call.action.ends_with(".waitForTaskToken");
                    visit.tries.push(Try { started: event.at, answered: None, ended: None, error: None });
                });
                return Place { visit: Some(at), inside: self.open[at].parent };
            }
            Detail::TaskSubmitted { .. } => self.touch(before.visit, event, |visit| {
                if let Some(last) = visit.tries.last_mut() {
                    last.answered = Some(event.at);
                }
            }),
            Detail::TaskSucceeded { .. } => self.touch(before.visit, event, |visit| visit.close_try(event, None)),
            Detail::TaskFailed { failure, .. } | Detail::TaskTimedOut { failure, .. } => self.touch(before.visit, event, |visit| {
                visit.close_try(event, failure.error.as_deref());
                visit.end = failed(failure);
            }),
            _ => {}
        }
        before
    }

    /// The nearest visit from here outwards that is meant.
    fn upward(&self, from: Option<usize>, is_meant: impl Fn(&Visit, &Open) -> bool) -> Option<usize> {
        let mut next = from;
        while let Some(at) = next {
            if is_meant(&self.visits[at], &self.open[at]) {
                return next;
            }
            next = self.open[at].parent;
        }
        None
    }

    /// The first visit that a redrive may go on with and that is meant.
    fn resume(&mut self, is_meant: impl Fn(&Visit, &Open) -> bool) -> Option<usize> {
        let at = self.visits.iter().zip(&self.open).position(|(visit, open)| open.resumable && is_meant(visit, open))?;
        self.open[at].resumable = false;
        Some(at)
    }

    fn close(&mut self, at: Option<usize>) {
        if let Some(at) = at {
            self.open[at].over = true;
        }
    }

    fn touch(&mut self, at: Option<usize>, event: &Event, change: impl FnOnce(&mut Visit)) {
        if let Some(visit) = at.map(|at| &mut self.visits[at]) {
            visit.ended = event.at;
            change(visit);
        }
    }
}

impl Visit {
    fn close_try(&mut self, event: &Event, error: Option<&str>) {
        if let Some(last) = self.tries.last_mut().filter(|last| last.ended.is_none()) {
            (last.ended, last.error) = (Some(event.at), error.map(str::to_owned));
        }
    }
}

fn failed(failure: &Failure) -> End {
    End::Failed { error: failure.error.clone().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use nightly_asl::{Instant, Json};

    use super::*;

    /// A history of these events: what led to each, and what it is. One second lies between each two.
    fn visits(events: Vec<(u64, Detail)>) -> Vec<Visit> {
        let event = |(index, (previous, detail)): (usize, (u64, Detail))| {
            let id = index as u64 + 1;
            Event { id, previous, at: Instant(i64::try_from(id).unwrap() * 1_000), detail }
        };
        read(&events.into_iter().enumerate().map(event).collect::<Vec<_>>()).visits
    }

    fn entered(kind: &'static str, name: &str) -> Detail {
        Detail::StateEntered { kind, name: name.into(), input: Json::null() }
    }

    fn exited(kind: &'static str, name: &str) -> Detail {
        Detail::StateExited { kind, name: name.into(), output: Json::null(), assigned: Vec::new() }
    }

    fn call(action: &str) -> Rc<Call> {
        Rc::new(Call { service: "lambda".into(), action: action.into() })
    }

    fn scheduled(action: &str) -> Detail {
        let parameters = Json::null();
        Detail::TaskScheduled {
            call: call(action),
            region: "".into(),
            parameters,
            timeout_seconds: None,
            heartbeat_seconds: None,
            role: None,
        }
    }

    fn ended(visits: &[Visit]) -> Vec<(&str, usize, u32, End)> {
        visits.iter().map(|visit| (&*visit.state, visit.depth, visit.attempts, visit.end.clone())).collect()
    }

    #[test]
    fn a_redrive_goes_on_with_the_visits_that_had_failed() {
        let visits = visits(vec![
            (0, entered("Parallel", "Both")),
            (1, Detail::StateStarted { kind: "Parallel", length: None }),
            (2, entered("Task", "A")),
            (3, scheduled("a")),
            (2, entered("Task", "B")),
            (5, scheduled("b")),
            (6, Detail::TaskFailed { call: call("b"), failure: Failure::named("Broken") }),
            (7, Detail::StateAborted { kind: "Task" }),
            (4, Detail::StateAborted { kind: "Task" }),
            (7, Detail::StateFailed { kind: "Parallel" }),
            (10, Detail::ExecutionFailed(Failure::named("Broken"))),
            (0, Detail::ExecutionRedriven { count: 1 }),
            (12, scheduled("b")),
            (12, scheduled("a")),
            (13, Detail::TaskSucceeded { call: call("b"), output: Json::null() }),
            (15, exited("Task", "B")),
            (14, Detail::TaskSucceeded { call: call("a"), output: Json::null() }),
            (17, exited("Task", "A")),
            (18, Detail::StateSucceeded { kind: "Parallel" }),
            (18, exited("Parallel", "Both")),
        ]);
        assert_eq!(ended(&visits), [("Both", 0, 0, End::Left), ("A", 1, 2, End::Left), ("B", 1, 2, End::Left)]);
        let tries: Vec<_> = visits[2].tries.iter().map(|one| (one.started.0, one.ended.unwrap().0, one.error.as_deref())).collect();
        assert_eq!(tries, [(6_000, 7_000, Some("Broken")), (13_000, 15_000, None)]);
        assert_eq!(visits[1].tries[0].ended, Some(Instant(9_000)), "a try that was stopped has ended");
    }

    #[test]
    fn items_of_a_map_are_told_apart_and_lie_inside_of_it() {
        let item = |index| Detail::MapIterationStarted { name: "Each".into(), index };
        let visits = visits(vec![
            (0, entered("Map", "Each")),
            (1, Detail::StateStarted { kind: "Map", length: Some(2) }),
            (2, item(0)),
            (2, item(1)),
            (3, entered("Task", "Read")),
            (4, entered("Task", "Read")),
            (5, scheduled("read")),
            (6, scheduled("read")),
            (8, Detail::TaskFailed { call: call("read"), failure: Failure::named("Broken") }),
            (9, Detail::MapIterationFailed { name: "Each".into(), index: 1 }),
            (7, Detail::StateAborted { kind: "Task" }),
            (11, Detail::MapIterationAborted { name: "Each".into(), index: 0 }),
            (9, Detail::StateFailed { kind: "Map" }),
            (13, exited("Map", "Each")),
            (14, entered("Succeed", "Done")),
        ]);
        let broken = || "Broken".to_owned();
        assert_eq!(
            ended(&visits),
            [
                ("Each", 0, 0, End::Caught { error: broken() }),
                ("Read", 1, 1, End::Stopped),
                ("Read", 1, 1, End::Failed { error: broken() }),
                ("Done", 0, 0, End::Open),
            ]
        );
    }
}
