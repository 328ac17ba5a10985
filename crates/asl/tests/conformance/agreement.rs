//! Whether what we say is what AWS recorded, and where they part.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// Where the two part.
#[derive(Debug, Clone)]
pub struct Disagreement {
    /// Which event or answer, in words.
    pub at: String,
    /// The path inside it.
    pub path: String,
    /// What AWS recorded there.
    pub recorded: String,
    /// What we say there.
    pub ours: String,
    /// What else helps to understand it.
    pub notes: Vec<String>,
}

impl Disagreement {
    pub fn new(at: impl Into<String>, difference: Difference) -> Self {
        let Difference { path, recorded, ours } = difference;
        Self { at: at.into(), path, recorded, ours, notes: Vec::new() }
    }

    /// One that no path leads to.
    pub fn whole(at: impl Into<String>, recorded: impl Into<String>, ours: impl Into<String>) -> Self {
        Self { at: at.into(), path: String::new(), recorded: recorded.into(), ours: ours.into(), notes: Vec::new() }
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "  {}{}{}", self.at, if self.path.is_empty() { "" } else { " at " }, self.path)?;
        writeln!(formatter, "    AWS:  {}", self.recorded)?;
        write!(formatter, "    ours: {}", self.ours)?;
        self.notes.iter().try_for_each(|note| write!(formatter, "\n    {note}"))
    }
}

/// The first place where two values part.
#[derive(Debug, Clone)]
pub struct Difference {
    pub path: String,
    pub recorded: String,
    pub ours: String,
}

/// What each placeholder of a recording stands for on our side: `<uuid:1>` is one value, wherever it stands, and no other
/// placeholder's.
#[derive(Clone, Default)]
pub struct Names {
    values: BTreeMap<String, String>,
    /// Whether `<…>` without a number stands for any text: a transformer of the test's own put it there.
    pub any_text: bool,
    /// Whether some text stands for a random UUID of ours.
    pub random_ids: bool,
}

impl Names {
    /// What a definition, an input or a task's answer already shows as a placeholder is a plain text.
    pub fn keep(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.contains('<') => {
                for placeholder in placeholders(text) {
                    self.values.entry(placeholder.to_owned()).or_insert_with(|| placeholder.to_owned());
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.keep(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.keep(field)),
            _ => {}
        }
    }

    /// The recorded value with our own values in place of the placeholders that are known.
    pub fn fill(&self, recorded: &Value) -> Value {
        match recorded {
            Value::String(text) => self.fill_text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), self.fill(field))).collect(),
            other => other.clone(),
        }
    }

    pub fn fill_text(&self, text: &str) -> String {
        let filled = |placeholder: &str| self.values.get(placeholder).map_or(placeholder, String::as_str).to_owned();
        PLACEHOLDER.replace_all(text, |found: &regex::Captures<'_>| filled(&found[0])).into_owned()
    }

    /// Compares, and learns what placeholders stand for.
    pub fn compare(&mut self, recorded: &Value, ours: &Value) -> Result<(), Difference> {
        self.compare_at(&mut String::new(), recorded, ours)
    }

    fn compare_at(&mut self, path: &mut String, recorded: &Value, ours: &Value) -> Result<(), Difference> {
        let differs = |path: &String| {
            Err(Difference { path: path.trim_start_matches('.').to_owned(), recorded: recorded.to_string(), ours: ours.to_string() })
        };
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => {
                for (name, field) in recorded {
                    let Some(our_field) = ours.get(name) else {
                        return Err(Difference { path: inner(path, name), recorded: field.to_string(), ours: "nothing".into() });
                    };
                    within(path, name, |path| self.compare_at(path, field, our_field))?;
                }
                match ours.iter().find(|(name, _)| !recorded.contains_key(*name)) {
                    Some((name, field)) => Err(Difference { path: inner(path, name), recorded: "nothing".into(), ours: field.to_string() }),
                    None => Ok(()),
                }
            }
            (Value::Array(recorded), Value::Array(ours)) if recorded.len() == ours.len() => {
                let mut pairs = recorded.iter().zip(ours).enumerate();
                pairs.try_for_each(|(index, (recorded, ours))| {
                    within(path, &index.to_string(), |path| self.compare_at(path, recorded, ours))
                })
            }
            (Value::String(recorded), Value::String(ours)) => {
                if self.compare_texts(recorded, ours) {
                    Ok(())
                } else {
                    differs(path)
                }
            }
            _ if recorded == ours => Ok(()),
            _ => differs(path),
        }
    }

    fn compare_texts(&mut self, recorded: &str, ours: &str) -> bool {
        if recorded == ours && !recorded.contains('<') {
            return true;
        }
        if self.random_ids && recorded != ours && is_random_id(ours) {
            return true;
        }
        let mut learned = BTreeMap::new();
        let agree = self.matches(recorded, ours, &mut learned);
        if agree {
            self.values.append(&mut learned);
        }
        agree
    }

    /// Matches text and placeholders one after the other.
    fn matches(&self, recorded: &str, ours: &str, learned: &mut BTreeMap<String, String>) -> bool {
        let Some(found) = PLACEHOLDER.find(recorded) else { return recorded == ours };
        let Some(ours) = ours.strip_prefix(&recorded[..found.start()]) else { return false };
        let (placeholder, rest) = (found.as_str(), &recorded[found.end()..]);
        let numbered = placeholder.contains(':');
        if let Some(known) = self.values.get(placeholder).or_else(|| learned.get(placeholder)) {
            return ours.strip_prefix(known.as_str()).is_some_and(|ours| self.matches(rest, ours, learned));
        }
        if let Some(after) = ours.strip_prefix(placeholder) {
            let mut tried = learned.clone();
            if numbered {
                tried.insert(placeholder.to_owned(), placeholder.to_owned());
            }
            if self.matches(rest, after, &mut tried) {
                *learned = tried;
                return true;
            }
        }
        if !numbered && !self.any_text {
            return false;
        }
        let ends = ours.char_indices().map(|(index, _)| index).skip(1).chain([ours.len()]);
        for end in ends.filter(|&end| end > 0) {
            let value = &ours[..end];
            if numbered && (!stands_for(placeholder, value) || self.is_taken(value, learned)) {
                continue;
            }
            let mut tried = learned.clone();
            if numbered {
                tried.insert(placeholder.to_owned(), value.to_owned());
            }
            if self.matches(rest, &ours[end..], &mut tried) {
                *learned = tried;
                return true;
            }
        }
        false
    }

    fn is_taken(&self, value: &str, learned: &BTreeMap<String, String>) -> bool {
        self.values.values().chain(learned.values()).any(|taken| taken == value)
    }
}

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"<[A-Za-z][A-Za-z0-9_-]*(:\d+)?>").expect("the pattern is well-formed"));

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    PLACEHOLDER.find_iter(text).map(|found| found.as_str())
}

/// What a placeholder's name demands of its value.
fn stands_for(placeholder: &str, value: &str) -> bool {
    match placeholder.trim_start_matches('<').split(':').next() {
        Some("uuid") => is_uuid(value),
        Some("json-input") => serde_json::from_str::<Value>(value).is_ok_and(|value| value.is_object()),
        _ => true,
    }
}

fn is_uuid(text: &str) -> bool {
    static UUID: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$").expect("the pattern is well-formed"));
    UUID.is_match(text)
}

/// Version 4 of RFC 9562.
fn is_random_id(text: &str) -> bool {
    is_uuid(text) && text.as_bytes()[14] == b'4' && b"89ab".contains(&text.as_bytes()[19])
}

fn inner(path: &str, name: &str) -> String {
    format!("{path}.{name}").trim_start_matches('.').to_owned()
}

fn within<T>(path: &mut String, name: &str, then: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    path.push('.');
    path.push_str(name);
    let result = then(path);
    path.truncate(length);
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn agree(names: &mut Names, recorded: &str, ours: &str) -> bool {
        names.compare(&json!(recorded), &json!(ours)).is_ok()
    }

    #[test]
    fn a_placeholder_stands_for_one_value_wherever_it_stands() {
        let mut names = Names::default();
        assert!(agree(&mut names, "<task_token:1>", "AAAA"));
        assert!(agree(&mut names, "token <task_token:1>.", "token AAAA."));
        assert!(!agree(&mut names, "<task_token:1>", "BBBB"));
        assert!(!agree(&mut names, "<task_token:1>", "<task_token:1>"));
        assert!(!agree(&mut names, "<task_token:2>", "AAAA"), "another placeholder is another value");
        assert_eq!(names.fill_text("a <task_token:1> b"), "a AAAA b");
    }

    #[test]
    fn what_a_placeholder_stands_for_has_its_form() {
        let id = "01234567-89ab-4cde-8f01-23456789abcd";
        assert!(!agree(&mut Names::default(), "<uuid:1>", "no"));
        assert!(agree(&mut Names::default(), "<uuid:1>", id));
        assert!(agree(&mut Names::default(), "in '<json-input:1>'.", "in '{\"a\":1}'."));
        assert!(!agree(&mut Names::default(), "in '<json-input:1>'.", "in '[]'."));
        assert!(!agree(&mut Names { random_ids: true, ..Names::default() }, "some-id", "other"));
        assert!(agree(&mut Names { random_ids: true, ..Names::default() }, "some-id", id));
        assert!(!agree(&mut Names::default(), "some-id", id));
    }

    #[test]
    fn a_placeholder_without_a_number_is_a_text_unless_a_transformer_put_it_there() {
        assert!(agree(&mut Names::default(), "<start>", "<start>"));
        assert!(!agree(&mut Names::default(), "<start>", "x"));
        assert!(agree(&mut Names { any_text: true, ..Names::default() }, "<start>", "x"));
        assert!(!agree(&mut Names { any_text: true, ..Names::default() }, "<start>", ""));
    }

    #[test]
    fn numbers_texts_and_fields_must_be_equal() {
        let differs = |recorded: Value, ours: Value| Names::default().compare(&recorded, &ours).unwrap_err().path;
        assert_eq!(differs(json!({ "a": [1, 2] }), json!({ "a": [1, 2.0] })), "a.1");
        assert_eq!(differs(json!({ "a": 1 }), json!({ "a": 1, "b": null })), "b");
        assert_eq!(differs(json!({ "a": { "b": null } }), json!({ "a": {} })), "a.b");
        assert_eq!(differs(json!({ "a": "1" }), json!({ "a": 1 })), "a");
        assert!(Names::default().compare(&json!({ "a": 1, "b": 2 }), &json!({ "b": 2, "a": 1 })).is_ok());
    }
}
