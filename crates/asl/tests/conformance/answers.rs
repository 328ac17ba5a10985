//! The recorded answers that are no histories: executions of which only the output was kept, definitions that were judged.

use nightly_asl::Status;
use nightly_asl::check::{self, Finding, Kind};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::agreement::{Disagreement, Names};
use crate::recording::{Context, Recording, plain_arns};
use crate::replay::replay;

/// An execution of which only input and output were kept.
#[derive(Deserialize, Clone)]
pub struct InputOutput {
    pub id: String,
    definition: Value,
    input: Value,
    pub output: Value,
}

impl InputOutput {
    pub fn judge(&self) -> Result<(), Disagreement> {
        let state_machine = "arn:aws:states:us-east-1:111111111111:stateMachine:recorded";
        let execution = "arn:aws:states:us-east-1:111111111111:execution:recorded:recorded";
        let recording = Recording {
            id: self.id.clone(),
            definition: self.definition.clone(),
            input: self.input.clone(),
            events: Vec::new(),
            context: Context { state_machine: state_machine.into(), execution: execution.into(), role: "role".into() },
            masks: Vec::new(),
            nondeterminism: Vec::new(),
            parallel_normalised: true,
        };
        let told = |ours: String| {
            Disagreement::whole("the execution", self.output.to_string(), ours)
                .note(format!("definition: {}", self.definition))
                .note(format!("input: {}", self.input))
        };
        match replay(&recording).map_err(told)?.status {
            Status::Succeeded(output) => Names::default().compare(&self.output, output.value()).map_err(|difference| {
                Disagreement::new("output", difference)
                    .note(format!("definition: {}", self.definition))
                    .note(format!("input: {}", self.input))
            }),
            other => Err(told(format!("{other:?}"))),
        }
    }
}

/// A definition, and what AWS said of it.
#[derive(Deserialize, Clone)]
pub struct Validation {
    pub id: String,
    #[serde(rename = "type")]
    kind: String,
    definition: Value,
    pub expected: Value,
}

impl Validation {
    pub fn judge(&self) -> Result<(), Disagreement> {
        let kind = if self.kind == "EXPRESS" { Kind::Express } else { Kind::Standard };
        let definition = match &self.definition {
            Value::String(text) => text.clone(),
            definition => definition.to_string(),
        };
        let expected = plain_arns(self.expected.clone());
        let findings = check::text(&definition, kind);
        self.compare(&expected, &findings)
            .map_err(|disagreement| disagreement.note(format!("definition: {definition}")).note(format!("findings: {findings:?}")))
    }

    fn compare(&self, expected: &Value, findings: &[Finding]) -> Result<(), Disagreement> {
        let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == check::Severity::Error).collect();
        if let Some(message) = expected["message"].as_str() {
            // What LocalStack's own tests refuse so, AWS refuses in words that were not recorded.
            if message.starts_with("Error=ValueError") {
                return if errors.is_empty() { Err(Disagreement::whole("the definition", "is refused", "no error")) } else { Ok(()) };
            }
            let said = errors
                .first()
                .map_or_else(|| "no error".to_owned(), |finding| format!("{}: {} at {}", finding.code, finding.message, finding.location));
            let ours = format!("Invalid State Machine Definition: '{said}'");
            return if message.ends_with(&ours) { Ok(()) } else { Err(Disagreement::whole("the refusal", message, ours)) };
        }
        let ours: Vec<Value> = errors
            .iter()
            .map(|finding| json!({ "code": finding.code, "location": finding.location, "message": finding.message, "severity": "ERROR" }))
            .collect();
        let recorded = expected.get("diagnostics").cloned().unwrap_or(Value::Array(Vec::new()));
        Names::default().compare(&recorded, &Value::Array(ours)).map_err(|difference| Disagreement::new("the diagnostics", difference))
    }
}
