//! Task tokens that come back: success, failure, heartbeat.

use std::rc::Rc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use nightly_asl::{Failure, Json, Stimulus, TaskId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::executions::StepFunctions;
use crate::refusal::Refusal;

const LONGEST_OUTPUT: usize = 262_144;
const LONGEST_TOKEN: usize = 2_048;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Success {
    task_token: String,
    output: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failed {
    task_token: String,
    error: Option<String>,
    cause: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Heartbeat {
    task_token: String,
}

impl StepFunctions {
    pub(super) fn send_task_success(self: &Rc<Self>, request: Success) -> Result<Value, Refusal> {
        let (execution, task) = self.waiting(&request.task_token)?;
        if request.output.len() > LONGEST_OUTPUT {
            return Err(Refusal::new("InvalidOutput", "The output is longer than 262144 bytes."));
        }
        let output = Json::parse(&request.output).map_err(|error| Refusal::new("InvalidOutput", format!("Invalid Output: '{error}'")))?;
        self.send(&execution, Stimulus::Succeeded { task, output })
    }

    pub(super) fn send_task_failure(self: &Rc<Self>, request: Failed) -> Result<Value, Refusal> {
        let (execution, task) = self.waiting(&request.task_token)?;
        self.send(&execution, Stimulus::Failed { task, failure: Failure { error: request.error, cause: request.cause } })
    }

    pub(super) fn send_task_heartbeat(self: &Rc<Self>, request: Heartbeat) -> Result<Value, Refusal> {
        let (execution, task) = self.waiting(&request.task_token)?;
        self.send(&execution, Stimulus::Heartbeat { task })
    }

    fn send(self: &Rc<Self>, execution: &str, stimulus: Stimulus) -> Result<Value, Refusal> {
        self.tell(execution, stimulus)
            .map_err(|_| Refusal::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'"))?;
        Ok(json!({}))
    }

    /// The task that waits for a token, or did.
    fn waiting(&self, token: &str) -> Result<(String, TaskId), Refusal> {
        const LENIENT: GeneralPurpose =
            GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
        if token.len() > LONGEST_TOKEN || token.is_empty() || LENIENT.decode(token).is_err() {
            return Err(Refusal::new("InvalidToken", "Invalid Token: 'Invalid token'"));
        }
        self.task_of(token).ok_or_else(|| Refusal::new("TaskDoesNotExist", "Task does not exist: 'Provided task does not exist'"))
    }
}
