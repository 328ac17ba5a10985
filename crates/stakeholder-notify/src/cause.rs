//! Why a task failed, in a sentence, out of what Step Functions keeps as its cause.

use jiff::Timestamp;
use nightly_pages::written;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::Answer;

/// As much of somebody else's words as a person reads.
const CHARACTERS: usize = 600;

/// What a cause says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) sentence: Option<String>,
    pub(crate) job_run: Option<JobRun>,
}

/// The run of a Glue job that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobRun {
    pub(crate) job: String,
    pub(crate) id: String,
}

impl Cause {
    /// Lambda writes JSON with `errorMessage`, Glue the whole run as JSON with `ErrorMessage`; a Fail state and people write sentences.
    pub(crate) fn read(text: &str) -> Self {
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) else {
            return Self { sentence: sentence(text), job_run: None };
        };
        let field = |name: &str| fields.get(name).and_then(Value::as_str);
        let id = field("JobRunId").or_else(|| field("Id").filter(|_| fields.contains_key("JobName")));
        let job_run = id.map(|id| JobRun { job: field("JobName").unwrap_or_default().to_owned(), id: id.to_owned() });
        let said = field("errorMessage").or_else(|| field("ErrorMessage")).and_then(sentence);
        let state = field("JobRunState").map(|state| format!("Its run ended as {state}."));
        Self { sentence: said.or(state), job_run }
    }
}

fn sentence(text: &str) -> Option<String> {
    let line = written::one_line(text);
    (!line.is_empty()).then(|| written::shortened(&line, CHARACTERS))
}

/// Who has rejected a build, out of the cause that the definition's `ApprovalRejected` writes.
pub(crate) fn rejection(cause: &str) -> Option<Answer> {
    let (by, rest) = cause.split_once(" rejected the build for ")?;
    let (_, rest) = rest.split_once(" at ")?;
    let (at, rest) = rest.split_once(": «")?;
    let (reason, _) = rest.rsplit_once("». Nothing was published.")?;
    let at: Timestamp = at.parse().ok()?;
    Some(Answer { by: by.to_owned(), at, reason: Some(reason.to_owned()), waiver: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_the_sentence_that_somebody_wrote() {
        let glue = r#"{"AllocatedCapacity":2,"Attempt":0,"ErrorMessage":"NoOrdersPartition: there is nothing\n at s3://raw/","Id":"jr_07","JobName":"nightly-extract-orders","JobRunState":"FAILED"}"#;
        let cut_off = r#"{"Id":"jr_07","JobName":"nightly-apply-fx","JobRunState":"TIMEOUT"}"#;
        let lambda = r#"{"errorMessage":"api.frankfurter.dev answered 503 three times","errorType":"RatesUnavailable"}"#;
        for (text, expected, run) in [
            (glue, Some("NoOrdersPartition: there is nothing at s3://raw/"), Some("jr_07")),
            (cut_off, Some("Its run ended as TIMEOUT."), Some("jr_07")),
            (r#"{"JobRunId":"jr_08","ErrorMessage":"broken"}"#, Some("broken"), Some("jr_08")),
            (lambda, Some("api.frankfurter.dev answered 503 three times"), None),
            ("2 of 10 rules did not pass.", Some("2 of 10 rules did not pass."), None),
            (r#"{"Id":"not of a job"}"#, None, None),
            ("", None, None),
        ] {
            let cause = Cause::read(text);
            assert_eq!(cause.sentence.as_deref(), expected, "{text}");
            assert_eq!(cause.job_run.map(|run| run.id).as_deref(), run, "{text}");
        }
        assert_eq!(Cause::read(&"x".repeat(2_000)).sentence.unwrap().chars().count(), CHARACTERS);
    }

    #[test]
    fn a_rejection_is_read_back_whatever_its_reason_says() {
        let cause = "B. Osei rejected the build for 2026-11-20 at 2026-11-21T02:39:57Z: «Shoes: «odd» at best». Nothing was published.";
        let answer = rejection(cause).unwrap();
        assert_eq!((answer.by.as_str(), answer.reason.as_deref()), ("B. Osei", Some("Shoes: «odd» at best")));
        assert_eq!(answer.at.to_string(), "2026-11-21T02:39:57Z");
        assert_eq!(rejection("somebody stopped it"), None);
    }
}
