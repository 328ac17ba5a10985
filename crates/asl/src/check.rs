//! What is wrong with a definition, before anything runs.
//!
//! [`text`] reads a definition as `CreateStateMachine` gets it, [`template`] one in which `${Name}` still stands for what a deployment
//! puts there. Both give every finding at once, each with its place, the reason and what to do.
//!
//! What AWS itself refuses has [`Severity::Error`]: its code, its words (where a record of them exists) and its order. Everything
//! else is ours, and AWS takes such a definition: [`refusal`] is silent about it, and so is whoever creates a state machine.

mod choice;
mod expressions;
mod fields;
mod graph;
mod integrations;
mod json;
mod paths;
mod payload;
mod recovery;
mod state;
mod task;
mod variables;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What AWS calls this kind, such as `SCHEMA_VALIDATION_FAILED`, or what we do.
    pub code: &'static str,
    /// Where, as AWS writes it: `/States/Ask/TimeoutSeconds`. Empty where AWS names no place.
    pub location: String,
    /// What is wrong there, in AWS's words where it has some.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// How bad a finding is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// AWS refuses the definition.
    Error,
    /// AWS takes it, this engine can't run it.
    Unsupported,
    /// AWS takes it; what stands there fails, or doesn't do what it says, when it is reached.
    Fault,
    /// It runs, and may hurt.
    Warning,
}

impl Severity {
    /// Whether a definition with such a finding can't run here.
    pub fn prevents_running(self) -> bool {
        self <= Self::Unsupported
    }
}

/// The type of a state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Exactly once, for up to a year.
    Standard,
    /// At least once, for up to five minutes.
    Express,
}

/// The code of what AWS takes and this engine doesn't run.
pub const UNSUPPORTED: &str = "UNSUPPORTED";

/// Everything that is wrong with a definition's text.
pub fn text(definition: &str, kind: Kind) -> Vec<Finding> {
    checked_text(definition, kind, Placeholders::Replaced)
}

/// Everything that is wrong with a definition in which placeholders (`${Name}`) stand for values that a deployment puts there: as a
/// part of a string, as a whole one, or where a number would stand.
pub fn template(definition: &str, kind: Kind) -> Vec<Finding> {
    checked_text(&fields::quote_placeholders(definition), kind, Placeholders::Pending)
}

/// Everything that is wrong with a definition.
pub fn definition(definition: &Value, kind: Kind) -> Vec<Finding> {
    checked(definition, kind, Placeholders::Replaced)
}

/// What `CreateStateMachine` and `UpdateStateMachine` say of a definition with these findings, if AWS refuses it: the text of the
/// exception `InvalidDefinition`.
pub fn refusal(findings: &[Finding]) -> Option<String> {
    let refused: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| {
            let location = if finding.location.is_empty() { "null" } else { &finding.location };
            format!("{}: {} at {location}", finding.code, finding.message)
        })
        .collect();
    (!refused.is_empty()).then(|| format!("Invalid State Machine Definition: '{}'", refused.join(", ")))
}

/// The answer of `ValidateStateMachineDefinition`: errors are what AWS refuses, everything else counts as a warning. `least` is the
/// least severity to tell, `most` how many to tell.
pub fn validation(findings: &[Finding], least: Severity, most: usize) -> Value {
    let diagnostic = |finding: &Finding| {
        let severity = if finding.severity == Severity::Error { "ERROR" } else { "WARNING" };
        let mut diagnostic = json!({"severity": severity, "code": finding.code, "message": finding.message});
        if !finding.location.is_empty() {
            diagnostic["location"] = json!(finding.location);
        }
        diagnostic
    };
    let told = || findings.iter().filter(|finding| finding.severity <= least);
    let diagnostics: Vec<Value> = told().take(most).map(diagnostic).collect();
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    json!({"result": if refused { "FAIL" } else { "OK" }, "diagnostics": diagnostics, "truncated": told().count() > most})
}

/// Whether `${Name}` has been replaced by what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholders {
    Replaced,
    Pending,
}

/// The language of a state's paths or expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    JsonPath,
    Jsonata,
}

fn checked_text(definition: &str, kind: Kind, placeholders: Placeholders) -> Vec<Finding> {
    let mut findings = Findings::default();
    let hint = "A definition is one JSON object; an editor that checks JSON shows the place.";
    if definition.trim().is_empty() {
        findings.add(Severity::Error, "MISSING_DESCRIPTION", "", "The definition is empty", hint);
        return findings.0;
    }
    let duplicates = match json::scan(definition) {
        Ok(duplicates) => duplicates,
        Err(json::Malformed { message, location }) => {
            let message = format!("{message}\n at {location}");
            findings.add(Severity::Error, "INVALID_JSON_DESCRIPTION", &location, message, hint);
            return findings.0;
        }
    };
    for json::Duplicate { location, key } in duplicates {
        let place = format!("{location}/{key}");
        if location.ends_with("/States") || location == "/States" {
            findings.duplicate_state(&key, &place);
        } else {
            let message = format!("The field '{key}' is there twice, and only the last one counts");
            findings.add(Severity::Fault, "DUPLICATE_FIELD", &place, message, "Keep one of them.");
        }
    }
    match serde_json::from_str(definition) {
        Ok(value) => findings.0.extend(checked(&value, kind, placeholders)),
        Err(error) => findings.add(Severity::Error, "INVALID_JSON_DESCRIPTION", "", error.to_string(), hint),
    }
    findings.0
}

fn checked(definition: &Value, kind: Kind, placeholders: Placeholders) -> Vec<Finding> {
    let mut checker = Checker {
        kind,
        placeholders,
        machine: Language::JsonPath,
        findings: Findings::default(),
        names: BTreeMap::new(),
        labels: BTreeSet::new(),
        reads: Vec::new(),
        token: Token::default(),
    };
    let Some(fields) = definition.as_object() else {
        checker.findings.refused("/", "Expected value of type [OBJECT]", "A definition is a JSON object with StartAt and States.");
        return checker.findings.0;
    };
    checker.machine(fields);
    checker.findings.0
}

/// What has been found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, code: &'static str, location: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { severity, code, location: location.to_owned(), message: message.into(), hint: hint.into() });
    }

    /// What AWS's schema refuses.
    fn refused(&mut self, location: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, "SCHEMA_VALIDATION_FAILED", location, message, hint);
    }

    fn duplicate_state(&mut self, name: &str, location: &str) {
        let hint = "A state's name is unique in the whole definition, branches and item processors included: rename one of them.";
        self.add(Severity::Error, "DUPLICATE_STATE_NAME", location, format!("Duplicate State name: {name}"), hint);
    }
}

/// One look at a whole definition.
struct Checker<'a> {
    kind: Kind,
    placeholders: Placeholders,
    /// The language of the machine; a state may have its own.
    machine: Language,
    findings: Findings,
    names: BTreeMap<&'a str, String>,
    labels: BTreeSet<&'a str>,
    /// What the state at hand reads.
    reads: Vec<workflow::Read>,
    /// What the state at hand does with its task token.
    token: Token,
}

/// What is read of a task token.
#[derive(Default)]
struct Token {
    /// Whether it goes into the task, by itself or with what it is a part of.
    passed: bool,
    /// Where it is read by itself.
    read_at: Option<String>,
}

impl<'a> Checker<'a> {
    fn machine(&mut self, fields: &'a Map<String, Value>) {
        self.machine = self.language(fields, "", Language::JsonPath);
        let workflow = self.workflow(fields, "", fields::MACHINE);
        self.seconds(fields, "TimeoutSeconds", "", Language::JsonPath, 1);
        if let Some(version) = fields.get("Version").filter(|version| **version != "1.0" && !self.is_placeholder(version)) {
            let message = format!("{version} is no version of the language");
            self.findings.refused("/Version", message, "Leave Version out, or write \"1.0\".");
        }
        graph::check(&workflow, &mut self.findings);
        variables::check(&workflow, &mut self.findings);
    }

    /// The machine itself, a branch, or what a Map does with an item.
    fn workflow(&mut self, fields: &'a Map<String, Value>, location: &str, allowed: &[&str]) -> workflow::Workflow {
        let place = if location.is_empty() { "/" } else { location };
        self.required(fields, &["States", "StartAt"], place);
        for field in fields.keys().filter(|field| !allowed.contains(&field.as_str())) {
            let hint = match fields::nearest(field, allowed.iter().copied()) {
                Some(known) => format!("Did you mean {known}?"),
                None => format!("Here may stand: {}.", allowed.join(", ")),
            };
            self.findings.refused(place, format!("Field '{field}' is not supported"), hint);
        }
        self.text_field(fields, "Comment", location);
        self.text_field(fields, "StartAt", location);
        let mut workflow = workflow::Workflow {
            location: location.to_owned(),
            start: fields.get("StartAt").and_then(Value::as_str).map(str::to_owned),
            states: Vec::new(),
        };
        let below = format!("{location}/States");
        match fields.get("States") {
            Some(Value::Object(states)) if states.is_empty() => {
                self.findings.refused(&below, "Value cannot be empty", "A definition has at least one state.");
            }
            Some(Value::Object(states)) => {
                for (name, state) in states {
                    let state = self.named_state(name, state, &format!("{below}/{name}"));
                    workflow.states.push(state);
                }
            }
            Some(_) => self.findings.refused(&below, "Expected value of type [OBJECT]", "States maps each state's name to the state."),
            None => {}
        }
        workflow
    }

    /// The language that the machine or a state declares. AWS takes exactly `JSONPath` for JSONPath and anything else for JSONata, and
    /// complains about the spelling on top.
    fn language(&mut self, fields: &Map<String, Value>, location: &str, inherited: Language) -> Language {
        let Some(declared) = fields.get("QueryLanguage") else { return inherited };
        let place = format!("{location}/QueryLanguage");
        let hint = "Write \"JSONata\" or \"JSONPath\".";
        match declared.as_str() {
            Some("JSONPath") => return Language::JsonPath,
            Some("JSONata") => {}
            Some(_) => self.findings.refused(&place, "Value should be one of the following: [JSONPath, JSONata]", hint),
            None => self.findings.refused(&place, "Expected value of type [STRING]", hint),
        }
        Language::Jsonata
    }
}
