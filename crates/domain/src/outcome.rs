//! How a night ended.

use serde::{Deserialize, Serialize};

/// The end of a night. On the wire it is the field `outcome`, with `state` and `error` beside it where the night failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// The warehouse holds the run date.
    Published,
    /// What was built passes the quality gate, and was not to be published.
    Built,
    /// At least one quality rule did not pass; nobody was asked.
    QualityFailed,
    /// An approver said no.
    Rejected,
    /// Too few approvers answered in time.
    Expired,
    /// A step failed for good.
    Failed {
        /// The state it failed in, as the definition names it.
        state: String,
        /// The error's name.
        error: String,
    },
    /// The execution took longer than it may.
    TimedOut,
    /// Somebody stopped the execution.
    Aborted,
}

impl Outcome {
    /// Whether the definition tells of it itself. Of every other end an event does.
    pub fn is_as_intended(&self) -> bool {
        matches!(self, Self::Published | Self::Built)
    }

    /// Its word on the wire, such as `QUALITY_FAILED`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Published => "PUBLISHED",
            Self::Built => "BUILT",
            Self::QualityFailed => "QUALITY_FAILED",
            Self::Rejected => "REJECTED",
            Self::Expired => "EXPIRED",
            Self::Failed { .. } => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_written_as_one_word_and_read_back() {
        let failed = Outcome::Failed { state: "EnrichCurrency".to_owned(), error: "RatesUnavailable".to_owned() };
        for (outcome, written) in [
            (Outcome::Published, r#"{"outcome":"PUBLISHED"}"#),
            (Outcome::Built, r#"{"outcome":"BUILT"}"#),
            (Outcome::QualityFailed, r#"{"outcome":"QUALITY_FAILED"}"#),
            (Outcome::TimedOut, r#"{"outcome":"TIMED_OUT"}"#),
            (failed, r#"{"outcome":"FAILED","state":"EnrichCurrency","error":"RatesUnavailable"}"#),
        ] {
            assert_eq!(serde_json::to_string(&outcome).unwrap(), written);
            assert!(written.contains(&format!(r#""{}""#, outcome.name())), "{written}");
            assert_eq!(serde_json::from_str::<Outcome>(written).unwrap(), outcome);
        }
    }
}
