//! The values that flow through an execution.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Add;
use std::rc::Rc;

use jsonata_core::value::{JArray, JMap, JValue};
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

    /// An array of them, in the form that they all have.
    pub(crate) fn list<'a>(items: impl Iterator<Item = &'a Self> + Clone) -> Self {
        if items.clone().all(|item| item.0.jsonata.get().is_some()) {
            let flat = !items.clone().any(|item| matches!(item.jsonata(), JValue::Array(_)));
            return Self::from_jsonata(JValue::Array(JArray::new_flat(items.map(|item| item.jsonata().clone()).collect(), flat)));
        }
        Value::Array(items.map(|item| item.value().clone()).collect()).into()
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
        self.0.jsonata.get_or_init(|| jsonata_form(self.0.value.get().expect("a value has one form at least")))
    }

    /// One of the forms that are there, without making another: for who reads a part of it only.
    pub(crate) fn form(&self) -> Form<'_> {
        match self.0.jsonata.get() {
            Some(value) => Form::Jsonata(value),
            None => Form::Plain(self.value()),
        }
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
        self.0.text.get_or_init(|| match self.0.value.get() {
            Some(value) => value.to_string(),
            None => serde_json::to_string(&Written(self.jsonata())).expect("it is JSON"),
        })
    }

    /// Whether it is more than a state may hand on: 256 KiB of text.
    pub(crate) fn is_too_large(&self) -> bool {
        self.is_longer_than(262_144)
    }

    /// Whether its text is longer than so many bytes; the text of what is clearly shorter isn't made for it.
    pub(crate) fn is_longer_than(&self, bytes: usize) -> bool {
        let longest = self.0.text.get().map_or_else(|| self.form().longest_text(), String::len);
        longest > bytes && self.text().len() > bytes
    }

    /// A result of JSONata; it must be JSON throughout: neither undefined nor a function, and its arrays without the marks
    /// that JSONata leaves on its own.
    pub(crate) fn from_jsonata(value: JValue) -> Self {
        Self(Rc::new(Forms { jsonata: OnceCell::from(value), ..Forms::default() }))
    }
}

/// A value in one of its forms.
#[derive(Clone, Copy)]
pub(crate) enum Form<'a> {
    Plain(&'a Value),
    Jsonata(&'a JValue),
}

impl Form<'_> {
    /// The value as JSONata works on it.
    pub(crate) fn to_jsonata(self) -> JValue {
        match self {
            Self::Plain(value) => jsonata_form(value),
            Self::Jsonata(value) => value.clone(),
        }
    }

    /// At most so many bytes are its text: every character of a string may become `\u0000`.
    fn longest_text(self) -> usize {
        const NUMBER: usize = 25;
        let string = |text: &str| 6 * text.len() + 4;
        match self {
            Self::Plain(Value::String(text)) => string(text),
            Self::Plain(Value::Array(items)) => 2 + items.iter().map(|item| 1 + Form::Plain(item).longest_text()).sum::<usize>(),
            Self::Plain(Value::Object(fields)) => {
                2 + fields.iter().map(|(name, field)| string(name) + Form::Plain(field).longest_text()).sum::<usize>()
            }
            Self::Jsonata(JValue::String(text)) => string(text),
            Self::Jsonata(JValue::Array(items)) => 2 + items.iter().map(|item| 1 + Form::Jsonata(item).longest_text()).sum::<usize>(),
            Self::Jsonata(JValue::Object(fields)) => {
                2 + fields.iter().map(|(name, field)| string(name) + Form::Jsonata(field).longest_text()).sum::<usize>()
            }
            Self::Plain(_) | Self::Jsonata(_) => NUMBER,
        }
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
        match self.form() {
            Form::Plain(value) => value.serialize(serializer),
            Form::Jsonata(value) => Written(value).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

/// What JSONata works on, written without the plain form in between.
struct Written<'a>(&'a JValue);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            JValue::Bool(bool) => serializer.serialize_bool(*bool),
            JValue::Number(number) => plain_number(*number).serialize(serializer),
            JValue::String(text) => serializer.serialize_str(text),
            JValue::Array(items) => serializer.collect_seq(items.iter().map(Written)),
            JValue::Object(fields) => serializer.collect_map(fields.iter().map(|(name, field)| (name, Written(field)))),
            _ => serializer.serialize_unit(),
        }
    }
}

fn jsonata_form(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(bool) => JValue::Bool(*bool),
        Value::Number(number) => JValue::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => JValue::String(text.as_str().into()),
        Value::Array(items) => {
            let flat = !items.iter().any(Value::is_array);
            JValue::Array(JArray::new_flat(items.iter().map(jsonata_form).collect(), flat))
        }
        Value::Object(fields) => {
            JValue::Object(Rc::new(fields.iter().map(|(name, field)| (name.clone(), jsonata_form(field))).collect::<JMap>()))
        }
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

/// What is no number, such as `1/0`, is null in JSON.
fn plain_number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is zero and the magnitude is checked")]
    if number.fract() == 0.0 && number.abs() < 9_223_372_036_854_775_808.0 {
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
    #[must_use]
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::Json;

    proptest! {
        #[test]
        fn a_value_is_the_same_in_either_form(value in any_json()) {
            let there = Json::from_jsonata(Json::from(value.clone()).jsonata().clone());
            prop_assert_eq!(there.text(), value.to_string());
            prop_assert_eq!(serde_json::to_string(&there).unwrap(), value.to_string());
            prop_assert_eq!(there.value(), &value);
        }

        #[test]
        fn length_is_that_of_the_text(value in any_json(), bytes in 0_usize..200) {
            let length = value.to_string().len();
            prop_assert_eq!(Json::from(value.clone()).is_longer_than(bytes), length > bytes);
            prop_assert_eq!(Json::from_jsonata(Json::from(value).jsonata().clone()).is_longer_than(bytes), length > bytes);
        }
    }

    #[test]
    fn what_is_no_number_is_null() {
        assert_eq!(Json::from_jsonata(f64::INFINITY.into()).text(), "null");
        assert_eq!(Json::from_jsonata((-0.0).into()).text(), "0");
        assert_eq!(Json::from(json!(1.5)).text(), "1.5");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            (-1.0e9..1.0e9).prop_filter_map("whole ones are written as such", |number: f64| (number.fract() != 0.0).then(|| number.into())),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..4).prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }
}
