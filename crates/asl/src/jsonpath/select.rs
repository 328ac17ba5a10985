//! What a path finds in a value, and what is told when it finds nothing.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::Step;
use crate::value::Json;

/// What a path found.
pub(crate) enum Found<'a> {
    /// The one node that a definite path names.
    One(Cow<'a, Value>),
    /// The nodes of any other path, in the order of the document.
    Many(Vec<Cow<'a, Value>>),
}

impl<'a> Found<'a> {
    /// The value, or the array of the values.
    pub(crate) fn into_value(self) -> Cow<'a, Value> {
        match self {
            Self::One(value) => value,
            Self::Many(values) => Cow::Owned(Value::Array(values.into_iter().map(Cow::into_owned).collect())),
        }
    }

    pub(super) fn into_owned(self) -> Found<'static> {
        match self {
            Self::One(value) => Found::One(Cow::Owned(value.into_owned())),
            Self::Many(values) => Found::Many(values.into_iter().map(|value| Cow::Owned(value.into_owned())).collect()),
        }
    }

    pub(crate) fn into_json(self) -> Json {
        self.into_value().into_owned().into()
    }
}

/// Why a path found nothing, in the words of the library that AWS uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Miss {
    /// A name isn't there.
    Absent(String),
    /// An array isn't as long; in a payload template that is `null`.
    PastTheEnd(String),
    /// The step can't be applied to what stands there; not even a path that may find nothing gets away with it.
    Inapplicable(String),
    /// The input is `null`.
    NoInput,
}

impl Miss {
    pub(crate) const NO_INPUT: &'static str = "Unable to apply Path transformation to null or empty input.";
}

pub(super) fn select<'a>(steps: &[Step], whole: &'a Value) -> Result<Found<'a>, Miss> {
    let definite = steps.iter().take_while(|step| matches!(step, Step::Property(_) | Step::Properties(_) | Step::Index(_))).count();
    match walk(steps, definite, whole) {
        Err(Miss::Absent(_) | Miss::PastTheEnd(_)) if definite < steps.len() => Ok(Found::Many(Vec::new())),
        result => result,
    }
}

/// The node that an index names in an array of so many.
pub(super) fn position(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { length + index } else { index }).ok()
}

fn walk<'a>(steps: &[Step], definite: usize, whole: &'a Value) -> Result<Found<'a>, Miss> {
    let mut node = whole;
    for (at, step) in steps[..definite].iter().enumerate() {
        node = match step {
            Step::Property(name) => property(node, name, &steps[..=at], at + 1 == steps.len())?,
            Step::Index(index) => element(node, *index, steps, at)?,
            Step::Properties(names) if at + 1 == steps.len() => return properties(node, names, steps).map(Cow::Owned).map(Found::One),
            _ => {
                let trail = trail(&steps[..=at]);
                return Err(Miss::Inapplicable(format!("Multi properties can only be used as path leafs: {trail}")));
            }
        };
    }
    if definite == steps.len() {
        return Ok(Found::One(Cow::Borrowed(node)));
    }
    first_of_many(&steps[definite], node, &steps[..definite])?;
    let mut found = Vec::new();
    spread(&steps[definite..], node, whole, &mut found);
    Ok(Found::Many(found))
}

fn property<'a>(node: &'a Value, name: &str, upto: &[Step], leaf: bool) -> Result<&'a Value, Miss> {
    let Value::Object(fields) = node else {
        return Err(not_an_object(upto));
    };
    fields.get(name).ok_or_else(|| {
        let trail = trail(upto);
        Miss::Absent(if leaf { format!("No results for path: {trail}") } else { format!("Missing property in path {trail}") })
    })
}

fn properties(node: &Value, names: &[std::rc::Rc<str>], upto: &[Step]) -> Result<Value, Miss> {
    let Value::Object(fields) = node else {
        return Err(not_an_object(upto));
    };
    Ok(Value::Object(merged(fields, names)))
}

fn merged(fields: &Map<String, Value>, names: &[std::rc::Rc<str>]) -> Map<String, Value> {
    names.iter().filter_map(|name| fields.get_key_value(&**name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn not_an_object(upto: &[Step]) -> Miss {
    let (last, before) = upto.split_last().expect("a step stands there");
    Miss::Absent(format!("Property {} not found in path {}", fragment(last), trail(before)))
}

fn element<'a>(node: &'a Value, index: i64, steps: &[Step], at: usize) -> Result<&'a Value, Miss> {
    let items = array(node, &steps[at], &steps[..at])?;
    position(index, items.len())
        .and_then(|index| items.get(index))
        .ok_or_else(|| Miss::PastTheEnd(format!("No results for path: {}", trail(steps))))
}

fn array<'a>(node: &'a Value, step: &Step, before: &[Step]) -> Result<&'a Vec<Value>, Miss> {
    match node {
        Value::Array(items) => Ok(items),
        Value::Null => Err(Miss::Absent(format!("The path {} is null", trail(before)))),
        other => Err(Miss::Inapplicable(format!(
            "Filter: {} can only be applied to arrays. Current context is: {}",
            fragment(step),
            shown(other)
        ))),
    }
}

/// Where the first step that may find several stands on something that it doesn't apply to.
fn first_of_many(step: &Step, node: &Value, before: &[Step]) -> Result<(), Miss> {
    match step {
        Step::Indices(_) | Step::Slice { .. } => array(node, step, before).map(|_| ()),
        Step::Filter(_) if !node.is_object() && !node.is_array() => {
            Err(Miss::Inapplicable(format!("Filter: [?] can not be applied to primitives. Current context is: {}", shown(node))))
        }
        _ => Ok(()),
    }
}

/// After the first step that may find several, whatever a step doesn't apply to is left out.
fn spread<'a>(steps: &[Step], node: &'a Value, whole: &'a Value, found: &mut Vec<Cow<'a, Value>>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(Cow::Borrowed(node));
        return;
    };
    match (step, node) {
        (Step::Property(name), Value::Object(fields)) => {
            if let Some(value) = fields.get(&**name) {
                spread(rest, value, whole, found);
            }
        }
        (Step::Properties(names), Value::Object(fields)) if rest.is_empty() => {
            found.push(Cow::Owned(Value::Object(merged(fields, names))));
        }
        (Step::Index(index), Value::Array(items)) => spread_element(*index, items, rest, whole, found),
        (Step::Indices(indices), Value::Array(items)) => {
            for index in indices {
                spread_element(*index, items, rest, whole, found);
            }
        }
        (Step::Slice { from, to }, Value::Array(items)) => {
            for item in &items[slice(*from, *to, items.len())] {
                spread(rest, item, whole, found);
            }
        }
        (Step::Wildcard, Value::Array(items)) => items.iter().for_each(|item| spread(rest, item, whole, found)),
        (Step::Wildcard, Value::Object(fields)) => fields.values().for_each(|field| spread(rest, field, whole, found)),
        (Step::Filter(filter), Value::Array(items)) => {
            for item in items.iter().filter(|item| filter.accepts(item, whole)) {
                spread(rest, item, whole, found);
            }
        }
        (Step::Filter(filter), Value::Object(_)) if filter.accepts(node, whole) => spread(rest, node, whole, found),
        (Step::Descent, _) => descend(rest, node, whole, found),
        _ => {}
    }
}

fn spread_element<'a>(index: i64, items: &'a [Value], rest: &[Step], whole: &'a Value, found: &mut Vec<Cow<'a, Value>>) {
    if let Some(item) = position(index, items.len()).and_then(|index| items.get(index)) {
        spread(rest, item, whole, found);
    }
}

/// A node before what is in it. A filter is asked of every object once, not again as an element of its array.
fn descend<'a>(steps: &[Step], node: &'a Value, whole: &'a Value, found: &mut Vec<Cow<'a, Value>>) {
    if !(node.is_array() && matches!(steps.first(), Some(Step::Filter(_)))) {
        spread(steps, node, whole, found);
    }
    match node {
        Value::Array(items) => items.iter().for_each(|item| descend(steps, item, whole, found)),
        Value::Object(fields) => fields.values().for_each(|field| descend(steps, field, whole, found)),
        _ => {}
    }
}

fn slice(from: Option<i64>, to: Option<i64>, length: usize) -> std::ops::Range<usize> {
    let within = |index: i64| match position(index, length) {
        Some(index) => index.min(length),
        None => 0,
    };
    let (from, to) = (from.map_or(0, within), to.map_or(length, within));
    from..to.max(from)
}

/// A path as the library writes it: `$['a'][0]`.
fn trail(steps: &[Step]) -> String {
    steps.iter().fold("$".to_owned(), |mut trail, step| {
        trail.push_str(&fragment(step));
        trail
    })
}

fn fragment(step: &Step) -> String {
    match step {
        Step::Property(name) => format!("['{name}']"),
        Step::Properties(names) => format!("[{}]", names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")),
        Step::Index(index) => format!("[{index}]"),
        Step::Indices(indices) => format!("[{}]", indices.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        Step::Slice { from, to } => {
            let mut text = "[".to_owned();
            let number = |number: &Option<i64>| number.map_or_else(String::new, |number| number.to_string());
            let _ = write!(text, "{}:{}]", number(from), number(to));
            text
        }
        Step::Wildcard => "[*]".to_owned(),
        Step::Descent => "..".to_owned(),
        Step::Filter(_) => "[?]".to_owned(),
    }
}

/// A string without its quotes.
fn shown(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}
