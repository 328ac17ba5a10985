//! The rules of a Choice: conditions in JSONata, comparisons in JSONPath.

use serde_json::{Map, Value};

use super::fields::{is_expression, nearest};
use super::payload::{Moment, PathKind};
use super::state::is_timestamp;
use super::workflow::Transition;
use super::{Checker, Language, Severity};

/// What a comparison compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    Text,
    Number,
    Truth,
    Instant,
    Path,
}

/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html>
fn operand(comparison: &str) -> Option<Operand> {
    let (bare, path) = match comparison.strip_suffix("Path") {
        Some(bare) => (bare, true),
        None => (comparison, false),
    };
    let ordered = |rest: &str| ["Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals"].contains(&rest);
    let found = if ["IsBoolean", "IsNull", "IsNumeric", "IsPresent", "IsString", "IsTimestamp"].contains(&comparison) {
        return Some(Operand::Truth);
    } else if comparison == "StringMatches" {
        return Some(Operand::Text);
    } else if bare.strip_prefix("String").is_some_and(ordered) {
        Operand::Text
    } else if bare.strip_prefix("Numeric").is_some_and(ordered) {
        Operand::Number
    } else if bare.strip_prefix("Timestamp").is_some_and(ordered) {
        Operand::Instant
    } else if bare == "BooleanEquals" {
        Operand::Truth
    } else {
        return None;
    };
    Some(if path { Operand::Path } else { found })
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// It leads somewhere.
    Top,
    /// It is a part of an And, Or or Not.
    Part,
}

impl Checker<'_> {
    pub(super) fn choice(
        &mut self,
        fields: &Map<String, Value>,
        location: &str,
        language: Language,
        otherwise: &[String],
        transitions: &mut Vec<Transition>,
    ) {
        self.required(fields, &["Choices"], location);
        let place = format!("{location}/Choices");
        match fields.get("Choices") {
            Some(Value::Array(rules)) if rules.is_empty() => {
                self.findings.refused(&place, "Value cannot be empty", "A Choice has one rule at least.");
            }
            Some(Value::Array(rules)) => {
                for (index, rule) in rules.iter().enumerate() {
                    self.rule(rule, &format!("{place}[{index}]"), language, transitions);
                }
            }
            Some(_) => self.wrong_type(&place, "ARRAY", "Write a list of rules."),
            None => {}
        }
        if let Some(default) = fields.get("Default") {
            self.transition(default, format!("{location}/Default"), otherwise.to_vec(), transitions);
        } else {
            let message = "Without a Default, what no rule applies to fails with States.Runtime, which nothing catches";
            let hint = "Add a Default, be it a Fail state with an error of your own.";
            self.findings.add(Severity::Warning, "MISSING_DEFAULT", location, message, hint);
        }
    }

    fn rule(&mut self, rule: &Value, location: &str, language: Language, transitions: &mut Vec<Transition>) {
        let Some(fields) = rule.as_object() else { return self.wrong_type(location, "OBJECT", "Write a rule with a Next.") };
        let assigns = self.assign(fields, location, language, Moment::Entering);
        match language {
            Language::Jsonata => {
                self.required(fields, &["Condition", "Next"], location);
                self.condition(fields, location);
            }
            Language::JsonPath => {
                self.required(fields, &["Next"], location);
                self.comparison(fields, location, Level::Top);
            }
        }
        if let Some(next) = fields.get("Next") {
            self.transition(next, format!("{location}/Next"), assigns, transitions);
        }
    }

    fn condition(&mut self, fields: &Map<String, Value>, location: &str) {
        let allowed = ["Assign", "Comment", "Condition", "Next", "Output"];
        for field in fields.keys().filter(|field| !allowed.contains(&field.as_str())) {
            let (message, hint) = if operand(field).is_some() || ["Variable", "And", "Or", "Not"].contains(&field.as_str()) {
                let message = format!(
                    "The QueryLanguage is set to 'JSONata', but field '{field}' is only supported for the 'JSONPath' QueryLanguage"
                );
                (message, "Under JSONata a rule has one Condition, such as {% $states.input.amount > 10 %}.".to_owned())
            } else {
                let hint = nearest(field, allowed.into_iter())
                    .map_or_else(|| format!("Here may stand: {}.", allowed.join(", ")), |near| format!("Did you mean {near}?"));
                (format!("Field '{field}' is not supported"), hint)
            };
            self.findings.refused(location, message, hint);
        }
        self.text_field(fields, "Comment", location);
        if let Some(output) = fields.get("Output") {
            self.payload(output, &format!("{location}/Output"), Language::Jsonata, Moment::Entering);
        }
        let place = format!("{location}/Condition");
        match fields.get("Condition") {
            Some(Value::Bool(_)) | None => {}
            Some(condition) if self.is_placeholder(condition) => {}
            Some(condition) if is_expression(condition, Language::Jsonata) => {
                self.payload(condition, &place, Language::Jsonata, Moment::Entering);
            }
            Some(_) => self.wrong_type(&place, "BOOLEAN", "Write true, false, or an expression between {% and %}."),
        }
    }

    fn comparison(&mut self, fields: &Map<String, Value>, location: &str, level: Level) {
        let mut operators = Vec::new();
        for (field, value) in fields {
            let place = format!("{location}/{field}");
            match field.as_str() {
                "Comment" => self.text_field(fields, "Comment", location),
                "Variable" => {}
                "Next" | "Assign" if level == Level::Top => {}
                "Next" | "Assign" => {
                    let hint = "Only the whole rule leads somewhere: move it out of And, Or and Not.";
                    self.findings.refused(location, format!("Field '{field}' is not supported"), hint);
                }
                "And" | "Or" => {
                    operators.push(field.as_str());
                    self.parts(value, &place);
                }
                "Not" => {
                    operators.push("Not");
                    self.part(value, &place);
                }
                "Condition" | "Output" => {
                    let message = format!(
                        "The QueryLanguage is set to 'JSONPath', but field '{field}' is only supported for the 'JSONata' QueryLanguage"
                    );
                    self.findings.refused(location, message, "Compare a Variable, or set \"QueryLanguage\": \"JSONata\".");
                }
                other => match operand(other) {
                    Some(wanted) => {
                        operators.push(other);
                        self.operand(fields, other, value, wanted, location);
                    }
                    None => self.findings.refused(location, format!("Field '{other}' is not supported"), comparison_hint(other)),
                },
            }
        }
        let compares = operators.iter().any(|operator| operand(operator).is_some());
        match operators.len() {
            0 if !fields.contains_key("Condition") => {
                let hint = "Add a comparison such as \"StringEquals\": \"done\", or And, Or, Not.";
                self.findings.refused(location, "There should be one comparison operator", hint);
            }
            0 | 1 => {}
            _ => {
                let message = format!("There should only be one comparison operator, not {}", operators.join(" and "));
                self.findings.refused(location, message, "Put each comparison into a rule of its own below And or Or.");
            }
        }
        if compares {
            self.required(fields, &["Variable"], location);
            self.path_field(fields, "Variable", location, PathKind::Any);
        }
    }

    fn parts(&mut self, value: &Value, location: &str) {
        match value.as_array() {
            Some(parts) if parts.is_empty() => self.findings.refused(location, "Value cannot be empty", "Write one rule at least."),
            Some(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    self.part(part, &format!("{location}[{index}]"));
                }
            }
            None => self.wrong_type(location, "ARRAY", "Write a list of rules."),
        }
    }

    fn part(&mut self, value: &Value, location: &str) {
        match value.as_object() {
            Some(fields) => self.comparison(fields, location, Level::Part),
            None => self.wrong_type(location, "OBJECT", "Write a rule."),
        }
    }

    fn operand(&mut self, fields: &Map<String, Value>, field: &str, value: &Value, wanted: Operand, location: &str) {
        if self.is_placeholder(value) {
            return;
        }
        let place = format!("{location}/{field}");
        match (wanted, value) {
            (Operand::Path, _) => self.path_field(fields, field, location, PathKind::Any),
            (Operand::Text | Operand::Instant, Value::String(_))
            | (Operand::Number, Value::Number(_))
            | (Operand::Truth, Value::Bool(_)) => {}
            (Operand::Text, _) => self.wrong_type(&place, "STRING", "Write a text."),
            (Operand::Number, _) => self.wrong_type(&place, "NUMBER", "Write a number without quotes."),
            (Operand::Truth, _) => self.wrong_type(&place, "BOOLEAN", "Write true or false without quotes."),
            (Operand::Instant, _) => self.wrong_type(&place, "STRING", "Write an instant such as \"2026-11-21T01:00:00Z\"."),
        }
        if wanted == Operand::Instant
            && let Some(text) = value.as_str()
            && !is_timestamp(&self.filled(text))
        {
            let hint = "Write date, T, time and Z or an offset, such as 2026-11-21T01:00:00Z.";
            self.findings.refused(&place, "String does not match RFC3339 timestamp", hint);
        }
    }
}

fn comparison_hint(written: &str) -> String {
    let kinds = ["String", "Numeric", "Timestamp"];
    let orders = ["Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals"];
    let all: Vec<String> = kinds
        .iter()
        .flat_map(|kind| orders.iter().flat_map(move |order| [format!("{kind}{order}"), format!("{kind}{order}Path")]))
        .chain(
            [
                "BooleanEquals",
                "BooleanEqualsPath",
                "StringMatches",
                "IsBoolean",
                "IsNull",
                "IsNumeric",
                "IsPresent",
                "IsString",
                "IsTimestamp",
            ]
            .map(str::to_owned),
        )
        .chain(["Variable", "And", "Or", "Not", "Next", "Assign", "Comment"].map(str::to_owned))
        .collect();
    match nearest(written, all.iter().map(String::as_str)) {
        Some(near) => format!("Did you mean {near}?"),
        None => "A rule has a Variable, one comparison and a Next.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparison_is_known_with_what_it_compares_with() {
        for (comparison, expected) in [
            ("StringLessThanEquals", Some(Operand::Text)),
            ("NumericEqualsPath", Some(Operand::Path)),
            ("TimestampGreaterThan", Some(Operand::Instant)),
            ("BooleanEquals", Some(Operand::Truth)),
            ("BooleanLessThan", None),
            ("StringMatches", Some(Operand::Text)),
            ("StringMatchesPath", None),
            ("IsPresent", Some(Operand::Truth)),
            ("IsPresentPath", None),
            ("NumericAlmostEquals", None),
        ] {
            assert_eq!(operand(comparison), expected, "{comparison}");
        }
    }
}
