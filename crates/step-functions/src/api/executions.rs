//! Executions: started, stopped, redriven, described, listed.

use std::rc::Rc;

use nightly_asl::{Failure, Instant, Status, Stimulus};
use serde::Deserialize;
use serde_json::{Value, json};

use super::machines::{date, with_token};
use super::pages::page;
use crate::clock::{seconds, uuid};
use crate::executions::{Run, StepFunctions};
use crate::refusal::Refusal;
use crate::scope::{check_name, execution_arn};

const LONGEST_INPUT: usize = 262_144;
/// "You can redrive executions … within 14 days" ("Restarting state machine executions with redrive").
const REDRIVABLE_SECONDS: i64 = 14 * 86_400;
const MOST_EVENTS: usize = 24_999;
/// The largest input or output that a status event holds ("Automating Step Functions event delivery with EventBridge").
const LARGEST_IN_EVENT: usize = 248 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Begin {
    state_machine_arn: String,
    name: Option<String>,
    #[serde(default = "empty")]
    input: String,
    trace_header: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stop {
    execution_arn: String,
    error: Option<String>,
    cause: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    execution_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    state_machine_arn: String,
    status_filter: Option<String>,
    redrive_filter: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl StepFunctions {
    /// The same name with the same input is the same execution while it runs, and taken once it has ended.
    pub(super) fn start_execution(self: &Rc<Self>, request: Begin) -> Result<Value, Refusal> {
        let machine = self.find(&request.state_machine_arn)?;
        if machine.deleting {
            return Err(Refusal::new("StateMachineDeleting", format!("State Machine Is Deleting: '{}'", machine.arn)));
        }
        if request.input.len() > LONGEST_INPUT {
            return Err(Refusal::validation(
                "1 validation error detected: Value at 'input' failed to satisfy constraint: \
                 Member must have length less than or equal to 262144",
            ));
        }
        let name = request.name.unwrap_or_else(uuid);
        check_name(&name)?;
        let arn = execution_arn(&machine.arn, &name);
        let known = self.look(&arn, |run| {
            let same = run.opening.input == request.input && *run.execution.status() == Status::Running;
            same.then_some(run.opening.start.at)
        });
        let (arn, at) = match known {
            None => self.begin(&machine, &name, request.input, request.trace_header)?,
            Some(Some(at)) => (arn, at),
            Some(None) => return Err(Refusal::new("ExecutionAlreadyExists", format!("Execution Already Exists: '{arn}'"))),
        };
        Ok(json!({"executionArn": arn, "startDate": seconds(at)}))
    }

    /// One that has ended already stays as it is.
    pub(super) fn stop_execution(self: &Rc<Self>, request: Stop) -> Result<Value, Refusal> {
        let Stop { execution_arn, error, cause } = request;
        let (kind, status) = self
            .look(&execution_arn, |run| (run.opening.kind.clone(), run.execution.status().clone()))
            .ok_or_else(unknown(&execution_arn))?;
        if kind == "EXPRESS" {
            return Err(Refusal::new("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine"));
        }
        if status == Status::Running {
            // What ends it meanwhile ends it as well.
            let _ = self.tell(&execution_arn, Stimulus::Stop(Failure { error, cause }));
        }
        Ok(json!({"stopDate": self.look(&execution_arn, |run| date(run.stopped_at()))}))
    }

    pub(super) fn redrive_execution(self: &Rc<Self>, request: Named) -> Result<Value, Refusal> {
        let arn = &request.execution_arn;
        let refused = self.look(arn, |run| run.not_redrivable(self.clock.now())).ok_or_else(unknown(arn))?;
        if let Some(reason) = refused {
            return Err(Refusal::new("ExecutionNotRedrivable", reason));
        }
        self.tell(arn, Stimulus::Redrive)
            .map_err(|_| Refusal::new("ExecutionNotRedrivable", format!("Execution '{arn}' can't go on from where it ended")))?;
        Ok(json!({"redriveDate": self.look(arn, |run| date(run.redriven().0))}))
    }

    pub(super) fn describe_execution(&self, request: Named) -> Result<Value, Refusal> {
        self.look(&request.execution_arn, |run| run.description(self.clock.now())).ok_or_else(unknown(&request.execution_arn))
    }

    /// The most recent first.
    pub(super) fn list_executions(&self, request: List) -> Result<Value, Refusal> {
        let machine = self.find(&request.state_machine_arn)?.arn;
        let wanted = |run: &Run| {
            let redriven = if run.redriven().1 > 0 { "REDRIVEN" } else { "NOT_REDRIVEN" };
            run.opening.start.identity.state_machine_arn == machine
                && request.status_filter.as_ref().is_none_or(|status| status == status_name(run.execution.status()))
                && request.redrive_filter.as_ref().is_none_or(|filter| filter == redriven)
        };
        let mut all = self.look_at_all(|arn, run| wanted(run).then(|| (run.opening.start.at, arn.to_owned(), run.listed())));
        all.sort_by(|(at, arn, _), (other_at, other_arn, _)| (at, arn).cmp(&(other_at, other_arn)));
        let list = format!("{machine} {:?} {:?}", request.status_filter, request.redrive_filter);
        let page = page(&list, all.len(), request.max_results, request.next_token.as_deref())?;
        let listed: Vec<_> = page.range.map(|index| all[page.of - 1 - index].2.clone()).collect();
        Ok(with_token(json!({"executions": listed}), page.next_token))
    }
}

impl Run {
    fn description(&self, now: Instant) -> Value {
        let (redriven_at, redrives) = self.redriven();
        let refused = self.not_redrivable(now);
        let mut description = self.listed();
        for (name, value) in [
            ("input", json!(self.opening.input)),
            ("inputDetails", json!({"included": true})),
            ("redriveCount", json!(redrives)),
            ("redriveDate", date(redriven_at)),
            ("redriveStatus", json!(if refused.is_some() { "NOT_REDRIVABLE" } else { "REDRIVABLE" })),
            ("redriveStatusReason", json!(refused)),
            ("traceHeader", json!(self.opening.trace_header)),
        ] {
            if !value.is_null() {
                description[name] = value;
            }
        }
        match self.execution.status() {
            Status::Running => {}
            Status::Succeeded(output) => {
                description["output"] = output.text().into();
                description["outputDetails"] = json!({"included": true});
            }
            Status::Failed(failure) | Status::TimedOut(failure) | Status::Aborted(failure) => {
                for (name, text) in [("error", &failure.error), ("cause", &failure.cause)] {
                    if let Some(text) = text {
                        description[name] = text.as_str().into();
                    }
                }
            }
        }
        description
    }

    fn listed(&self) -> Value {
        let identity = &self.opening.start.identity;
        let mut listed = json!({
            "executionArn": identity.execution_arn,
            "stateMachineArn": identity.state_machine_arn,
            "name": identity.name,
            "status": status_name(self.execution.status()),
            "startDate": seconds(self.opening.start.at),
        });
        if let Some(at) = self.stopped_at() {
            listed["stopDate"] = seconds(at).into();
        }
        listed
    }

    /// Why the execution can't be redriven, if it can't.
    fn not_redrivable(&self, now: Instant) -> Option<String> {
        let status = self.execution.status();
        let ended = match status {
            Status::Running | Status::Succeeded(_) => {
                return Some(format!("Execution is {} and cannot be redriven", status_name(status)));
            }
            Status::Failed(_) | Status::TimedOut(_) | Status::Aborted(_) => self.stopped_at(),
        };
        if self.opening.kind == "EXPRESS" {
            return Some("Execution is of an EXPRESS state machine and cannot be redriven".to_owned());
        }
        if self.execution.history().len() > MOST_EVENTS {
            return Some("Execution history event limit exceeded".to_owned());
        }
        let too_late = ended.is_some_and(|at| now > at + REDRIVABLE_SECONDS);
        too_late.then(|| "Execution redrivable period exceeded".to_owned())
    }

    /// What the event of a new status says.
    pub(crate) fn status_change(&self, status: &Status, now: Instant) -> Value {
        let identity = &self.opening.start.identity;
        let (redriven_at, redrives) = self.redriven();
        let running = *status == Status::Running;
        let refused = if running { Some("Execution is RUNNING and cannot be redriven".to_owned()) } else { self.not_redrivable(now) };
        let output = match status {
            Status::Succeeded(output) => Some(output.text()),
            _ => None,
        };
        let failure = match status {
            Status::Failed(failure) | Status::TimedOut(failure) | Status::Aborted(failure) => failure.clone(),
            Status::Running | Status::Succeeded(_) => Failure::default(),
        };
        let fits = |text: &str| text.len() <= LARGEST_IN_EVENT;
        json!({
            "executionArn": identity.execution_arn,
            "stateMachineArn": identity.state_machine_arn,
            "name": identity.name,
            "status": status_name(status),
            "startDate": self.opening.start.at,
            "stopDate": if running { None } else { self.stopped_at() },
            "input": Some(&self.opening.input).filter(|input| fits(input)),
            "inputDetails": {"included": fits(&self.opening.input)},
            "output": output.filter(|output| fits(output)),
            "outputDetails": output.map(|output| json!({"included": fits(output)})),
            "stateMachineVersionArn": null,
            "stateMachineAliasArn": null,
            "redriveCount": redrives,
            "redriveDate": redriven_at,
            "redriveStatus": if refused.is_some() { "NOT_REDRIVABLE" } else { "REDRIVABLE" },
            "redriveStatusReason": refused,
            "error": failure.error,
            "cause": failure.cause,
        })
    }
}

pub(super) fn unknown(arn: &str) -> impl FnOnce() -> Refusal {
    move || Refusal::no_such_execution(arn)
}

/// The API's name of a status.
fn status_name(status: &Status) -> &'static str {
    match status {
        Status::Running => "RUNNING",
        Status::Succeeded(_) => "SUCCEEDED",
        Status::Failed(_) => "FAILED",
        Status::TimedOut(_) => "TIMED_OUT",
        Status::Aborted(_) => "ABORTED",
    }
}

fn empty() -> String {
    "{}".to_owned()
}
