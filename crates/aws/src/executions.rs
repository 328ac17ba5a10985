//! Executions of the state machines, as Step Functions remembers them.

use std::error::Error;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent as SdkEvent, StateEnteredEventDetails, StateExitedEventDetails};
use jiff::Timestamp;
use nightly_domain::history::{EventKind, ExecutionEnd, Executions, Histories, HistoryEvent};
use nightly_domain::ports::PortError;

/// The executions of one account and region.
#[derive(Debug, Clone)]
pub struct StepFunctionsExecutions {
    client: Client,
}

impl StepFunctionsExecutions {
    /// The executions behind this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Histories for StepFunctionsExecutions {
    async fn history(&self, execution_arn: &str) -> Result<Vec<HistoryEvent>, PortError> {
        let failed = |source: Box<dyn Error + Send + Sync>| PortError::new(format!("GetExecutionHistory {execution_arn}"), source);
        // Without the data: it holds the approval's task token, and nobody here needs it.
        let question = self.client.get_execution_history().execution_arn(execution_arn).include_execution_data(false).max_results(1000);
        let mut pages = question.into_paginator().items().send();
        let mut events = Vec::new();
        while let Some(event) = pages.next().await {
            let event = event.map_err(|error| failed(error.into()))?;
            events.push(read(&event).map_err(|error| failed(error.into()))?);
        }
        Ok(events)
    }
}

impl Executions for StepFunctionsExecutions {
    async fn end(&self, execution_arn: &str) -> Result<Option<ExecutionEnd>, PortError> {
        let failed = |source: Box<dyn Error + Send + Sync>| PortError::new(format!("DescribeExecution {execution_arn}"), source);
        let described = self.client.describe_execution().execution_arn(execution_arn).send().await.map_err(|error| failed(error.into()))?;
        match described.status() {
            // A redrive that is pending goes on as if it had never ended.
            ExecutionStatus::Running | ExecutionStatus::PendingRedrive => Ok(None),
            ExecutionStatus::Succeeded => Ok(Some(ExecutionEnd::Succeeded)),
            ExecutionStatus::Failed => Ok(Some(ExecutionEnd::Failed { error: described.error().unwrap_or("States.Runtime").to_owned() })),
            ExecutionStatus::TimedOut => Ok(Some(ExecutionEnd::TimedOut)),
            ExecutionStatus::Aborted => Ok(Some(ExecutionEnd::Aborted)),
            other => Err(failed(UnknownStatus(other.as_str().to_owned()).into())),
        }
    }
}

/// Step Functions has a status that this client doesn't know.
#[derive(Debug, thiserror::Error)]
#[error("the status {0} is not known")]
struct UnknownStatus(String);

fn read(event: &SdkEvent) -> Result<HistoryEvent, jiff::Error> {
    let entered = event.state_entered_event_details().map(StateEnteredEventDetails::name);
    let exited = event.state_exited_event_details().map(StateExitedEventDetails::name);
    let error = event.execution_failed_event_details().and_then(|details| details.error());
    Ok(HistoryEvent {
        id: event.id(),
        previous_id: event.previous_event_id(),
        at: Timestamp::from_nanosecond(event.timestamp().as_nanos())?,
        kind: EventKind::read(event.r#type().as_str(), entered.or(exited), error),
    })
}

#[cfg(test)]
mod tests {
    use nightly_domain::history::read_json;

    use super::*;
    use crate::fake_server::FakeServer;

    #[tokio::test]
    async fn a_history_of_two_pages_is_read_like_the_one_it_is() {
        let recorded = include_str!("../../domain/histories/rates-unavailable.json");
        let mut events: Vec<serde_json::Value> =
            serde_json::from_str::<serde_json::Value>(recorded).unwrap()["events"].as_array().unwrap().clone();
        for event in &mut events {
            // The wire has epoch seconds where the command line prints RFC 3339.
            let at: Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
            event["timestamp"] = at.as_duration().as_secs_f64().into();
        }
        let rest = events.split_off(20);
        let server = FakeServer::answering(vec![
            (200, serde_json::json!({"events": events, "nextToken": "more"}).to_string()),
            (200, serde_json::json!({"events": rest}).to_string()),
        ]);

        let read = executions(&server.address).history("arn:aws:states:eu-central-1:111122223333:execution:nightly:a1").await.unwrap();

        let expected = read_json(recorded).unwrap();
        assert_eq!(read.len(), expected.len());
        for (read, expected) in read.iter().zip(&expected) {
            assert_eq!((read.id, read.previous_id, &read.kind), (expected.id, expected.previous_id, &expected.kind));
            assert!(read.at.duration_since(expected.at).as_millis().abs() <= 1, "a double holds milliseconds, and little more");
        }
        let asked = server.requests();
        assert!(asked[0].contains(r#""includeExecutionData":false"#), "{}", asked[0]);
        assert!(asked[1].contains(r#""nextToken":"more""#), "{}", asked[1]);
    }

    #[tokio::test]
    async fn an_unknown_execution_is_a_failed_call_that_names_it() {
        let server = FakeServer::answering(vec![(400, r#"{"__type":"ExecutionDoesNotExist","message":"gone"}"#.to_owned())]);
        let error = executions(&server.address).history("arn:of:nothing").await.unwrap_err();
        assert_eq!(error.to_string(), "GetExecutionHistory arn:of:nothing failed");
    }

    #[tokio::test]
    async fn how_an_execution_ended_is_told_once_it_has() {
        let failed = |error: &str| Some(ExecutionEnd::Failed { error: error.to_owned() });
        for (status, error, expected) in [
            ("RUNNING", None, None),
            ("PENDING_REDRIVE", None, None),
            ("SUCCEEDED", None, Some(ExecutionEnd::Succeeded)),
            ("FAILED", Some("ApprovalRejected"), failed("ApprovalRejected")),
            ("FAILED", None, failed("States.Runtime")),
            ("TIMED_OUT", None, Some(ExecutionEnd::TimedOut)),
            ("ABORTED", None, Some(ExecutionEnd::Aborted)),
        ] {
            let answer = serde_json::json!({
                "executionArn": "arn", "stateMachineArn": "arn", "startDate": 1_795_231_440.5, "status": status, "error": error
            });
            let server = FakeServer::answering(vec![(200, answer.to_string())]);
            assert_eq!(executions(&server.address).end("arn").await.unwrap(), expected, "{status}");
        }
        let answer = r#"{"executionArn":"arn","stateMachineArn":"arn","startDate":1,"status":"PAUSED"}"#;
        let server = FakeServer::answering(vec![(200, answer.to_owned())]);
        let error = executions(&server.address).end("arn").await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "the status PAUSED is not known");
    }

    fn executions(endpoint: &str) -> StepFunctionsExecutions {
        crate::Aws::at(endpoint).executions()
    }
}
