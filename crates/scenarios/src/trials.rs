//! A run's states one by one, each as a request to TestState with what must come of it.
//!
//! What the run saw goes in: the state's input, the variables, the context object, and what its task replied, as a mock. AWS takes a
//! context object only together with a mock, so a Pass, a Choice, a Succeed or a Fail whose expressions look at the context is held
//! to its status and its next state only. A Wait is left out, for it would wait; so are a Map and the states in it.

use std::collections::BTreeMap;
use std::fmt;

use nightly_asl::{Detail, Event, Json};
use serde_json::{Map, Value, json};

use crate::{Call, Run};

/// A state of a run, to be tried by itself.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The state.
    pub state: String,
    /// How often its task was tried before, in the same entry.
    pub retries: usize,
    /// What to send to TestState.
    pub request: Value,
    /// What must be in the answer, its JSON read.
    pub expected: Map<String, Value>,
}

/// Where TestState sees something else than the run did.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The field of the answer.
    pub field: String,
    /// What the run saw.
    pub expected: Value,
    /// What TestState answers.
    pub answered: Value,
}

/// What to try of a run on this definition.
pub fn trials(definition: &Value, run: &Run) -> Vec<Trial> {
    let story = Story { run, definition };
    run.history.iter().flat_map(|event| story.trials(event)).collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: expected {}, answered {}", self.field, self.expected, self.answered)
    }
}

impl Trial {
    /// What sets it apart from other trials. Scenarios have most of their states in common; whose variables and which times they
    /// see hardly matters to them.
    pub fn what_counts(&self) -> String {
        let mut request = self.request.clone();
        if let Some(fields) = request.as_object_mut() {
            fields.remove("context");
            fields.remove("variables");
        }
        format!("{request}{}", Value::Object(self.expected.clone()))
    }

    /// Where the answer isn't what the run saw.
    pub fn differences(&self, answer: &Value) -> Vec<Difference> {
        let answered = |field: &str| {
            let value = answer.get(field).cloned().unwrap_or(Value::Null);
            // Outputs are JSON in a string; errors and names are not.
            match (field, value.as_str()) {
                ("output", Some(text)) => serde_json::from_str(text).unwrap_or(value),
                _ => value,
            }
        };
        let fields = self.expected.iter().map(|(field, expected)| (field, expected, answered(field)));
        fields
            .filter(|(_, expected, answered)| *expected != answered)
            .map(|(field, expected, answered)| Difference { field: field.clone(), expected: expected.clone(), answered })
            .collect()
    }
}

struct Story<'a> {
    run: &'a Run,
    definition: &'a Value,
}

impl Story<'_> {
    /// The trials of an entry into a state.
    fn trials(&self, entered: &Event) -> Vec<Trial> {
        let Detail::StateEntered { kind, name, input } = &entered.detail else { return Vec::new() };
        let Some(state) = state(self.definition, name) else { return Vec::new() };
        let exit = self.exit(entered);
        match *kind {
            "Task" => self.task_trials(entered, name, input, exit),
            "Parallel" => {
                let Some(exit) = exit else { return Vec::new() };
                let Some(result) = self.branch_outputs(state, entered, exit) else { return Vec::new() };
                let mut request = self.request(entered, name, input);
                self.mock(&mut request, entered, name, 0, None, json!({"result": result.to_string()}));
                vec![Trial { state: name.to_string(), retries: 0, request, expected: self.left(exit, "SUCCEEDED") }]
            }
            "Pass" | "Choice" | "Succeed" => {
                let Some(exit) = exit else { return Vec::new() };
                let mut expected = self.left(exit, "SUCCEEDED");
                if state.to_string().contains("$states.context") {
                    expected.remove("output");
                }
                vec![Trial { state: name.to_string(), retries: 0, request: self.request(entered, name, input), expected }]
            }
            "Fail" => {
                let failure = self.run.history.iter().find_map(|event| match &event.detail {
                    Detail::ExecutionFailed(failure) if event.previous == entered.id => Some(failure),
                    _ => None,
                });
                let mut expected = Map::from_iter([("status".to_owned(), Value::from("FAILED"))]);
                if let Some(failure) = failure {
                    expected.insert("error".to_owned(), json!(failure.error));
                    if !state.to_string().contains("$states.context") {
                        expected.insert("cause".to_owned(), json!(failure.cause));
                    }
                }
                vec![Trial { state: name.to_string(), retries: 0, request: self.request(entered, name, input), expected }]
            }
            _ => Vec::new(),
        }
    }

    /// One trial for each attempt of a task that ended.
    fn task_trials(&self, entered: &Event, name: &str, input: &Json, exit: Option<&Event>) -> Vec<Trial> {
        // Tasks are called in the order in which they are scheduled.
        let scheduled = self.run.history.iter().filter(|event| matches!(event.detail, Detail::TaskScheduled { .. }));
        let attempts: Vec<(&Event, &Call)> = scheduled
            .zip(&self.run.calls)
            .filter(|(scheduled, call)| call.state == name && self.entry(name, scheduled.id).is_some_and(|entry| entry.id == entered.id))
            .collect();
        let mut errors: Vec<Option<String>> = Vec::new();
        let mut all = Vec::new();
        for (index, (scheduled, call)) in attempts.iter().enumerate() {
            let Some(ended) = self.ended(scheduled) else { continue };
            let is_last = index + 1 == attempts.len();
            // What comes after a redrive begins anew.
            let gives_up = attempts.get(index + 1).is_some_and(|(next, _)| self.is_redriven_between(scheduled.id, next.id));
            let mut request = self.request(entered, name, input);
            let (mock, expected) = match &ended.detail {
                Detail::TaskSucceeded { output, .. } => {
                    let Some(exit) = exit else { continue };
                    (json!({"result": output.text()}), self.left(exit, "SUCCEEDED"))
                }
                Detail::TaskFailed { failure, .. } | Detail::TaskTimedOut { failure, .. } => {
                    let before = errors.iter().filter(|error| **error == failure.error).count();
                    errors.push(failure.error.clone());
                    if gives_up {
                        errors.clear();
                    }
                    request["stateConfiguration"] = json!({"retrierRetryCount": before});
                    let mut expected = match exit {
                        Some(exit) if is_last => self.left(exit, "CAUGHT_ERROR"),
                        _ if is_last || gives_up => Map::from_iter([("status".to_owned(), Value::from("FAILED"))]),
                        _ => Map::from_iter([("status".to_owned(), Value::from("RETRIABLE"))]),
                    };
                    expected.insert("error".to_owned(), json!(failure.error));
                    (json!({"errorOutput": failure}), expected)
                }
                _ => continue,
            };
            self.mock(&mut request, entered, name, index, call.token.as_deref(), mock);
            all.push(Trial { state: name.to_owned(), retries: index, request, expected });
        }
        all
    }

    fn request(&self, entered: &Event, name: &str, input: &Json) -> Value {
        json!({
            "definition": self.definition.to_string(),
            "stateName": name,
            "input": input.text(),
            "variables": Value::Object(self.variables(entered).into_iter().collect()).to_string(),
            "inspectionLevel": "INFO",
        })
    }

    fn mock(&self, request: &mut Value, entered: &Event, name: &str, retries: usize, token: Option<&str>, mock: Value) {
        let Run { identity, started, history, .. } = self.run;
        let input = history.first().and_then(|event| match &event.detail {
            Detail::ExecutionStarted { input, .. } => Some(input.value()),
            _ => None,
        });
        let mut context = json!({
            "Execution": {
                "Id": identity.execution_arn,
                "Input": input,
                "Name": identity.name,
                "RoleArn": identity.role_arn,
                "StartTime": started.to_string(),
            },
            "State": {"Name": name, "EnteredTime": entered.at.to_string(), "RetryCount": retries},
            "StateMachine": {"Id": identity.state_machine_arn, "Name": identity.state_machine_name},
        });
        if let Some(token) = token {
            context["Task"] = json!({"Token": token});
        }
        request["context"] = Value::from(context.to_string());
        request["mock"] = mock;
    }

    /// What the answer must be when the state was left like this.
    fn left(&self, exit: &Event, status: &str) -> Map<String, Value> {
        let next = self.run.history.iter().find_map(|event| match &event.detail {
            Detail::StateEntered { name, .. } if event.previous == exit.id => Some(Value::from(&**name)),
            _ => None,
        });
        let output = match &exit.detail {
            Detail::StateExited { output, .. } => output.value().clone(),
            _ => Value::Null,
        };
        let fields = [("status", Value::from(status)), ("nextState", next.unwrap_or(Value::Null)), ("output", output)];
        fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
    }

    /// The variables that a state sees when it is entered: what was assigned on the way to it, the last of each name.
    fn variables(&self, entered: &Event) -> BTreeMap<String, Value> {
        let mut variables = BTreeMap::new();
        let mut next = self.event(entered.previous);
        while let Some(event) = next {
            next = self.event(event.previous);
            if let Detail::StateExited { name, assigned, .. } = &event.detail {
                for (variable, value) in assigned {
                    variables.entry(variable.to_string()).or_insert_with(|| value.value().clone());
                }
                // What branches assign stays in them, and a redrive breaks the chain inside a state.
                next = self.entry(name, event.id).and_then(|entry| self.event(entry.previous));
            }
        }
        variables
    }

    /// What each branch of a Parallel gave, from its history between these two events.
    fn branch_outputs(&self, state: &Value, entered: &Event, exit: &Event) -> Option<Value> {
        let branches = state.get("Branches")?.as_array()?;
        let outputs: Option<Vec<Value>> = branches
            .iter()
            .map(|branch| {
                let names = branch.get("States")?.as_object()?;
                let within = self.run.history.iter().rev().filter(|event| (entered.id..exit.id).contains(&event.id));
                within.into_iter().find_map(|event| match &event.detail {
                    Detail::StateExited { name, output, .. } if names.contains_key(&**name) => Some(output.value().clone()),
                    _ => None,
                })
            })
            .collect();
        outputs.map(Value::Array)
    }

    /// Where the state was left that was entered here.
    fn exit(&self, entered: &Event) -> Option<&Event> {
        let Detail::StateEntered { name, .. } = &entered.detail else { return None };
        let after = self.run.history.iter().filter(|event| event.id > entered.id);
        after
            .take_while(|event| !matches!(&event.detail, Detail::StateEntered { name: other, .. } if other == name))
            .find(|event| matches!(&event.detail, Detail::StateExited { name: other, .. } if other == name))
    }

    /// The last entry into a state before an event.
    fn entry(&self, state: &str, before: u64) -> Option<&Event> {
        let earlier = self.run.history.iter().rev().filter(|event| event.id < before);
        earlier.into_iter().find(|event| matches!(&event.detail, Detail::StateEntered { name, .. } if **name == *state))
    }

    fn is_redriven_between(&self, from: u64, to: u64) -> bool {
        let between = self.run.history.iter().filter(|event| (from..to).contains(&event.id));
        between.into_iter().any(|event| matches!(event.detail, Detail::ExecutionRedriven { .. }))
    }

    /// How the task ended that was scheduled here; not at all if it was stopped.
    fn ended<'s>(&'s self, scheduled: &'s Event) -> Option<&'s Event> {
        let mut next = Some(scheduled);
        while let Some(event) = next {
            if matches!(event.detail, Detail::TaskSucceeded { .. } | Detail::TaskFailed { .. } | Detail::TaskTimedOut { .. }) {
                return Some(event);
            }
            next = self.run.history.iter().find(|later| later.previous == event.id);
        }
        None
    }

    fn event(&self, id: u64) -> Option<&Event> {
        let index = usize::try_from(id.checked_sub(1)?).ok()?;
        self.run.history.get(index)
    }
}

/// The state of that name, in whatever branch.
fn state<'a>(machine: &'a Value, name: &str) -> Option<&'a Value> {
    let states = machine.get("States")?.as_object()?;
    states.get(name).or_else(|| {
        let branches = states.values().filter_map(|state| state.get("Branches")?.as_array()).flatten();
        branches.into_iter().find_map(|branch| state(branch, name))
    })
}
