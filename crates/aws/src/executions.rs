//! Executions of the state machines, as Step Functions remembers them.

use std::error::Error;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::operation::get_execution_history::builders::GetExecutionHistoryFluentBuilder;
use aws_sdk_sfn::types::{
    ExecutionRedriveStatus, ExecutionStatus, HistoryEvent as SdkEvent, StateEnteredEventDetails, StateExitedEventDetails,
};
use jiff::Timestamp;
use nightly_domain::execution::{Ending, Execution};
use nightly_domain::history::{EventKind, ExecutionEnd, Executions, Histories, HistoryEvent, Recorded};
use nightly_domain::measured::{Meter, TaskEvent};
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

    fn question(&self, execution_arn: &str) -> GetExecutionHistoryFluentBuilder {
        self.client.get_execution_history().execution_arn(execution_arn).max_results(1000)
    }

    async fn events(
        &self,
        question: GetExecutionHistoryFluentBuilder,
        execution_arn: &str,
        mut measure: impl FnMut(&SdkEvent),
    ) -> Result<Vec<HistoryEvent>, PortError> {
        let failed = |source: Box<dyn Error + Send + Sync>| PortError::new(format!("GetExecutionHistory {execution_arn}"), source);
        let mut pages = question.into_paginator().items().send();
        let mut events = Vec::new();
        while let Some(event) = pages.next().await {
            let event = event.map_err(|error| failed(error.into()))?;
            measure(&event);
            events.push(read(&event).map_err(|error| failed(error.into()))?);
        }
        Ok(events)
    }
}

impl Histories for StepFunctionsExecutions {
    async fn history(&self, execution_arn: &str) -> Result<Vec<HistoryEvent>, PortError> {
        // Without the data: it holds the approval's task token, and whoever asks for the events alone doesn't need it.
        self.events(self.question(execution_arn).include_execution_data(false), execution_arn, |_| ()).await
    }

    async fn recorded(&self, execution_arn: &str) -> Result<Recorded, PortError> {
        let mut meter = Meter::default();
        // The data is dropped as soon as its figures are read.
        let events = self
            .events(self.question(execution_arn).include_execution_data(true), execution_arn, |event| measure(&mut meter, event))
            .await?;
        Ok(Recorded { events, measured: meter.measured() })
    }

    async fn describe(&self, execution_arn: &str) -> Result<Execution, PortError> {
        let failed = |source: Box<dyn Error + Send + Sync>| PortError::new(format!("DescribeExecution {execution_arn}"), source);
        let described = self.client.describe_execution().execution_arn(execution_arn).send().await.map_err(|error| failed(error.into()))?;
        execution(&described).map_err(failed)
    }
}

fn execution(described: &DescribeExecutionOutput) -> Result<Execution, Box<dyn Error + Send + Sync>> {
    let started_at = Timestamp::from_nanosecond(described.start_date().as_nanos())?;
    let stopped_at = described.stop_date().map(|at| Timestamp::from_nanosecond(at.as_nanos())).transpose()?;
    let ending = end(described)?.map(|end| Ending {
        end,
        at: stopped_at.unwrap_or(started_at),
        cause: described.cause().filter(|cause| !cause.is_empty()).map(str::to_owned),
        redrivable: described.redrive_status() == Some(&ExecutionRedriveStatus::Redrivable),
    });
    Ok(Execution {
        arn: described.execution_arn().to_owned(),
        state_machine_arn: described.state_machine_arn().to_owned(),
        started_at,
        input: described.input().unwrap_or_default().to_owned(),
        redrives: described.redrive_count().and_then(|count| count.try_into().ok()).unwrap_or(0),
        ending,
    })
}

impl Executions for StepFunctionsExecutions {
    async fn end(&self, execution_arn: &str) -> Result<Option<ExecutionEnd>, PortError> {
        let failed = |source: Box<dyn Error + Send + Sync>| PortError::new(format!("DescribeExecution {execution_arn}"), source);
        let described = self.client.describe_execution().execution_arn(execution_arn).send().await.map_err(|error| failed(error.into()))?;
        end(&described).map_err(failed)
    }
}

fn end(described: &DescribeExecutionOutput) -> Result<Option<ExecutionEnd>, Box<dyn Error + Send + Sync>> {
    Ok(match described.status() {
        // A redrive that is pending goes on as if it had never ended.
        ExecutionStatus::Running | ExecutionStatus::PendingRedrive => None,
        ExecutionStatus::Succeeded => Some(ExecutionEnd::Succeeded),
        ExecutionStatus::Failed => Some(ExecutionEnd::Failed { error: described.error().unwrap_or("States.Runtime").to_owned() }),
        ExecutionStatus::TimedOut => Some(ExecutionEnd::TimedOut),
        ExecutionStatus::Aborted => Some(ExecutionEnd::Aborted),
        other => return Err(UnknownStatus(other.as_str().to_owned()).into()),
    })
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

fn measure(meter: &mut Meter, event: &SdkEvent) {
    let scheduled = event.task_scheduled_event_details().map(|task| (task.resource_type(), task.resource(), None, Some(task.parameters())));
    let started = event.task_started_event_details().map(|task| (task.resource_type(), task.resource(), None, None));
    let submitted = event.task_submitted_event_details().map(|task| (task.resource_type(), task.resource(), None, task.output()));
    let succeeded = event.task_succeeded_event_details().map(|task| (task.resource_type(), task.resource(), None, task.output()));
    let failed = event.task_failed_event_details().map(|task| (task.resource_type(), task.resource(), task.error(), task.cause()));
    let timed_out = event.task_timed_out_event_details().map(|task| (task.resource_type(), task.resource(), task.error(), task.cause()));
    let task = scheduled.or(started).or(submitted).or(succeeded).or(failed).or(timed_out);
    let at = Timestamp::from_nanosecond(event.timestamp().as_nanos());
    let (Some((resource_type, resource, error, data)), Ok(at)) = (task, at) else { return };
    let (id, previous_id, kind) = (event.id(), event.previous_event_id(), event.r#type().as_str());
    meter.read(&TaskEvent { id, previous_id, at, kind, resource_type, resource, error, data });
}

#[cfg(test)]
mod tests {
    use nightly_domain::history::read_json;
    use nightly_domain::measured::{self, Measured};

    use super::*;
    use crate::fake_server::FakeServer;

    #[tokio::test]
    async fn a_history_of_two_pages_is_read_like_the_one_it_is() {
        let recorded = include_str!("../../domain/histories/published.json");
        let mut events: Vec<serde_json::Value> =
            serde_json::from_str::<serde_json::Value>(recorded).unwrap()["events"].as_array().unwrap().clone();
        for event in &mut events {
            // The wire has epoch seconds where the command line prints RFC 3339.
            let at: Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
            event["timestamp"] = at.as_duration().as_secs_f64().into();
        }
        let rest = events.split_off(20);
        let pages = [
            (200, serde_json::json!({"events": events, "nextToken": "more"}).to_string()),
            (200, serde_json::json!({"events": rest}).to_string()),
        ];
        let server = FakeServer::answering(pages.iter().chain(&pages).cloned().collect());
        let executions = executions(&server.address);
        let arn = "arn:aws:states:eu-central-1:111122223333:execution:nightly:a1";

        let read = executions.history(arn).await.unwrap();
        let with_figures = executions.recorded(arn).await.unwrap();

        let expected = read_json(recorded).unwrap();
        assert_eq!(with_figures.events, read);
        let measured = measured::read_json(recorded).unwrap();
        assert_eq!(with_figures.measured.function_time.as_millis(), measured.function_time.as_millis());
        assert_eq!(Measured { function_time: measured.function_time, ..with_figures.measured }, measured);
        assert_eq!(read.len(), expected.len());
        for (read, expected) in read.iter().zip(&expected) {
            assert_eq!((read.id, read.previous_id, &read.kind), (expected.id, expected.previous_id, &expected.kind));
            assert!(read.at.duration_since(expected.at).as_millis().abs() <= 1, "a double holds milliseconds, and little more");
        }
        let asked = server.requests();
        assert!(asked[0].contains(r#""includeExecutionData":false"#), "{}", asked[0]);
        assert!(asked[1].contains(r#""nextToken":"more""#), "{}", asked[1]);
        assert!(asked[2].contains(r#""includeExecutionData":true"#), "{}", asked[2]);
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

    #[tokio::test]
    async fn an_execution_is_described_with_what_can_be_done_about_its_end() {
        let answer = serde_json::json!({
            "executionArn": "arn:of:a1", "stateMachineArn": "arn:of:night", "startDate": 1_795_222_800.5, "status": "FAILED",
            "stopDate": 1_795_225_136.5, "error": "RatesUnavailable", "cause": "{}", "input": "{\"runDate\":\"2026-11-20\"}",
            "redriveCount": 2, "redriveStatus": "REDRIVABLE",
        });
        let running =
            serde_json::json!({"executionArn": "arn:of:a1", "stateMachineArn": "arn:of:night", "startDate": 1, "status": "RUNNING"});
        let server = FakeServer::answering(vec![(200, answer.to_string()), (200, running.to_string())]);
        let executions = executions(&server.address);
        let execution = executions.describe("arn:of:a1").await.unwrap();
        let ending = execution.ending.unwrap();
        assert_eq!((execution.redrives, execution.input.as_str(), ending.redrivable), (2, r#"{"runDate":"2026-11-20"}"#, true));
        assert_eq!((ending.at.as_millisecond(), ending.cause.as_deref()), (1_795_225_136_500, Some("{}")));
        assert_eq!(executions.describe("arn:of:a1").await.unwrap().ending, None);
    }

    fn executions(endpoint: &str) -> StepFunctionsExecutions {
        crate::Aws::at(endpoint).executions()
    }
}
