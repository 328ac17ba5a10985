//! Jobs that a task waits for (`.sync`): asked after until they are over, stopped when nobody waits any more.

use std::rc::Rc;
use std::time::Duration;

use nightly_asl::{Failure, Resource};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::executions::StepFunctions;
use crate::integrations::unsupported;
use crate::local_aws::{Call, Integration, UNREACHABLE};
use crate::scope::Scope;

/// How often a job is asked after: soon at first, so that a short one costs no time, and less often the longer it takes.
const SHORTEST_PAUSE_MILLIS: i64 = 100;
const LONGEST_PAUSE_MILLIS: i64 = 1_000;

/// A job that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// A run of a Glue job.
    GlueRun { name: String, run: String },
    /// A query of Athena.
    Query { id: String },
    /// An execution of a state machine here. With `.sync:2` its input and output are JSON, with `.sync` text.
    Execution { arn: String, data: Data },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    Text,
    Json,
}

impl Job {
    /// The job that a call started.
    pub(crate) fn of(resource: &Resource, parameters: &Value, answer: &Value) -> Result<Self, Failure> {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| unsupported(resource));
        match (resource.service.as_str(), resource.action.as_str()) {
            ("glue", "startJobRun.sync") => Ok(Self::GlueRun { name: text(&parameters["JobName"])?, run: text(&answer["JobRunId"])? }),
            ("athena", "startQueryExecution.sync") => Ok(Self::Query { id: text(&answer["QueryExecutionId"])? }),
            ("states", "startExecution.sync") => Ok(Self::Execution { arn: text(&answer["ExecutionArn"])?, data: Data::Text }),
            ("states", "startExecution.sync:2") => Ok(Self::Execution { arn: text(&answer["ExecutionArn"])?, data: Data::Json }),
            _ => Err(unsupported(resource)),
        }
    }
}

impl StepFunctions {
    /// Waits for the end of a job; `None` when nobody waits for it any more.
    pub(crate) async fn watch(self: &Rc<Self>, scope: &Scope, job: &Job, cancelled: &Notify) -> Option<Result<Value, Failure>> {
        let begun = self.clock.now();
        loop {
            tokio::select! {
                looked = self.ask_after(scope, job) => match looked {
                    Ok(None) => {}
                    Ok(Some(ended)) => return Some(ended),
                    // The local AWS may come back; the job's own time limit is the task's.
                    Err(failure) if failure.error.as_deref().is_some_and(|error| error.ends_with(UNREACHABLE)) => {}
                    Err(failure) => return Some(Err(failure)),
                },
                () = cancelled.notified() => return None,
            }
            tokio::select! {
                () = sleep(pause(self.clock.now().0 - begun.0)) => {}
                () = cancelled.notified() => return None,
            }
        }
    }

    /// How a job ended, once it has.
    async fn ask_after(self: &Rc<Self>, scope: &Scope, job: &Job) -> Result<Option<Result<Value, Failure>>, Failure> {
        let (state, output) = match job {
            Job::GlueRun { name, run } => {
                let mut answer = self.ask(scope, "glue", "getJobRun", &json!({"JobName": name, "RunId": run})).await?;
                let output = answer["JobRun"].take();
                (output["JobRunState"].clone(), output)
            }
            Job::Query { id } => {
                let answer = self.ask(scope, "athena", "getQueryExecution", &json!({"QueryExecutionId": id})).await?;
                (answer["QueryExecution"]["Status"]["State"].clone(), answer)
            }
            Job::Execution { arn, data } => {
                let mut output = self.ask(scope, "states", "describeExecution", &json!({"ExecutionArn": arn})).await?;
                if *data == Data::Json {
                    for name in ["Input", "Output"] {
                        let parsed = output[name].as_str().and_then(|text| serde_json::from_str(text).ok());
                        if let Some(parsed) = parsed {
                            output[name] = parsed;
                        }
                    }
                }
                (output["Status"].clone(), output)
            }
        };
        Ok(match state.as_str() {
            Some("SUCCEEDED") => Some(Ok(output)),
            Some("STARTING" | "RUNNING" | "STOPPING" | "WAITING" | "QUEUED" | "PENDING_REDRIVE") => None,
            _ => Some(Err(Failure::new("States.TaskFailed", output.to_string()))),
        })
    }

    /// Asks for a job to be stopped; as on AWS, best effort.
    pub(crate) async fn stop(self: &Rc<Self>, scope: &Scope, job: &Job) {
        let stopped = match job {
            Job::GlueRun { name, run } => self.ask(scope, "glue", "batchStopJobRun", &json!({"JobName": name, "JobRunIds": [run]})).await,
            Job::Query { id } => self.ask(scope, "athena", "stopQueryExecution", &json!({"QueryExecutionId": id})).await,
            Job::Execution { arn, .. } => self.ask(scope, "states", "stopExecution", &json!({"ExecutionArn": arn})).await,
        };
        if let Err(failure) = stopped {
            eprintln!("step-functions: {job:?} was not stopped: {}", failure.cause.unwrap_or_default());
        }
    }

    async fn ask(self: &Rc<Self>, scope: &Scope, service: &str, action: &str, parameters: &Value) -> Result<Value, Failure> {
        let integration = Integration::Optimized;
        let mut answer = if service == "states" && !self.aws.is_scripted() {
            self.call_ourselves(scope, integration, action, parameters)?
        } else {
            self.aws.call(&Call { scope, integration, service, action, parameters, task: None }).await?
        };
        without_metadata(&mut answer);
        Ok(answer)
    }
}

/// A job's output is the job, and nothing of the call that asked after it.
fn without_metadata(answer: &mut Value) {
    for name in ["SdkHttpMetadata", "SdkResponseMetadata"] {
        if let Some(fields) = answer.as_object_mut() {
            fields.remove(name);
        }
    }
}

fn pause(millis_so_far: i64) -> Duration {
    let millis = (millis_so_far / 20).clamp(SHORTEST_PAUSE_MILLIS, LONGEST_PAUSE_MILLIS);
    Duration::from_millis(millis.unsigned_abs())
}
