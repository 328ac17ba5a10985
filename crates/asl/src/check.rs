//! What is wrong with a definition, before anything runs.

use serde_json::Value;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What AWS calls this kind, such as `SCHEMA_VALIDATION_FAILED`, or ours.
    pub code: &'static str,
    /// Where, as AWS writes it: `/States/Ask/TimeoutSeconds`.
    pub location: String,
    /// What is wrong there, in AWS's words where it has some.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// AWS refuses the definition, or it can't do what it says.
    Error,
    /// It runs, and will hurt.
    Warning,
}

/// The type of a state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Exactly once, for up to a year.
    Standard,
    /// At least once, for up to five minutes.
    Express,
}

/// Everything that is wrong with a definition's text.
pub fn text(_definition: &str, _kind: Kind) -> Vec<Finding> {
    Vec::new()
}

/// Everything that is wrong with a definition.
pub fn definition(_definition: &Value, _kind: Kind) -> Vec<Finding> {
    Vec::new()
}
