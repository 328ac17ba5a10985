//! Retry and Catch: which errors they match, and what their numbers say.

use serde_json::{Map, Value};

use super::payload::{Moment, PathKind};
use super::workflow::Transition;
use super::{Checker, Language, Severity, fields};

/// The errors that Step Functions itself names.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>
const RESERVED: [&str; 17] = [
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
];

/// A year and a day.
const LONGEST_DELAY: i64 = 31_622_400;

impl Checker<'_> {
    pub(super) fn retry(&mut self, state: &Map<String, Value>, location: &str) {
        let allowed = ["BackoffRate", "Comment", "ErrorEquals", "IntervalSeconds", "JitterStrategy", "MaxAttempts", "MaxDelaySeconds"];
        for (place, fields) in self.rules(state, "Retry", location, &allowed) {
            let interval = self.whole_number(fields, "IntervalSeconds", &place, Language::JsonPath, 1, fields::LONGEST_SECONDS);
            let longest = self.whole_number(fields, "MaxDelaySeconds", &place, Language::JsonPath, 1, LONGEST_DELAY);
            self.whole_number(fields, "MaxAttempts", &place, Language::JsonPath, 0, fields::LONGEST_SECONDS);
            self.one_of(fields, "JitterStrategy", &["FULL", "NONE"], &place);
            self.back_off(fields, &place);
            if let (Some(longest), interval) = (longest, interval.unwrap_or(1))
                && longest <= interval
            {
                let message = format!("MaxDelaySeconds ({longest}) is not greater than IntervalSeconds ({interval})");
                let hint = "The cap cuts even the first wait: raise it, or leave it out.";
                self.findings.add(Severity::Fault, "RETRY_NUMBERS", &format!("{place}/MaxDelaySeconds"), message, hint);
            }
        }
    }

    pub(super) fn catch(&mut self, state: &Map<String, Value>, location: &str, language: Language, transitions: &mut Vec<Transition>) {
        let allowed: &[&str] = match language {
            Language::JsonPath => &["Assign", "Comment", "ErrorEquals", "Next", "ResultPath"],
            Language::Jsonata => &["Assign", "Comment", "ErrorEquals", "Next", "Output"],
        };
        for (place, fields) in self.rules(state, "Catch", location, allowed) {
            self.required(fields, &["Next"], &place);
            let assigns = self.assign(fields, &place, language, Moment::Caught);
            match language {
                Language::JsonPath => self.path_field(fields, "ResultPath", &place, PathKind::InputReferenceOrNull),
                Language::Jsonata => {
                    if let Some(output) = fields.get("Output") {
                        self.payload(output, &format!("{place}/Output"), language, Moment::Caught);
                    }
                }
            }
            if let Some(next) = fields.get("Next") {
                self.transition(next, format!("{place}/Next"), assigns, transitions);
            }
        }
    }

    /// The rules of a Retry or Catch with their places; looks at what both have.
    fn rules<'s>(
        &mut self,
        state: &'s Map<String, Value>,
        field: &str,
        location: &str,
        allowed: &[&str],
    ) -> Vec<(String, &'s Map<String, Value>)> {
        let place = format!("{location}/{field}");
        let rules = match state.get(field) {
            None => return Vec::new(),
            Some(Value::Array(rules)) => rules,
            Some(_) => {
                self.wrong_type(&place, "ARRAY", "Write a list of rules, each with ErrorEquals.");
                return Vec::new();
            }
        };
        let mut read = Vec::new();
        let mut takes_all: Option<usize> = None;
        for (index, rule) in rules.iter().enumerate() {
            let place = format!("{place}[{index}]");
            let Some(fields) = rule.as_object() else {
                self.wrong_type(&place, "OBJECT", "Write a rule with ErrorEquals.");
                continue;
            };
            self.required(fields, &["ErrorEquals"], &place);
            self.text_field(fields, "Comment", &place);
            for unknown in fields.keys().filter(|field| !allowed.contains(&field.as_str())) {
                let hint = match fields::nearest(unknown, allowed.iter().copied()) {
                    Some(near) => format!("Did you mean {near}?"),
                    None => format!("Here may stand: {}.", allowed.join(", ")),
                };
                self.findings.refused(&place, format!("Field '{unknown}' is not supported"), hint);
            }
            let last = index + 1 == rules.len();
            if self.errors(fields, &place, last) {
                takes_all.get_or_insert(index);
            }
            if let Some(before) = takes_all.filter(|before| *before < index) {
                let message = format!("This rule is never looked at: {field}[{before}] takes every error before it");
                let hint = "Put the rule for States.ALL last.";
                self.findings.add(Severity::Fault, "UNREACHABLE_RULE", &place, message, hint);
            }
            read.push((place, fields));
        }
        read
    }

    /// Looks at `ErrorEquals`; whether it takes every error.
    fn errors(&mut self, rule: &Map<String, Value>, location: &str, last: bool) -> bool {
        let place = format!("{location}/ErrorEquals");
        let names = match rule.get("ErrorEquals") {
            None => return false,
            Some(Value::Array(names)) if names.is_empty() => {
                self.findings.refused(&place, "Value cannot be empty", "Name the errors, or write [\"States.ALL\"] in the last rule.");
                return false;
            }
            Some(Value::Array(names)) => names,
            Some(_) => {
                self.wrong_type(&place, "ARRAY", "Write a list of error names.");
                return false;
            }
        };
        for (index, name) in names.iter().enumerate() {
            let place = format!("{place}[{index}]");
            let Some(name) = name.as_str() else {
                self.wrong_type(&place, "STRING", "Write an error's name.");
                continue;
            };
            if name == "States.ALL" && (names.len() > 1 || !last) {
                let hint = "Give States.ALL a rule of its own behind all others.";
                self.findings.refused(&place, "States.ALL must appear alone and at end of list", hint);
            } else if name.starts_with("States.") && !RESERVED.contains(&name) {
                let message = format!("Step Functions knows no error {name}");
                let hint = match fields::nearest(name, RESERVED.into_iter()) {
                    Some(near) => format!("Did you mean {near}?"),
                    None => format!("It knows {}.", RESERVED.join(", ")),
                };
                self.findings.add(Severity::Fault, "UNKNOWN_ERROR", &place, message, hint);
            } else if name == "States.Runtime" {
                let message = "A rule for States.Runtime never applies: such an error ends the execution";
                let hint = "Put right what the definition asks for, such as a path into what is not there.";
                self.findings.add(Severity::Warning, "UNCATCHABLE_ERROR", &place, message, hint);
            }
        }
        names.iter().any(|name| name == "States.ALL")
    }

    fn back_off(&mut self, rule: &Map<String, Value>, location: &str) {
        let Some(value) = rule.get("BackoffRate").filter(|value| !self.is_placeholder(value)) else { return };
        let place = format!("{location}/BackoffRate");
        match value.as_f64() {
            None => self.wrong_type(&place, "NUMBER", "Write a number, 1.0 or more."),
            Some(rate) if rate < 1.0 => {
                self.findings.refused(&place, "Minimum value is 1.0", "Waits don't become shorter from try to try.");
            }
            Some(_) => {}
        }
    }
}
