//! The service's JSON API: each operation as its reference has it.

#![expect(clippy::needless_pass_by_value, reason = "a request belongs to its operation, whatever that needs of it")]

mod executions;
mod history;
mod machines;
mod pages;
mod tasks;
mod trial;

use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::executions::StepFunctions;
use crate::refusal::Refusal;
use crate::scope::Scope;

/// What AWS has and this server doesn't, named so that nobody takes a typing error for it.
const UNSUPPORTED: &[&str] = &[
    "CreateActivity",
    "CreateStateMachineAlias",
    "DeleteActivity",
    "DeleteStateMachineAlias",
    "DeleteStateMachineVersion",
    "DescribeActivity",
    "DescribeMapRun",
    "DescribeStateMachineAlias",
    "GetActivityTask",
    "ListActivities",
    "ListMapRuns",
    "PublishStateMachineVersion",
    "StartSyncExecution",
    "UpdateMapRun",
    "UpdateStateMachineAlias",
];

impl StepFunctions {
    /// Answers one request.
    pub(crate) fn answer(self: &Rc<Self>, scope: &Scope, operation: &str, body: &str) -> Result<Value, Refusal> {
        match operation {
            "CreateStateMachine" => self.create_state_machine(scope, parse(body)?),
            "UpdateStateMachine" => self.update_state_machine(parse(body)?),
            "DescribeStateMachine" => self.describe_state_machine(parse(body)?),
            "DescribeStateMachineForExecution" => self.describe_state_machine_for_execution(parse(body)?),
            "DeleteStateMachine" => self.delete_state_machine(parse(body)?),
            "ListStateMachines" => self.list_state_machines(scope, parse(body)?),
            "ListStateMachineVersions" => Ok(json!({"stateMachineVersions": []})),
            "ListStateMachineAliases" => Ok(json!({"stateMachineAliases": []})),
            "ValidateStateMachineDefinition" => machines::validate(parse(body)?),
            "TagResource" => self.tag(parse(body)?),
            "UntagResource" => self.untag(parse(body)?),
            "ListTagsForResource" => self.list_tags(parse(body)?),
            "StartExecution" => self.start_execution(parse(body)?),
            "StopExecution" => self.stop_execution(parse(body)?),
            "RedriveExecution" => self.redrive_execution(parse(body)?),
            "DescribeExecution" => self.describe_execution(parse(body)?),
            "ListExecutions" => self.list_executions(parse(body)?),
            "GetExecutionHistory" => self.execution_history(parse(body)?),
            "SendTaskSuccess" => self.send_task_success(parse(body)?),
            "SendTaskFailure" => self.send_task_failure(parse(body)?),
            "SendTaskHeartbeat" => self.send_task_heartbeat(parse(body)?),
            known if UNSUPPORTED.contains(&known) => {
                Err(Refusal::new("UnsupportedOperation", format!("{known} is not supported by the local Step Functions")))
            }
            unknown => Err(Refusal::new("UnknownOperationException", format!("there is no operation {unknown}"))),
        }
    }
}

/// A request's parameters; one that is missing or of the wrong type is named.
fn parse<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    let value: Value = serde_json::from_str(if body.is_empty() { "{}" } else { body })
        .map_err(|error| Refusal::new("SerializationException", error.to_string()))?;
    serde_json::from_value(value).map_err(|error| Refusal::validation(error.to_string()))
}
