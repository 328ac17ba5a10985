//! What each function does.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde_json::{Map, Value};

use super::{Problem, hash_order};
use crate::digest;
use crate::random::Random;
use crate::value::Json;

/// The longest text that is encoded, decoded or hashed, and the longest range.
const LONGEST_TEXT: usize = 10_000;
const LONGEST_RANGE: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

/// Every function with its name and how many arguments it takes.
const FUNCTIONS: [(Function, &str, RangeInclusive<usize>); 18] = [
    (Function::Array, "States.Array", 0..=usize::MAX),
    (Function::ArrayContains, "States.ArrayContains", 2..=2),
    (Function::ArrayGetItem, "States.ArrayGetItem", 2..=2),
    (Function::ArrayLength, "States.ArrayLength", 1..=1),
    (Function::ArrayPartition, "States.ArrayPartition", 2..=2),
    (Function::ArrayRange, "States.ArrayRange", 3..=3),
    (Function::ArrayUnique, "States.ArrayUnique", 1..=1),
    (Function::Base64Decode, "States.Base64Decode", 1..=1),
    (Function::Base64Encode, "States.Base64Encode", 1..=1),
    (Function::Format, "States.Format", 1..=usize::MAX),
    (Function::Hash, "States.Hash", 2..=2),
    (Function::JsonMerge, "States.JsonMerge", 3..=3),
    (Function::JsonToString, "States.JsonToString", 1..=1),
    (Function::MathAdd, "States.MathAdd", 2..=2),
    (Function::MathRandom, "States.MathRandom", 2..=3),
    (Function::StringSplit, "States.StringSplit", 2..=2),
    (Function::StringToJson, "States.StringToJson", 1..=1),
    (Function::Uuid, "States.UUID", 0..=0),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(_, known, _)| *known == name).map(|(function, ..)| *function)
    }

    /// What is wrong with so many arguments.
    pub(super) fn miscount(self, given: usize) -> Option<String> {
        let (_, name, takes) = self.entry();
        let takes = match (*takes.start(), *takes.end()) {
            _ if takes.contains(&given) => return None,
            (0, 0) => "no arguments".to_owned(),
            (1, 1) => "1 argument".to_owned(),
            (1, usize::MAX) => "1 argument or more".to_owned(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        Some(format!("{name} takes {takes}, not {given}"))
    }

    /// What AWS says of arguments that a function doesn't take, whatever is wrong with them.
    pub(super) fn refuses(self) -> Problem {
        Problem::Told(format!("Invalid arguments in {}", self.entry().1))
    }

    /// As on AWS, arguments that are too few or too many are found out here only.
    pub(super) fn apply(self, arguments: &[Json], random: &Random) -> Result<Json, Problem> {
        let values: Vec<&Value> = arguments.iter().map(Json::value).collect();
        let applied = match (self, values.as_slice()) {
            (Self::Array, items) => Some(Value::Array(items.iter().map(|item| (*item).clone()).collect())),
            (Self::ArrayContains, [Value::Array(items), wanted]) => Some(Value::Bool(items.contains(wanted))),
            (Self::ArrayGetItem, [Value::Array(items), index]) => item(items, index),
            (Self::ArrayLength, [Value::Array(items)]) => Some(items.len().into()),
            (Self::ArrayPartition, [Value::Array(items), size]) => partition(items, size),
            (Self::ArrayRange, [first, last, step]) => range(first, last, step),
            (Self::ArrayUnique, [Value::Array(items)]) => Some(Value::Array(hash_order::unique(items))),
            (Self::Base64Decode, [Value::String(text)]) => short(text).map(|text| Value::String(decoded(text))),
            (Self::Base64Encode, [Value::String(text)]) => short(text).map(|text| Value::String(STANDARD.encode(text))),
            (Self::Hash, [Value::String(text), Value::String(algorithm)]) => {
                short(text).and_then(|text| digest::hash(text, algorithm).map(Value::String))
            }
            (Self::Hash, [_, Value::String(algorithm)]) => {
                short(arguments[0].text()).and_then(|text| digest::hash(text, algorithm).map(Value::String))
            }
            // Only the shallow merge is there; whatever isn't `true` asks for it.
            (Self::JsonMerge, [Value::Object(_), Value::Object(_), Value::Bool(true)]) => None,
            (Self::JsonMerge, [Value::Object(under), Value::Object(over), _]) => Some(Value::Object(merged(under, over))),
            (Self::JsonToString, [_]) => Some(Value::String(arguments[0].text().to_owned())),
            (Self::MathAdd, [left, right]) => sum(left, right),
            (Self::MathRandom, [first, end]) => drawn(first, end, random),
            (Self::MathRandom, [first, end, seed]) => {
                truncated(seed).and_then(|seed| drawn(first, end, &Random::new(seed.cast_unsigned(), &[])))
            }
            (Self::StringSplit, [Value::String(text), Value::String(separators)]) => Some(split(text, separators)),
            (Self::StringToJson, [Value::String(text)]) => read(text),
            (Self::Uuid, []) => Some(Value::String(random.uuid())),
            _ => None,
        };
        applied.map(Json::from).ok_or_else(|| self.refuses())
    }

    fn entry(self) -> &'static (Self, &'static str, RangeInclusive<usize>) {
        FUNCTIONS.iter().find(|(function, ..)| *function == self).expect("every function is in the table")
    }
}

fn item(items: &[Value], index: &Value) -> Option<Value> {
    let index = truncated(index)?;
    if items.is_empty() {
        return Some(Value::Null);
    }
    items.get(usize::try_from(index).ok()?).cloned()
}

fn partition(items: &[Value], size: &Value) -> Option<Value> {
    let size = usize::try_from(truncated(size)?).ok().filter(|size| *size > 0)?;
    Some(items.chunks(size).map(|chunk| Value::Array(chunk.to_vec())).collect())
}

fn range(first: &Value, last: &Value, step: &Value) -> Option<Value> {
    let (first, last, step) = (truncated(first)?, truncated(last)?, truncated(step)?);
    if step == 0 {
        return None;
    }
    let mut numbers = Vec::new();
    let mut next = Some(first);
    while let Some(number) = next.filter(|number| if step > 0 { *number <= last } else { *number >= last }) {
        if numbers.len() == LONGEST_RANGE {
            return None;
        }
        numbers.push(Value::from(number));
        next = number.checked_add(step);
    }
    Some(Value::Array(numbers))
}

/// A number without its fraction: for indices, sizes and bounds AWS doesn't round, though its guide says so.
fn truncated(number: &Value) -> Option<i64> {
    let Value::Number(number) = number else {
        return None;
    };
    number.as_i64().or_else(|| whole(number.as_f64()?.trunc()))
}

fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "there is no fraction and the magnitude is checked")]
    (number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
}

fn short(text: &str) -> Option<&str> {
    (text.chars().nth(LONGEST_TEXT).is_none()).then_some(text)
}

/// What is no Base64 is passed over, and the first padding ends it.
fn decoded(text: &str) -> String {
    let letters: Vec<u8> = text
        .bytes()
        .take_while(|byte| *byte != b'=')
        .filter_map(|byte| match byte {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            byte => (byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')).then_some(byte),
        })
        .collect();
    // A single letter is less than a byte.
    let whole = if letters.len() % 4 == 1 { &letters[..letters.len() - 1] } else { &letters };
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(whole).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn merged(under: &Map<String, Value>, over: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = under.clone();
    merged.extend(over.iter().map(|(key, value)| (key.clone(), value.clone())));
    merged
}

/// Each number is rounded first, a half upwards as Java's `Math.round` has it; all three are 32-bit integers.
fn sum(left: &Value, right: &Value) -> Option<Value> {
    let rounded = |number: &Value| {
        let Value::Number(number) = number else {
            return None;
        };
        let whole = number.as_i64().or_else(|| whole((number.as_f64()? + 0.5).floor()))?;
        i32::try_from(whole).ok()
    };
    rounded(left)?.checked_add(rounded(right)?).map(Value::from)
}

/// From the first bound, which is included, to the second, which isn't.
fn drawn(first: &Value, end: &Value, random: &Random) -> Option<Value> {
    let (first, end) = (truncated(first)?, truncated(end)?);
    let width = u64::try_from(end.checked_sub(first)?).ok().filter(|width| *width > 0)?;
    let offset = i64::try_from(random.bits() % width).ok()?;
    first.checked_add(offset).map(Value::from)
}

/// At each of the separators; nothing is left of an empty part.
fn split(text: &str, separators: &str) -> Value {
    text.split(|letter| separators.contains(letter)).filter(|part| !part.is_empty()).map(Value::from).collect()
}

fn read(text: &str) -> Option<Value> {
    if text.trim().is_empty() {
        return Some(Value::Null);
    }
    let mut value = serde_json::from_str(text).ok()?;
    // serde_json reads the integer -0 as a double.
    if text.contains("-0") {
        without_negative_zero(&mut value);
    }
    Some(value)
}

fn without_negative_zero(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_f64() == Some(0.0) => *value = Value::from(0),
        Value::Array(items) => items.iter_mut().for_each(without_negative_zero),
        Value::Object(fields) => fields.values_mut().for_each(without_negative_zero),
        _ => {}
    }
}
