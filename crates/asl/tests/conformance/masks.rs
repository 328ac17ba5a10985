//! What a recording hides, hidden on our side too: only then can the two be compared.

use regex::Regex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// What the test that recorded an execution hid of its own.
#[derive(Deserialize, Clone, Debug)]
#[serde(untagged)]
pub enum Mask {
    /// The value at a path became this text; where `numbered`, it did wherever else it stood, too.
    At(String, String, #[serde(default)] bool),
    /// A transformer with its own ideas: only its name is kept.
    Custom(IgnoredAny),
}

/// Where a JSON text stands in an event; the objects among them were parsed when the recording was kept.
const JSON_TEXTS: [&str; 3] = ["input", "output", "parameters"];

/// What marks a JSON text that is no object, so that it never equals what was no text.
const TEXT: &str = "(JSON text)";

/// Brings a history to the form that [`as_recorded`] gives a recording.
pub fn hide(events: Vec<Value>, masks: &[Mask]) -> Vec<Value> {
    let mut history = json!({ "events": events.into_iter().map(parse_objects).map(hide_times).collect::<Vec<_>>() });
    for mask in masks {
        if let Mask::At(path, replacement, false) = mask {
            overwrite(&mut history, &steps(path), replacement);
        }
    }
    let Some(Value::Array(events)) = history.get_mut("events").map(Value::take) else { unreachable!("the events were put there") };
    events.into_iter().map(read_json_texts).collect()
}

/// A recording's events: what could be hidden and parsed in them mostly is.
pub fn as_recorded(events: Vec<Value>) -> Vec<Value> {
    events.into_iter().map(hide_times).map(read_json_texts).collect()
}

/// A text that holds a JSON object is that object; texts inside it stay texts.
fn parse_objects(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('{') => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Value::Array(items) => items.into_iter().map(parse_objects).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, parse_objects(field))).collect(),
        other => other,
    }
}

/// Dates become `date` in whatever text, and what a key calls a timestamp becomes `timestamp`.
pub fn hide_times(value: Value) -> Value {
    static DATE: LazyLock<Regex> = LazyLock::new(|| {
        let day = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])";
        let time = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)";
        Regex::new(&format!("{day}T{time}")).expect("the pattern is well-formed")
    });
    match value {
        Value::String(text) if text.contains(':') => DATE.replace_all(&text, "date").into_owned().into(),
        Value::Array(items) => items.into_iter().map(hide_times).collect(),
        Value::Object(fields) => {
            let hide_field = |(name, field): (String, Value)| {
                let is_timestamp = name.to_lowercase().contains("timestamp") && (field.is_string() || field.is_number());
                let hidden = match hide_times(field) {
                    date if date == "date" => date,
                    _ if is_timestamp => "timestamp".into(),
                    other => other,
                };
                (name, hidden)
            };
            fields.into_iter().map(hide_field).collect()
        }
        other => other,
    }
}

/// In the fields that hold JSON, a text that is no object is read too: its spaces mean nothing, its values do.
fn read_json_texts(event: Value) -> Value {
    let Value::Object(mut fields) = event else { return event };
    for (name, details) in &mut fields {
        let Value::Object(details) = details else { continue };
        if !name.ends_with("EventDetails") {
            continue;
        }
        for name in JSON_TEXTS {
            if let Some(field) = details.get_mut(name) {
                *field = read_json_text(field.take());
            }
        }
        if let Some(Value::Object(variables)) = details.get_mut("assignedVariables") {
            variables.values_mut().for_each(|variable| *variable = read_json_text(variable.take()));
        }
    }
    Value::Object(fields)
}

fn read_json_text(value: Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(&text) {
            Ok(parsed) => json!({ TEXT: parsed }),
            Err(_) => Value::String(text),
        },
        Value::Array(_) => json!({ TEXT: value }),
        other => other,
    }
}

/// A step of a mask's path.
enum Step<'a> {
    /// `.name`
    Child(&'a str),
    /// `..name`
    Anywhere(&'a str),
    /// `.*` and `[*]`
    Each,
}

fn steps(path: &str) -> Vec<Step<'_>> {
    let mut rest = path.strip_prefix('$').unwrap_or_else(|| panic!("a mask's path begins with $: {path}"));
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (anywhere, name) = match rest.strip_prefix("..") {
            Some(name) => (true, name),
            None => (false, rest.strip_prefix('.').unwrap_or(rest)),
        };
        if let Some(after) = name.strip_prefix("[*]").or_else(|| name.strip_prefix('*')) {
            steps.push(Step::Each);
            rest = after;
            continue;
        }
        let end = name.find(['.', '[']).unwrap_or(name.len());
        assert!(end > 0, "a mask's path is made of names, .. and *: {path}");
        steps.push(if anywhere { Step::Anywhere(&name[..end]) } else { Step::Child(&name[..end]) });
        rest = &name[end..];
    }
    steps
}

fn overwrite(value: &mut Value, steps: &[Step<'_>], replacement: &str) {
    let Some((step, rest)) = steps.split_first() else {
        *value = replacement.into();
        return;
    };
    match step {
        Step::Child(name) => {
            if let Some(child) = value.get_mut(name) {
                overwrite(child, rest, replacement);
            }
        }
        Step::Each => children(value).for_each(|child| overwrite(child, rest, replacement)),
        Step::Anywhere(name) => {
            children(value).for_each(|child| overwrite(child, steps, replacement));
            if let Some(child) = value.get_mut(name) {
                overwrite(child, rest, replacement);
            }
        }
    }
}

fn children(value: &mut Value) -> Box<dyn Iterator<Item = &mut Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(fields) => Box::new(fields.values_mut()),
        _ => Box::new(std::iter::empty()),
    }
}

/// What the recording tests did to the events inside a Parallel: sorted they lost their ids. The test's own loop changed the list that it went
/// through, and so drops what closes the Parallel; the same is done here, step by step.
pub fn forget_order_in_parallel(mut events: Vec<Value>) -> Vec<Value> {
    let (mut start, mut inside, mut block) = (None, false, Vec::new());
    let mut index = 0;
    while index < events.len() {
        match events[index]["type"].as_str().unwrap_or_default() {
            "ParallelStateSucceeded" | "ParallelStateAborted" | "ParallelStateExited" | "ParallelStateFailed" => {
                events.splice(start.unwrap_or(0)..index, block.iter().cloned());
                inside = false;
            }
            "ParallelStateStarted" => {
                (start, inside) = (Some(index + 1), true);
                block.clear();
            }
            _ if inside => {
                events[index]["id"] = json!([0]);
                events[index]["previousEventId"] = json!(0);
                block.push(events[index].clone());
            }
            _ => {}
        }
        index += 1;
    }
    events
}

#[test]
fn an_object_in_a_text_is_parsed_once_and_a_list_keeps_its_values() {
    let event = json!({ "stateExitedEventDetails": { "output": "{\"a\":\"{\\\"b\\\":1}\"}" } });
    assert_eq!(hide(vec![event], &[]), [json!({ "stateExitedEventDetails": { "output": { "a": "{\"b\":1}" } } })]);
    let spaced = hide(vec![json!({ "stateExitedEventDetails": { "output": "[1, 2]" } })], &[]);
    let dense = hide(vec![json!({ "stateExitedEventDetails": { "output": "[1,2]" } })], &[]);
    let other = hide(vec![json!({ "stateExitedEventDetails": { "output": "[1,2.0]" } })], &[]);
    assert_eq!(spaced, dense);
    assert_ne!(spaced, other);
}

#[test]
fn dates_and_timestamps_are_hidden() {
    let event =
        json!({ "timestamp": 1.5, "x": "at 2024-11-04T11:40:47.123Z!", "MyTimestamp": "2024-11-04T11:40:47+00:00", "y": "2024-11-04" });
    assert_eq!(hide(vec![event], &[]), [json!({ "timestamp": "timestamp", "x": "at date!", "MyTimestamp": "date", "y": "2024-11-04" })]);
}

#[test]
fn what_is_no_date_is_not_hidden_as_one() {
    for text in ["2016-13-05T21:29:29Z", "2016-12-05T25:29:29Z", "2016-12-05T21:29:29", "2016-12-05 21:29:29Z"] {
        assert_eq!(hide(vec![json!({ "x": text, "timestamp": text })], &[]), [json!({ "x": text, "timestamp": "timestamp" })]);
    }
}

#[test]
fn a_mask_overwrites_what_its_path_finds_and_nothing_else() {
    let event = json!({ "d": { "output": { "Start-Date": 1, "other": { "Start-Date": 2 } }, "Start-Date": 3 } });
    let mask = Mask::At("$..output.Start-Date".into(), "hidden".into(), false);
    assert_eq!(
        hide(vec![event], &[mask]),
        [json!({ "d": { "output": { "Start-Date": "hidden", "other": { "Start-Date": 2 } }, "Start-Date": 3 } })]
    );
}

#[test]
fn events_in_a_parallel_lose_their_ids_and_what_closes_it() {
    let event = |id: u64, kind: &str| json!({ "id": id, "previousEventId": id - 1, "type": kind });
    let kinds = [
        "ParallelStateEntered",
        "ParallelStateStarted",
        "PassStateEntered",
        "PassStateExited",
        "ParallelStateSucceeded",
        "ParallelStateExited",
        "ExecutionSucceeded",
    ];
    let events = kinds.iter().zip(1..).map(|(kind, id)| event(id, kind)).collect();
    let ids: Vec<_> = forget_order_in_parallel(events).iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), json!([0]), json!([0]), json!(6), json!(7)]);
}
