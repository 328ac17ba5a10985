//! State machines and their tags.

use nightly_asl::check::{self, Severity};
use nightly_asl::{Instant, Machine};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::page;
use crate::clock::{seconds, uuid};
use crate::executions::{StepFunctions, load};
use crate::machines::{StateMachine, Tag, kind};
use crate::refusal::Refusal;
use crate::scope::{Scope, check_name};

const MOST_DIAGNOSTICS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    name: String,
    definition: String,
    role_arn: String,
    #[serde(default = "standard", rename = "type")]
    kind: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    publish: bool,
    #[serde(flatten)]
    kept: Kept,
}

/// What is kept and told again, and changes nothing here.
#[derive(Deserialize)]
struct Kept {
    #[serde(rename = "loggingConfiguration")]
    logging: Option<Value>,
    #[serde(rename = "tracingConfiguration")]
    tracing: Option<Value>,
    #[serde(rename = "encryptionConfiguration")]
    encryption: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update {
    state_machine_arn: String,
    definition: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    publish: bool,
    #[serde(flatten)]
    kept: Kept,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Named {
    state_machine_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfExecution {
    execution_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List {
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Validate {
    definition: String,
    #[serde(default = "standard", rename = "type")]
    kind: String,
    severity: Option<String>,
    max_results: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tagged {
    resource_arn: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

impl StepFunctions {
    pub(super) fn create_state_machine(&self, scope: &Scope, request: Create) -> Result<Value, Refusal> {
        check_name(&request.name)?;
        check_kind(&request.kind)?;
        refuse_versions(request.publish)?;
        check_definition(&request.definition, &request.kind)?;
        let arn = scope.machine_arn(&request.name);
        if let Some(existing) = self.machines.borrow().find(&arn) {
            if existing.deleting {
                return Err(Refusal::new("StateMachineDeleting", format!("State Machine Is Deleting: '{arn}'")));
            }
            // A retried request is no error ("CreateStateMachine is an idempotent API").
            if existing.definition == request.definition && existing.kind == request.kind {
                return Ok(json!({"stateMachineArn": arn, "creationDate": seconds(existing.created_at)}));
            }
            return Err(Refusal::new("StateMachineAlreadyExists", format!("State Machine Already Exists: '{arn}'")));
        }
        let at = self.clock.now();
        let machine = StateMachine {
            arn: arn.clone(),
            name: request.name,
            definition: request.definition,
            role_arn: request.role_arn,
            kind: request.kind,
            created_at: at,
            updated_at: at,
            revision_id: uuid(),
            logging: request.kept.logging.unwrap_or_else(|| json!({"level": "OFF", "includeExecutionData": false})),
            tracing: request.kept.tracing.unwrap_or_else(|| json!({"enabled": false})),
            encryption: request.kept.encryption.unwrap_or_else(|| json!({"type": "AWS_OWNED_KEY"})),
            tags: request.tags,
            deleting: false,
        };
        self.keep(machine)?;
        Ok(json!({"stateMachineArn": arn, "creationDate": seconds(at)}))
    }

    pub(super) fn update_state_machine(&self, request: Update) -> Result<Value, Refusal> {
        refuse_versions(request.publish)?;
        let mut machine = self.find(&request.state_machine_arn)?;
        if machine.deleting {
            return Err(Refusal::new("StateMachineDeleting", format!("State Machine Is Deleting: '{}'", machine.arn)));
        }
        if request.definition.is_none() && request.role_arn.is_none() {
            return Err(Refusal::new("MissingRequiredParameter", "Either the definition, the role ARN, or both must be specified"));
        }
        if let Some(definition) = request.definition {
            check_definition(&definition, &machine.kind)?;
            machine.definition = definition;
        }
        machine.role_arn = request.role_arn.unwrap_or(machine.role_arn);
        machine.logging = request.kept.logging.unwrap_or(machine.logging);
        machine.tracing = request.kept.tracing.unwrap_or(machine.tracing);
        machine.encryption = request.kept.encryption.unwrap_or(machine.encryption);
        machine.updated_at = self.clock.now();
        machine.revision_id = uuid();
        let answer = json!({"updateDate": seconds(machine.updated_at), "revisionId": machine.revision_id});
        self.keep(machine)?;
        Ok(answer)
    }

    pub(super) fn describe_state_machine(&self, request: Named) -> Result<Value, Refusal> {
        let machine = self.find(&request.state_machine_arn)?;
        Ok(json!({
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "status": if machine.deleting { "DELETING" } else { "ACTIVE" },
            "definition": machine.definition,
            "roleArn": machine.role_arn,
            "type": machine.kind,
            "creationDate": seconds(machine.created_at),
            "loggingConfiguration": machine.logging,
            "tracingConfiguration": machine.tracing,
            "encryptionConfiguration": machine.encryption,
            "revisionId": machine.revision_id,
        }))
    }

    /// The definition that the execution runs, which may be an older one.
    pub(super) fn describe_state_machine_for_execution(&self, request: OfExecution) -> Result<Value, Refusal> {
        let arn = &request.execution_arn;
        let opening = self.look(arn, |run| run.opening.clone()).ok_or_else(|| Refusal::no_such_execution(arn))?;
        let machine = self.find(&opening.start.identity.state_machine_arn)?;
        Ok(json!({
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "definition": opening.definition,
            "roleArn": opening.start.identity.role_arn,
            "updateDate": seconds(machine.updated_at.min(opening.start.at)),
            "loggingConfiguration": machine.logging,
            "tracingConfiguration": machine.tracing,
            "encryptionConfiguration": machine.encryption,
        }))
    }

    /// Its executions run to their end, and with the last one it is gone. One that is gone already is no error.
    pub(super) fn delete_state_machine(&self, request: Named) -> Result<Value, Refusal> {
        if let Ok(machine) = self.find(&request.state_machine_arn) {
            self.keep(StateMachine { deleting: true, ..machine })?;
            self.finish_deletion(&request.state_machine_arn);
        }
        Ok(json!({}))
    }

    pub(super) fn list_state_machines(&self, scope: &Scope, request: List) -> Result<Value, Refusal> {
        let machines = self.machines.borrow();
        let here = scope.machine_arn("");
        let all: Vec<_> = machines.all().filter(|machine| machine.arn.starts_with(&here)).collect();
        let page = page(&here, all.len(), request.max_results, request.next_token.as_deref())?;
        let listed: Vec<_> = all[page.range]
            .iter()
            .map(|machine| {
                json!({
                    "stateMachineArn": machine.arn,
                    "name": machine.name,
                    "type": machine.kind,
                    "creationDate": seconds(machine.created_at),
                })
            })
            .collect();
        Ok(with_token(json!({"stateMachines": listed}), page.next_token))
    }

    pub(super) fn tag(&self, request: Tagged) -> Result<Value, Refusal> {
        self.retag(&request.resource_arn, |tags| {
            tags.retain(|tag| request.tags.iter().all(|new| new.key != tag.key));
            tags.extend(request.tags.clone());
        })
    }

    pub(super) fn untag(&self, request: Tagged) -> Result<Value, Refusal> {
        self.retag(&request.resource_arn, |tags| tags.retain(|tag| !request.tag_keys.contains(&tag.key)))
    }

    pub(super) fn list_tags(&self, request: Tagged) -> Result<Value, Refusal> {
        Ok(json!({"tags": self.taggable(&request.resource_arn)?.tags}))
    }

    fn retag(&self, arn: &str, change: impl FnOnce(&mut Vec<Tag>)) -> Result<Value, Refusal> {
        let mut machine = self.taggable(arn)?;
        change(&mut machine.tags);
        self.keep(machine)?;
        Ok(json!({}))
    }

    fn taggable(&self, arn: &str) -> Result<StateMachine, Refusal> {
        self.find(arn).map_err(|_| Refusal::new("ResourceNotFound", format!("Resource not found: '{arn}'")))
    }

    pub(super) fn find(&self, arn: &str) -> Result<StateMachine, Refusal> {
        if !arn.starts_with("arn:") {
            return Err(Refusal::new("InvalidArn", format!("Invalid Arn: 'Invalid ARN prefix: {arn}'")));
        }
        self.machines.borrow().find(arn).cloned().ok_or_else(|| Refusal::no_such_machine(arn))
    }

    fn keep(&self, machine: StateMachine) -> Result<(), Refusal> {
        self.machines.borrow_mut().put(machine).map_err(|error| Refusal::storage(&error))
    }
}

/// What is wrong with a definition, as `ValidateStateMachineDefinition` tells it.
pub(super) fn validate(request: Validate) -> Result<Value, Refusal> {
    let kind = check_kind(&request.kind)?;
    let least = if request.severity.as_deref() == Some("WARNING") { Severity::Warning } else { Severity::Error };
    let findings = check::text(&request.definition, kind);
    let most = request.max_results.filter(|most| *most > 0).unwrap_or(MOST_DIAGNOSTICS);
    Ok(check::validation(&findings, least, most))
}

/// What AWS refuses when a state machine is made is refused here.
fn check_definition(definition: &str, kind: &str) -> Result<Machine, Refusal> {
    load(definition, kind).map_err(|reason| Refusal::new("InvalidDefinition", reason))
}

fn check_kind(text: &str) -> Result<nightly_asl::check::Kind, Refusal> {
    kind(text).ok_or_else(|| Refusal::validation(format!("there is no type {text}")))
}

fn refuse_versions(publish: bool) -> Result<(), Refusal> {
    if publish { Err(Refusal::new("UnsupportedOperation", "versions are not supported by the local Step Functions")) } else { Ok(()) }
}

pub(super) fn with_token(mut answer: Value, token: Option<String>) -> Value {
    if let Some(token) = token {
        answer["nextToken"] = token.into();
    }
    answer
}

pub(super) fn date(at: Option<Instant>) -> Value {
    at.map_or(Value::Null, |at| seconds(at).into())
}

fn standard() -> String {
    "STANDARD".to_owned()
}
