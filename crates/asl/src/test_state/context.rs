//! The context object that a request brings, and the one that a state sees without.

use serde_json::{Map, Value, json};

use super::{Circumstances, TestStateError};
use crate::definition::{Pattern, Resource};
use crate::random::Random;
use crate::value::Json;

/// Reads a context object and refuses what Step Functions' own never has.
pub(super) fn read(text: &str, state: &Map<String, Value>) -> Result<Map<String, Value>, TestStateError> {
    let Ok(Value::Object(context)) = serde_json::from_str(text) else { return Err(refused("Context object must be a JSON object")) };
    object(&context, "", CONTEXT)?;
    if context.contains_key("Task") && !waits(state) {
        return Err(refused(
            "Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' service integration pattern",
        ));
    }
    Ok(context)
}

/// The context object of a state that is tried by itself: AWS runs it as an express execution of a state machine of its own.
pub(super) fn made(name: &str, input: &Json, role: Option<&str>, circumstances: &Circumstances) -> Map<String, Value> {
    let random = Random::new(circumstances.seed, &[]);
    let (machine, execution) = (random.uuid(), random.uuid());
    let Circumstances { region, account, at, .. } = circumstances;
    let account = role.and_then(|role| role.split(':').nth(4)).filter(|account| !account.is_empty()).unwrap_or(account);
    let mut context = json!({
        "Execution": {
            "Id": format!("arn:aws:states:{region}:{account}:express:{machine}:{execution}"),
            "Input": input.value(),
            "Name": execution,
            "StartTime": at.to_string(),
        },
        "State": {"Name": name, "EnteredTime": at.to_string(), "RetryCount": 0},
        "StateMachine": {"Id": format!("arn:aws:states:{region}:{account}:stateMachine:{machine}"), "Name": machine},
    });
    if let Some(role) = role {
        context["Execution"]["RoleArn"] = Value::from(role);
    }
    match context {
        Value::Object(context) => context,
        _ => Map::new(),
    }
}

/// Whether a task token belongs to the state.
fn waits(state: &Map<String, Value>) -> bool {
    let resource = state.get("Resource").and_then(Value::as_str).map(Resource::parse);
    resource.is_some_and(|resource| resource.pattern != Pattern::RequestResponse)
}

/// The type of a field of the context object.
enum Type {
    Any,
    Text,
    Number,
    Object(&'static [(&'static str, Type)]),
}

const CONTEXT: &[(&str, Type)] = &[
    (
        "Execution",
        Type::Object(&[
            ("Id", Type::Text),
            ("Input", Type::Any),
            ("Name", Type::Text),
            ("RoleArn", Type::Text),
            ("StartTime", Type::Text),
            ("RedriveCount", Type::Number),
            ("RedriveTime", Type::Text),
        ]),
    ),
    ("State", Type::Object(&[("EnteredTime", Type::Text), ("Name", Type::Text), ("RetryCount", Type::Number)])),
    ("StateMachine", Type::Object(&[("Id", Type::Text), ("Name", Type::Text)])),
    ("Task", Type::Object(&[("Token", Type::Text)])),
    (
        "Map",
        Type::Object(&[(
            "Item",
            Type::Object(&[("Index", Type::Number), ("Value", Type::Any), ("Key", Type::Text), ("Source", Type::Text)]),
        )]),
    ),
];

fn object(fields: &Map<String, Value>, path: &str, known: &[(&str, Type)]) -> Result<(), TestStateError> {
    for (name, value) in fields {
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            return Err(refused(&format!("Field '{name}' is not allowed")));
        };
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let must = match kind {
            Type::Text if !value.is_string() => "a string",
            Type::Number if !value.is_number() => "a number",
            Type::Object(known) => match value {
                Value::Object(fields) => {
                    object(fields, &path, known)?;
                    continue;
                }
                _ => "an object",
            },
            _ => continue,
        };
        return Err(refused(&format!("{path} must be {must}")));
    }
    Ok(())
}

fn refused(what: &str) -> TestStateError {
    TestStateError::invalid(format!("Invalid Context object provided: {what}"))
}
