//! A TOML file to begin with, written from a definition.

use std::fmt::Write;

use serde_json::Value;

use super::read::{placeholders, written_key};
use super::shape::{Pattern, TaskState, task_states};

/// Describes every Task of the definition in the plainest way: nothing fails, everything is quick.
pub fn starter(definition: &str, name: &str) -> Result<String, serde_json::Error> {
    // A placeholder may stand where JSON wants a number: any filling will do to find the states.
    let filled = placeholders(definition).iter().fold(definition.to_owned(), |text, name| text.replace(&format!("${{{name}}}"), "1"));
    let parsed: Value = serde_json::from_str(&filled)?;
    let mut text = format!("# What the tasks of {name} do in a rehearsal. docs/rehearsal.md explains every key.\n\n[night]\n");
    text.push_str(
        "# When each night begins, and what it is given. Expressions see `$seed`.\nstart = \"2026-01-05T01:00:00Z\"\ninput = {}\n",
    );
    let placeholders = placeholders(definition);
    if !placeholders.is_empty() {
        text.push_str("\n# What stands for each `${…}` of the definition.\n[substitutions]\n");
        for name in &placeholders {
            line(&mut text, &format!("{} = {}", written_key(name), Value::String(filling(name))));
        }
    }
    for state in task_states(&parsed) {
        describe(&mut text, &state);
    }
    text.push_str(
        "\n# What must hold in every night. A state has `entered`, `tried`, `succeeded`, `failed` and `caught`.\n\
         # [[invariant]]\n# name = \"Every night ends well\"\n# holds = \"{% $night.status = 'SUCCEEDED' %}\"\n",
    );
    Ok(text)
}

fn describe(text: &mut String, state: &TaskState<'_>) {
    let key = written_key(state.name);
    line(text, &format!("\n# {}", state.short_resource()));
    line(text, &format!("[states.{key}]"));
    match state.pattern() {
        Pattern::Call => {
            line(text, "duration = { p50 = \"1s\", p95 = \"3s\" }");
            line(text, &format!("result = {}", if is_function(state) { "{ Payload = {}, StatusCode = 200 }" } else { "{}" }));
            line(text, &failures(state));
        }
        Pattern::Job => {
            line(text, "duration = { p50 = \"5m\", p95 = \"12m\" }");
            line(text, "jobs = { SUCCEEDED = 1.0, FAILED = 0.0 }");
            if state.short_resource().starts_with("glue:") {
                line(text, "dpu = 2");
            } else if !state.short_resource().starts_with("athena:") {
                line(text, "result = {}");
            }
            line(text, &failures(state));
        }
        Pattern::Token => {
            line(text, "duration = \"1s\"");
            line(text, &failures(state));
            line(text, &format!("\n[states.{key}.answer]"));
            line(text, "delay = { p50 = \"20m\", p95 = \"1h\" }");
            line(text, "never = 0.0");
            line(text, "results = [{ probability = 1.0, value = {} }]");
        }
    }
}

fn failures(state: &TaskState<'_>) -> String {
    let service = state.short_resource().split(':').next().unwrap_or_default();
    let error = match service {
        "lambda" => "Lambda.ServiceException",
        "glue" => "Glue.InternalServiceException",
        "dynamodb" => "DynamoDB.ThrottlingException",
        "athena" => "Athena.TooManyRequestsException",
        _ => "States.TaskFailed",
    };
    format!("failures = [{{ error = \"{error}\", probability = 0.0, cause = \"Failed by the rehearsal.\" }}]")
}

fn is_function(state: &TaskState<'_>) -> bool {
    state.short_resource().starts_with("lambda:")
}

/// A number where the name speaks of one.
fn filling(name: &str) -> String {
    let is_number = ["Seconds", "Minutes", "Count", "Limit"].iter().any(|ending| name.ends_with(ending));
    if is_number { "60".to_owned() } else { name.to_lowercase() }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes everything");
}
