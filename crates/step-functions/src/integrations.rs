//! What a task calls, and what the three patterns make of the answer.

use std::rc::Rc;

use nightly_asl::{Failure, Json, Pattern, Resource, Stimulus, Task};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::clock::uuid;
use crate::executions::StepFunctions;
use crate::jobs::Job;
use crate::local_aws::{Call, Integration};
use crate::refusal::Refusal;
use crate::scope::Scope;

/// The optimized integrations that are known here, each with the parameter that may be JSON and is sent as text.
const OPTIMIZED: &[(&str, &str, &[&str])] = &[
    ("athena", "", &["getQueryExecution", "getQueryResults", "startQueryExecution", "stopQueryExecution"]),
    ("dynamodb", "", &["deleteItem", "getItem", "putItem", "updateItem"]),
    ("events", "", &["putEvents"]),
    ("glue", "", &["startJobRun"]),
    ("sns", "Message", &["publish"]),
    ("sqs", "MessageBody", &["sendMessage"]),
    ("states", "Input", &["startExecution"]),
];

impl StepFunctions {
    /// Works on a task until it is over or nobody waits for it any more.
    pub(crate) async fn perform(self: &Rc<Self>, execution: &str, task: Task, submitted: Option<Json>, cancelled: &Notify) {
        let id = task.id;
        // Whoever no longer wants to know says so by `Closed`; a job is then stopped, and everything else is over anyway.
        let failed = |failure| {
            let _ = self.tell(execution, Stimulus::Failed { task: id, failure });
        };
        let scope = Scope::of_arn(execution);
        match task.resource.pattern {
            Pattern::RequestResponse => {
                let call = self.call(&scope, &task);
                let answer = tokio::select! {
                    answer = call => answer,
                    () = cancelled.notified() => return,
                };
                match answer {
                    Ok(output) => {
                        let _ = self.tell(execution, Stimulus::Succeeded { task: id, output: output.into() });
                    }
                    Err(failure) => failed(failure),
                }
            }
            Pattern::TaskToken if submitted.is_some() => cancelled.notified().await,
            Pattern::TaskToken => match self.call(&scope, &task).await {
                Ok(output) => {
                    let _ = self.tell(execution, Stimulus::Submitted { task: id, output: output.into() });
                }
                Err(failure) => failed(failure),
            },
            Pattern::Sync => {
                let begun = match submitted {
                    Some(answer) => Job::of(&task.resource, task.parameters.value(), answer.value()).map(|job| (job, true)),
                    None => self.submit(execution, &scope, &task).await,
                };
                match begun {
                    Ok((job, true)) => match self.watch(&scope, &job, cancelled).await {
                        Some(Ok(output)) => {
                            let _ = self.tell(execution, Stimulus::Succeeded { task: id, output: output.into() });
                        }
                        Some(Err(failure)) => failed(failure),
                        None => self.stop(&scope, &job).await,
                    },
                    Ok((job, false)) => self.stop(&scope, &job).await,
                    Err(failure) => failed(failure),
                }
            }
        }
    }

    /// Starts a job; tells whether anybody still waits for it.
    async fn submit(self: &Rc<Self>, execution: &str, scope: &Scope, task: &Task) -> Result<(Job, bool), Failure> {
        let answer = self.call(scope, task).await?;
        let job = Job::of(&task.resource, task.parameters.value(), &answer)?;
        let waited_for = self.tell(execution, Stimulus::Submitted { task: task.id, output: answer.into() }).is_ok();
        Ok((job, waited_for))
    }

    /// One request of a task and its answer.
    pub(crate) async fn call(self: &Rc<Self>, scope: &Scope, task: &Task) -> Result<Value, Failure> {
        let (resource, parameters) = (&*task.resource, task.parameters.value());
        let action = resource.action.split('.').next().unwrap_or_default();
        match (resource.service.as_str(), action) {
            ("", _) if resource.action.contains(":lambda:") => {
                let invocation = json!({"FunctionName": resource.action, "Payload": parameters});
                Ok(self.invoke(scope, &invocation, task).await?["Payload"].take())
            }
            ("lambda", "invoke") => self.invoke(scope, parameters, task).await,
            ("states", "startExecution") if !self.aws.is_scripted() => {
                self.call_ourselves(scope, Integration::Optimized, action, parameters)
            }
            ("aws-sdk:sfn", _) if !self.aws.is_scripted() => self.call_ourselves(scope, Integration::Sdk, action, parameters),
            (service, _) => {
                if let Some(service) = service.strip_prefix("aws-sdk:") {
                    return self
                        .aws
                        .call(&Call { scope, integration: Integration::Sdk, service, action, parameters, task: Some(task) })
                        .await;
                }
                let known = OPTIMIZED.iter().find(|(known, _, actions)| *known == service && actions.contains(&action));
                let (_, text, _) = known.ok_or_else(|| unsupported(resource))?;
                let mut parameters = as_text(parameters, text);
                if service == "events" {
                    for entry in parameters["Entries"].as_array_mut().into_iter().flatten() {
                        *entry = as_text(entry, "Detail");
                    }
                }
                let parameters = &parameters;
                let call = Call { scope, integration: Integration::Optimized, service, action, parameters, task: Some(task) };
                let answer = self.aws.call(&call).await?;
                match answer["FailedEntryCount"].as_i64() {
                    Some(1..) => Err(Failure::new("EventBridge.FailedEntry", answer.to_string())),
                    _ => Ok(answer),
                }
            }
        }
    }

    /// `lambda:invoke`: the payload is JSON, and a function's error is the task's.
    async fn invoke(&self, scope: &Scope, parameters: &Value, task: &Task) -> Result<Value, Failure> {
        let mut parameters = parameters.clone();
        if let Some(payload) = parameters.get_mut("Payload") {
            *payload = Value::String(payload.to_string());
        }
        let parameters = &parameters;
        let call = Call { scope, integration: Integration::Optimized, service: "lambda", action: "invoke", parameters, task: Some(task) };
        let mut answer = self.aws.call(&call).await?;
        let text = answer["Payload"].as_str().unwrap_or_default().to_owned();
        let payload: Value = serde_json::from_str(&text).unwrap_or_else(|_| if text.is_empty() { json!({}) } else { text.clone().into() });
        if answer.get("FunctionError").is_some_and(|error| !error.is_null()) {
            return Err(match payload["errorType"].as_str() {
                Some(kind) => Failure::new(kind, text),
                None => Failure::new(
                    "Lambda.Unknown",
                    format!("The cause could not be determined because Lambda did not return an error type. Returned payload: {text}"),
                ),
            });
        }
        answer["Payload"] = payload;
        Ok(answer)
    }

    /// A call of Step Functions itself, which this server is.
    pub(crate) fn call_ourselves(
        self: &Rc<Self>,
        scope: &Scope,
        integration: Integration,
        action: &str,
        parameters: &Value,
    ) -> Result<Value, Failure> {
        let request = renamed(&as_text(parameters, "Input"), &lower_first);
        let operation = upper_first(action);
        let answer = self.answer(scope, &operation, &request.to_string()).map_err(|refusal| failure(integration, &refusal))?;
        let mut answer = dated(renamed(&answer, &upper_first), integration);
        if integration == Integration::Optimized {
            let request_id = uuid();
            let headers = json!({"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": request_id});
            let all: Map<String, Value> =
                headers.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), json!([value]))).collect();
            answer["SdkHttpMetadata"] = json!({"AllHttpHeaders": all, "HttpHeaders": headers, "HttpStatusCode": 200});
            answer["SdkResponseMetadata"] = json!({"RequestId": request_id});
        }
        Ok(answer)
    }
}

/// What isn't known here fails by name, and never as if it had been done.
pub(crate) fn unsupported(resource: &Resource) -> Failure {
    Failure::new("States.Runtime", format!("The resource {} is not supported by the local Step Functions.", resource.arn))
}

/// The parameters with one of them, where it is JSON, as text.
fn as_text(parameters: &Value, name: &str) -> Value {
    let mut parameters = parameters.clone();
    if let Some(value) = parameters.get_mut(name).filter(|value| !value.is_string()) {
        *value = Value::String(value.to_string());
    }
    parameters
}

fn failure(integration: Integration, refusal: &Refusal) -> Failure {
    let Refusal { name, message } = refusal;
    let exception = if name.ends_with("Exception") { (*name).to_owned() } else { format!("{name}Exception") };
    let id = uuid();
    match integration {
        Integration::Sdk => {
            Failure::new(format!("Sfn.{exception}"), format!("{message} (Service: Sfn, Status Code: 400, Request ID: {id})"))
        }
        Integration::Optimized => Failure::new(
            format!("StepFunctions.{exception}"),
            format!("{message} (Service: AWSStepFunctions; Status Code: 400; Error Code: {name}; Request ID: {id}; Proxy: null)"),
        ),
    }
}

/// The same value with every field's name changed.
fn renamed(value: &Value, rename: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, field)| (rename(name), renamed(field, rename))).collect(),
        Value::Array(items) => items.iter().map(|item| renamed(item, rename)).collect(),
        other => other.clone(),
    }
}

/// Instants are milliseconds in an optimized integration's answer and text in an SDK integration's.
fn dated(mut answer: Value, integration: Integration) -> Value {
    for (name, value) in answer.as_object_mut().into_iter().flatten() {
        if let (true, Some(seconds)) = (name.ends_with("Date"), value.as_f64()) {
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
            let millis = (seconds * 1000.0).round() as i64;
            *value = match integration {
                Integration::Optimized => millis.into(),
                Integration::Sdk => nightly_asl::Instant(millis).to_string().into(),
            };
        }
    }
    answer
}

fn upper_first(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

fn lower_first(name: &str) -> String {
    name[..1].to_lowercase() + &name[1..]
}
