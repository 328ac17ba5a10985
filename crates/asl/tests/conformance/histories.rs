//! Compares our history with AWS's, event by event.

use nightly_asl::Status;
use serde_json::Value;

use crate::agreement::{Difference, Disagreement, Names};
use crate::exceptions::{CUT_OFF, STILL_RUNNING};
use crate::masks::{as_recorded, forget_order_in_parallel, hide};
use crate::recording::{Recording, holds_the_end, kind};
use crate::replay::{Replay, replay};

/// Replays a recording and compares.
pub fn judge(recording: &Recording) -> Result<(), Disagreement> {
    match replay(recording) {
        Ok(replay) => {
            let judged = compare(recording, &replay);
            judged.map_err(|disagreement| {
                replay.notes.iter().fold(disagreement, |disagreement, note| disagreement.note(format!("note: {note}")))
            })
        }
        Err(what) => Err(Disagreement::whole("the execution", format!("{} events", recording.events.len()), what)),
    }
}

pub fn compare(recording: &Recording, replay: &Replay) -> Result<(), Disagreement> {
    Sides::of(recording, replay).compare(recording)
}

/// Both histories in the form in which they are compared.
pub struct Sides {
    pub recorded: Vec<Value>,
    pub ours: Vec<Value>,
    status: Status,
}

impl Sides {
    pub fn of(recording: &Recording, replay: &Replay) -> Self {
        let mut ours = replay.events.clone();
        if recording.parallel_normalised {
            ours = forget_order_in_parallel(ours);
        }
        Self { recorded: as_recorded(recording.events.clone()), ours: hide(ours, &recording.masks), status: replay.status.clone() }
    }

    pub fn compare(&self, recording: &Recording) -> Result<(), Disagreement> {
        let (recorded, mut ours) = (self.recorded.as_slice(), self.ours.as_slice());
        if !holds_the_end(recorded) {
            let named = |patterns: &[&str]| patterns.iter().any(|pattern| recording.id.contains(pattern));
            if named(CUT_OFF) {
                ours = &ours[..ours.len().min(recorded.len())];
            } else if !named(STILL_RUNNING) {
                return Err(Disagreement::whole("the recording", "stops before the execution's end", "nothing says why"));
            } else if self.status != Status::Running {
                return Err(Disagreement::whole("the execution", "still runs", format!("{:?}", self.status)));
            }
        }
        let mut names = Names::default();
        names.any_text = recording.has_custom_masks();
        names.random_ids = recording.nondeterminism.iter().any(|what| what == "States.UUID");
        names.keep(&recording.definition);
        names.keep(&recording.input);
        let in_order = compare_in_order(&mut names.clone(), recorded, ours);
        if in_order.is_err() && recording.is_interleaved() && !recording.parallel_normalised {
            return compare_as_links(&mut names, recorded, ours).map_err(|_| in_order.expect_err("it was looked at"));
        }
        in_order
    }
}

/// Event by event; those that were sorted and lost their ids as a bag, between the events that did not.
fn compare_in_order(names: &mut Names, recorded: &[Value], ours: &[Value]) -> Result<(), Disagreement> {
    let mut index = 0;
    while index < recorded.len() {
        let sorted = recorded[index..].iter().take_while(|event| lost_its_id(event)).count();
        if sorted > 0 {
            let ours_end = ours.len().min(index + sorted);
            compare_as_bag(names, &recorded[index..index + sorted], &ours[index.min(ours_end)..ours_end], index)?;
            index += sorted;
            continue;
        }
        let Some(our_event) = ours.get(index) else {
            return Err(Disagreement::whole(title(index, &recorded[index]), recorded[index].to_string(), "our history ends before"));
        };
        compare_event(names, &recorded[index], our_event).map_err(|difference| {
            Disagreement::new(title(index, &recorded[index]), difference)
                .note(format!("AWS's event: {}", recorded[index]))
                .note(format!("our event:   {our_event}"))
        })?;
        index += 1;
    }
    match ours.get(recorded.len()) {
        Some(more) => Err(Disagreement::whole(title(recorded.len(), more), "the history ends before", more.to_string())),
        None => Ok(()),
    }
}

fn lost_its_id(event: &Value) -> bool {
    event["id"].is_array()
}

/// The type first: it says most.
fn compare_event(names: &mut Names, recorded: &Value, ours: &Value) -> Result<(), Difference> {
    if recorded["type"] != ours["type"] {
        return Err(Difference { path: "type".into(), recorded: recorded["type"].to_string(), ours: ours["type"].to_string() });
    }
    names.compare(recorded, ours)
}

fn compare_as_bag(names: &mut Names, recorded: &[Value], ours: &[Value], first: usize) -> Result<(), Disagreement> {
    let mut left: Vec<&Value> = ours.iter().collect();
    for (index, event) in recorded.iter().enumerate() {
        let mut learned = names.clone();
        let found = left.iter().position(|ours| {
            learned = names.clone();
            compare_event(&mut learned, event, ours).is_ok()
        });
        let Some(found) = found else {
            let at = title(first + index, event);
            let nearest = left.iter().find(|ours| ours["type"] == event["type"]);
            return Err(match nearest.map(|ours| (ours, compare_event(names, event, ours))) {
                Some((ours, Err(difference))) => {
                    Disagreement::new(at, difference).note(format!("AWS's event: {event}")).note(format!("our nearest: {ours}"))
                }
                _ => Disagreement::whole(at, event.to_string(), "no such event among those of the Parallel"),
            });
        };
        left.remove(found);
        *names = learned;
    }
    Ok(())
}

/// Where branches or items run in an order of AWS's own: each event with the one that led to it, as a bag. What begins the next item or ends
/// them all follows whichever item ended last, so it stands for itself.
fn compare_as_links(names: &mut Names, recorded: &[Value], ours: &[Value]) -> Result<(), Disagreement> {
    compare_as_bag(names, &links(recorded), &links(ours), 0)?;
    if recorded.len() == ours.len() {
        return Ok(());
    }
    Err(Disagreement::whole("the history", format!("{} events", recorded.len()), format!("{} events", ours.len())))
}

fn links(events: &[Value]) -> Vec<Value> {
    let without_id = |event: &Value| {
        let mut event = event.clone();
        if let Value::Object(fields) = &mut event {
            fields.retain(|name, _| name != "id" && name != "previousEventId");
        }
        without_ids_in_texts(event)
    };
    let link = |event: &Value| {
        let follows_any = kind(event).is_some_and(|kind| {
            kind.starts_with("MapIterationStarted")
                || kind.starts_with("MapState")
                || kind.starts_with("ParallelState")
                || kind.starts_with("Execution")
        });
        let previous = event["previousEventId"].as_u64().filter(|_| !follows_any).filter(|&id| id > 0);
        let previous = previous.and_then(|id| events.iter().find(|event| event["id"] == id)).map_or(Value::Null, without_id);
        serde_json::json!({ "type": event["type"], "event": without_id(event), "after": previous })
    };
    events.iter().map(link).collect()
}

/// `(entered at the event id #7)` tells an id, too.
fn without_ids_in_texts(value: Value) -> Value {
    match value {
        Value::String(text) => match text.split_once("at the event id #") {
            Some((before, after)) => {
                format!("{before}at the event id #_{}", after.trim_start_matches(|letter: char| letter.is_ascii_digit())).into()
            }
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(without_ids_in_texts).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, without_ids_in_texts(field))).collect(),
        other => other,
    }
}

fn title(index: usize, event: &Value) -> String {
    format!("event {} {}", index + 1, kind(event).unwrap_or("without a type"))
}

/// Both histories side by side, for whoever looks at one case.
pub fn transcript(recording: &Recording) -> String {
    let mut lines = vec![format!("definition: {}", recording.definition), format!("input: {}", recording.input)];
    match replay(recording) {
        Ok(replay) => {
            let Sides { recorded, ours, .. } = Sides::of(recording, &replay);
            for index in 0..recorded.len().max(ours.len()) {
                let show = |event: Option<&Value>| event.map_or_else(|| "-".to_owned(), compact);
                let (recorded, ours) = (recorded.get(index), ours.get(index));
                if recorded == ours {
                    lines.push(format!("both  {}", show(ours)));
                } else {
                    lines.push(format!("AWS   {}\nours  {}", show(recorded), show(ours)));
                }
            }
            lines.push(format!("status: {:?}", replay.status));
            lines.extend(replay.notes);
        }
        Err(what) => lines.push(what),
    }
    lines.join("\n")
}

/// An event in one line, its ids and type first.
fn compact(event: &Value) -> String {
    let details = crate::recording::details(event);
    let mut details: Vec<_> = details.into_iter().collect();
    details.sort_by(|(one, _), (other, _)| one.cmp(other));
    let details = details.iter().filter(|(_, value)| value.get("truncated").is_none()).map(|(name, value)| format!("{name}={value}"));
    format!("{}<-{} {} {}", event["id"], event["previousEventId"], kind(event).unwrap_or("?"), details.collect::<Vec<_>>().join(" "))
}
