//! The values that flow through an execution.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Add;
use std::rc::Rc;

use jsonata_core::value::JValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// A JSON value that is shared, never changed, and converted at most once between what JSONPath and JSONata work on.
#[derive(Clone)]
pub struct Json(Rc<Forms>);

/// At least one of the first two is there.
#[derive(Default)]
struct Forms {
    value: OnceCell<Value>,
    jsonata: OnceCell<JValue>,
    text: OnceCell<String>,
}

impl Json {
    /// `null`.
    pub fn null() -> Self {
        Value::Null.into()
    }

    /// `{}`.
    pub fn empty() -> Self {
        Value::Object(Map::new()).into()
    }

    /// Reads JSON text.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Value>(text).map(Self::from)
    }

    /// What JSONPath and everybody outside works on.
    pub fn value(&self) -> &Value {
        self.0.value.get_or_init(|| plain(self.0.jsonata.get().expect("a value has one form at least")))
    }

    /// What JSONata works on.
    pub(crate) fn jsonata(&self) -> &JValue {
        self.0.jsonata.get_or_init(|| JValue::from(self.0.value.get().expect("a value has one form at least").clone()))
    }

    /// The value itself; a copy only where others share it.
    pub(crate) fn into_value(self) -> Value {
        match Rc::try_unwrap(self.0) {
            Ok(Forms { value, jsonata, .. }) => {
                value.into_inner().unwrap_or_else(|| plain(jsonata.get().expect("a value has one form at least")))
            }
            Err(shared) => Self(shared).value().clone(),
        }
    }

    /// Compact JSON, as the history shows it.
    pub fn text(&self) -> &str {
        self.0.text.get_or_init(|| self.value().to_string())
    }

    /// Whether it is more than a state may hand on: 256 KiB of text.
    pub(crate) fn is_too_large(&self) -> bool {
        const MOST_BYTES: usize = 262_144;
        // Most values are small, and not worth writing down to see it.
        let bound = self.0.value.get().map_or_else(|| self.0.jsonata.get().map_or(0, largest_jsonata), largest);
        bound > MOST_BYTES && self.text().len() > MOST_BYTES
    }

    /// A result of JSONata; it must be JSON: neither undefined nor a function.
    pub(crate) fn from_jsonata(value: JValue) -> Self {
        Self(Rc::new(Forms { jsonata: OnceCell::from(value), ..Forms::default() }))
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self(Rc::new(Forms { value: OnceCell::from(value), ..Forms::default() }))
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0) || self.value() == other.value()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

/// JSONata knows one kind of number; a whole one is written without a fraction.
fn plain(value: &JValue) -> Value {
    match value {
        JValue::Bool(bool) => Value::Bool(*bool),
        JValue::Number(number) => plain_number(*number),
        JValue::String(text) => Value::String(text.to_string()),
        JValue::Array(items) => Value::Array(items.iter().map(plain).collect()),
        JValue::Object(fields) => Value::Object(fields.iter().map(|(key, field)| (key.clone(), plain(field))).collect()),
        _ => Value::Null,
    }
}

/// The most bytes that a value's text can have: every character of a string escaped.
fn largest(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 25,
        Value::String(text) => 2 + 6 * text.len(),
        Value::Array(items) => 2 + items.iter().map(|item| 1 + largest(item)).sum::<usize>(),
        Value::Object(fields) => 2 + fields.iter().map(|(key, field)| 4 + 6 * key.len() + largest(field)).sum::<usize>(),
    }
}

fn largest_jsonata(value: &JValue) -> usize {
    match value {
        JValue::Number(_) => 25,
        JValue::String(text) => 2 + 6 * text.len(),
        JValue::Array(items) => 2 + items.iter().map(|item| 1 + largest_jsonata(item)).sum::<usize>(),
        JValue::Object(fields) => 2 + fields.iter().map(|(key, field)| 4 + 6 * key.len() + largest_jsonata(field)).sum::<usize>(),
        _ => 5,
    }
}

fn plain_number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is zero and the magnitude is checked")]
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        Value::from(number as i64)
    } else {
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z: as fine as Step Functions' own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// This instant and so many milliseconds.
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Add<i64> for Instant {
    type Output = Self;

    /// Adds seconds.
    fn add(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC with milliseconds, as the context object shows an instant.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(formatter, "{timestamp:.3}"),
            Err(_) => write!(formatter, "{} ms", self.0),
        }
    }
}

/// Why a task, a state or an execution failed: what Retry and Catch match, and a text for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Failure {
    /// The error name, such as `States.Timeout` or one of the task's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What happened, in words, or the JSON that the task left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl Failure {
    /// A failure with both.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: Some(error.into()), cause: Some(cause.into()) }
    }

    /// A failure without a cause.
    pub fn named(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), cause: None }
    }
}
