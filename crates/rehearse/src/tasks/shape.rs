//! The Task states of a definition, as far as a rehearsal must know them.

use serde_json::Value;

/// A Task state.
#[derive(Debug, Clone)]
pub struct TaskState<'a> {
    /// Its name, which no other state of the definition has.
    pub name: &'a str,
    /// Its `Resource`, such as `arn:aws:states:::lambda:invoke`.
    pub resource: &'a str,
    /// Whether its task has a deadline of its own.
    pub has_timeout: bool,
}

/// When a task is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// When the call has answered.
    Call,
    /// When the job behind it is over.
    Job,
    /// When the task token comes back.
    Token,
}

impl TaskState<'_> {
    /// The resource without what every integration begins with: `lambda:invoke`.
    pub fn short_resource(&self) -> &str {
        short(self.resource)
    }

    /// When it is over.
    pub fn pattern(&self) -> Pattern {
        match self.resource.rsplit_once('.') {
            Some((_, "waitForTaskToken")) => Pattern::Token,
            Some((_, "sync" | "sync:2")) => Pattern::Job,
            _ => Pattern::Call,
        }
    }
}

/// `arn:aws:states:::lambda:invoke` is `lambda:invoke`; another ARN stays whole.
pub fn short(resource: &str) -> &str {
    let mut parts = resource.splitn(6, ':');
    let integration = parts.by_ref().take(5).collect::<Vec<_>>();
    match (integration.as_slice(), parts.next()) {
        (["arn", _, "states", "", ""], Some(rest)) => rest,
        _ => resource,
    }
}

/// Every Task state, in the order of the definition, those in branches and items with them.
pub fn task_states(definition: &Value) -> Vec<TaskState<'_>> {
    let mut found = Vec::new();
    collect(definition, &mut found);
    found
}

fn collect<'a>(machine: &'a Value, found: &mut Vec<TaskState<'a>>) {
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        if state["Type"] == "Task" {
            let has_timeout = ["TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath"]
                .iter()
                .any(|field| state.get(field).is_some());
            found.push(TaskState { name, resource: state["Resource"].as_str().unwrap_or_default(), has_timeout });
        }
        for branch in state["Branches"].as_array().into_iter().flatten() {
            collect(branch, found);
        }
        for inner in ["ItemProcessor", "Iterator"].iter().filter_map(|field| state.get(field)) {
            collect(inner, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrations_are_called_by_what_tells_them_apart() {
        for (resource, name) in [
            ("arn:aws:states:::lambda:invoke", "lambda:invoke"),
            ("arn:aws-cn:states:::aws-sdk:s3:getObject", "aws-sdk:s3:getObject"),
            ("arn:aws:states:::states:startExecution.sync:2", "states:startExecution.sync:2"),
            ("arn:aws:lambda:eu-central-1:1:function:f", "arn:aws:lambda:eu-central-1:1:function:f"),
            ("arn:aws:states:eu-central-1:1:activity:a", "arn:aws:states:eu-central-1:1:activity:a"),
        ] {
            assert_eq!(short(resource), name);
        }
    }
}
