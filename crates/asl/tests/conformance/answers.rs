//! The recorded answers that are no histories: executions of which only the output was kept, definitions that were judged.

use nightly_asl::Status;
use nightly_asl::check::{self, Finding, Kind, Severity};
use serde::Deserialize;
use serde_json::Value;

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
        Self::compare(&expected, &findings)
            .map_err(|disagreement| disagreement.note(format!("definition: {definition}")).note(format!("findings: {findings:?}")))
    }

    fn compare(expected: &Value, findings: &[Finding]) -> Result<(), Disagreement> {
        let refusal = check::refusal(findings);
        match (expected["message"].as_str(), expected.get("diagnostics")) {
            // LocalStack, not AWS, said these words; that the definition is refused is AWS's.
            (Some(message), _) if message.starts_with("Error=ValueError") => match refusal {
                Some(_) => Ok(()),
                None => Err(Disagreement::whole("the definition", "is refused", "no refusal")),
            },
            // A client puts the name of its operation before AWS's own words.
            (Some(message), _) => {
                let words = message.split_once(" operation: ").map_or(message, |(_, words)| words);
                let ours = refusal.unwrap_or_else(|| "no refusal".to_owned());
                if words == ours { Ok(()) } else { Err(Disagreement::whole("the refusal", words, ours)) }
            }
            (None, Some(_)) => Names::default()
                .compare(expected, &check::validation(findings, Severity::Error, 100))
                .map_err(|difference| Disagreement::new("the validation", difference)),
            (None, None) => match refusal {
                None => Ok(()),
                Some(refusal) => Err(Disagreement::whole("the definition", expected.to_string(), refusal)),
            },
        }
    }
}
