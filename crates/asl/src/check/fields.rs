//! Which fields may stand where, and what kind of value each has.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Checker, Language, Placeholders, paths};

/// The fields of the machine itself.
pub(super) const MACHINE: &[&str] = &["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"];
/// The fields of a branch.
pub(super) const BRANCH: &[&str] = &["Comment", "StartAt", "States"];
/// The fields of what a Map does with an item.
pub(super) const ITEM_PROCESSOR: &[&str] = &["Comment", "ProcessorConfig", "StartAt", "States"];

/// The types of states, in AWS's order.
pub(super) const TYPES: [&str; 8] = ["Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map"];

/// The fields of a type of state: in both languages, in JSONPath, in JSONata.
pub(super) fn of(kind: &str) -> [&'static [&'static str]; 3] {
    match kind {
        "Task" => [
            &["Next", "End", "Resource", "TimeoutSeconds", "HeartbeatSeconds", "Credentials", "Retry", "Catch", "Assign"],
            &["InputPath", "OutputPath", "Parameters", "ResultSelector", "ResultPath", "TimeoutSecondsPath", "HeartbeatSecondsPath"],
            &["Arguments", "Output"],
        ],
        "Wait" => {
            [&["Next", "End", "Seconds", "Timestamp", "Assign"], &["InputPath", "OutputPath", "SecondsPath", "TimestampPath"], &["Output"]]
        }
        "Pass" => [&["Next", "End", "Assign"], &["InputPath", "OutputPath", "Parameters", "Result", "ResultPath"], &["Output"]],
        "Succeed" => [&[], &["InputPath", "OutputPath"], &["Output"]],
        "Fail" => [&["Error", "Cause"], &["ErrorPath", "CausePath"], &[]],
        "Choice" => [&["Choices", "Default", "Assign"], &["InputPath", "OutputPath"], &["Output"]],
        "Parallel" => [
            &["Next", "End", "Branches", "Retry", "Catch", "Assign"],
            &["InputPath", "OutputPath", "Parameters", "ResultSelector", "ResultPath"],
            &["Arguments", "Output"],
        ],
        "Map" => [
            &[
                "Next",
                "End",
                "ItemProcessor",
                "Iterator",
                "ItemSelector",
                "MaxConcurrency",
                "Retry",
                "Catch",
                "Assign",
                "Label",
                "ItemReader",
                "ItemBatcher",
                "ResultWriter",
                "ToleratedFailureCount",
                "ToleratedFailurePercentage",
            ],
            &[
                "InputPath",
                "OutputPath",
                "ItemsPath",
                "Parameters",
                "ResultSelector",
                "ResultPath",
                "MaxConcurrencyPath",
                "ToleratedFailureCountPath",
                "ToleratedFailurePercentagePath",
            ],
            &["Items", "Output"],
        ],
        _ => [&[], &[], &[]],
    }
}

/// What stands in every state.
pub(super) const ALWAYS: [&str; 3] = ["Type", "Comment", "QueryLanguage"];

/// The known name that somebody who wrote this one most likely meant.
pub(super) fn nearest<'n>(written: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // A short name is a slip of hardly anything.
    let limit = match written.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    known
        .map(|name| {
            let begun = written.len() > 3 && name.starts_with(written);
            (if begun { limit } else { distance(&written.to_lowercase(), &name.to_lowercase()) }, name)
        })
        .filter(|(distance, name)| *distance <= limit && *name != written)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters have to be put in, taken out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, mark) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, compared) in other.iter().enumerate() {
            let changed = diagonal + usize::from(mark != *compared);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// Puts quotes around each `${Name}` that stands where a number would, so that the rest can be read as JSON.
pub(super) fn quote_placeholders(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(mark) = rest.chars().next() {
        let length = match placeholder(rest) {
            Some(length) if !inside => {
                quoted.push('"');
                quoted.push_str(&rest[..length]);
                quoted.push('"');
                length
            }
            _ => {
                inside ^= mark == '"' && !escaped;
                escaped = inside && mark == '\\' && !escaped;
                quoted.push(mark);
                mark.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    quoted
}

/// The length of the `${Name}` that the text begins with.
fn placeholder(text: &str) -> Option<usize> {
    let name = text.strip_prefix("${")?;
    let length = name.find('}')?;
    let named = name[..length].starts_with(|mark: char| mark.is_ascii_alphabetic());
    (named && name[..length].chars().all(|mark| mark.is_ascii_alphanumeric() || ":._-".contains(mark))).then_some(length + 3)
}

/// An inclusive range of whole numbers.
pub(super) const LONGEST_SECONDS: i64 = 99_999_999;

impl Checker<'_> {
    /// Whether a value is a placeholder and nothing else, and so could be anything.
    pub(super) fn is_placeholder(&self, value: &Value) -> bool {
        self.placeholders == Placeholders::Pending && value.as_str().is_some_and(|text| placeholder(text) == Some(text.len()))
    }

    /// A text with something harmless where its placeholders are.
    pub(super) fn filled<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.placeholders == Placeholders::Replaced || !text.contains("${") {
            return Cow::Borrowed(text);
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(mark) = rest.chars().next() {
            let length = if let Some(length) = placeholder(rest) {
                filled.push('1');
                length
            } else {
                filled.push(mark);
                mark.len_utf8()
            };
            rest = &rest[length..];
        }
        Cow::Owned(filled)
    }

    pub(super) fn required(&mut self, fields: &Map<String, Value>, required: &[&str], location: &str) {
        let missing: Vec<&str> = required.iter().copied().filter(|field| !fields.contains_key(*field)).collect();
        if !missing.is_empty() {
            let hint = match missing.iter().find_map(|field| nearest(field, fields.keys().map(String::as_str))) {
                Some(near) => format!("Is {near} a slip of the pen?"),
                None => format!("Add {}: it can't be left out.", missing.join(" and ")),
            };
            self.findings.refused(location, format!("These fields are required: [{}]", missing.join(", ")), hint);
        }
    }

    /// At most one of the fields.
    pub(super) fn exclusive(&mut self, fields: &Map<String, Value>, names: &[&str], location: &str) {
        let present: Vec<&str> = names.iter().copied().filter(|field| fields.contains_key(*field)).collect();
        if present.len() > 1 {
            let message = format!("There should only be one of the following fields: [{}]", names.join(", "));
            self.findings.refused(location, message, format!("Keep one of {}.", present.join(" and ")));
        }
    }

    pub(super) fn text_field(&mut self, fields: &Map<String, Value>, field: &str, location: &str) {
        if fields.get(field).is_some_and(|value| !value.is_string()) {
            self.wrong_type(&format!("{location}/{field}"), "STRING", "Write a text in quotes.");
        }
    }

    pub(super) fn wrong_type(&mut self, location: &str, expected: &str, hint: &str) {
        self.findings.refused(location, format!("Expected value of type [{expected}]"), hint);
    }

    pub(super) fn one_of(&mut self, fields: &Map<String, Value>, field: &str, allowed: &[&str], location: &str) {
        let Some(value) = fields.get(field).filter(|value| !self.is_placeholder(value)) else { return };
        let place = format!("{location}/{field}");
        match value.as_str() {
            None => self.wrong_type(&place, "STRING", &format!("Write one of {}.", allowed.join(", "))),
            Some(text) if !allowed.contains(&text) => {
                let hint = match nearest(text, allowed.iter().copied()) {
                    Some(near) => format!("Did you mean {near}?"),
                    None => format!("Write one of {}.", allowed.join(", ")),
                };
                self.findings.refused(&place, format!("Value should be one of the following: [{}]", allowed.join(", ")), hint);
            }
            Some(_) => {}
        }
    }

    /// A whole number of seconds that may be an expression; gives it where it is a number.
    pub(super) fn seconds(
        &mut self,
        fields: &Map<String, Value>,
        field: &str,
        location: &str,
        language: Language,
        least: i64,
    ) -> Option<i64> {
        self.whole_number(fields, field, location, language, least, LONGEST_SECONDS)
    }

    /// A whole number in a range, or an expression; gives it where it is a number.
    pub(super) fn whole_number(
        &mut self,
        fields: &Map<String, Value>,
        field: &str,
        location: &str,
        language: Language,
        least: i64,
        most: i64,
    ) -> Option<i64> {
        let value = fields.get(field).filter(|value| !self.is_placeholder(value) && !is_expression(value, language))?;
        let place = format!("{location}/{field}");
        let Some(number) = value.as_i64() else {
            let hint = match (value.as_str(), language) {
                (Some(text), Language::JsonPath) if paths::looks_like_path(text) => format!("A path belongs into {field}Path."),
                (_, Language::JsonPath) => "Write a whole number without quotes.".to_owned(),
                (_, Language::Jsonata) => "Write a whole number without quotes, or a JSONata expression between {% and %}.".to_owned(),
            };
            self.wrong_type(&place, "INTEGER", &hint);
            return None;
        };
        if number < least {
            self.findings.refused(&place, format!("Minimum value is {least}"), format!("Write {least} or more instead of {number}."));
        } else if number > most {
            self.findings.refused(&place, format!("Maximum value is {most}"), format!("Write {most} or less instead of {number}."));
        }
        Some(number)
    }
}

/// Whether a value is a JSONata expression from end to end.
pub(super) fn is_expression(value: &Value, language: Language) -> bool {
    language == Language::Jsonata && value.as_str().is_some_and(|text| text.starts_with("{%") && text.ends_with("%}") && text.len() >= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_quoted_only_where_they_stand_alone() {
        let text = r#"{"a": ${Limit}, "b": "${Name}-\"${Other}", "c": [${One}, "$"]}"#;
        assert_eq!(quote_placeholders(text), r#"{"a": "${Limit}", "b": "${Name}-\"${Other}", "c": ["${One}", "$"]}"#);
    }

    #[test]
    fn a_slip_of_the_pen_finds_what_was_meant() {
        let known = || ["TimeoutSeconds", "HeartbeatSeconds", "Next", "End"].into_iter();
        assert_eq!(nearest("TimeoutSecond", known()), Some("TimeoutSeconds"));
        assert_eq!(nearest("next", known()), Some("Next"));
        assert_eq!(nearest("Heartbeat", known()), Some("HeartbeatSeconds"));
        assert_eq!(nearest("Retry", known()), None);
        assert_eq!(nearest("B", ["A", "C"].into_iter()), None);
    }
}
