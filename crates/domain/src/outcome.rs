//! How a night ended.

use serde::{Deserialize, Serialize};

/// The end of a night. On the wire it is the field `outcome`, with `state` and `error` beside it where the night failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// The warehouse holds the run date.
    Published,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_written_as_one_word_and_read_back() {
        let failed = Outcome::Failed { state: "EnrichCurrency".to_owned(), error: "RatesUnavailable".to_owned() };
        for (outcome, written) in [
            (Outcome::Published, r#"{"outcome":"PUBLISHED"}"#),
            (Outcome::QualityFailed, r#"{"outcome":"QUALITY_FAILED"}"#),
            (Outcome::TimedOut, r#"{"outcome":"TIMED_OUT"}"#),
            (failed, r#"{"outcome":"FAILED","state":"EnrichCurrency","error":"RatesUnavailable"}"#),
        ] {
            assert_eq!(serde_json::to_string(&outcome).unwrap(), written);
            assert_eq!(serde_json::from_str::<Outcome>(written).unwrap(), outcome);
        }
    }
}
