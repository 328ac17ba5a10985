//! What AWS recorded of one execution, and what it says each task answered.

use std::collections::VecDeque;

use nightly_asl::{Failure, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::masks::Mask;

/// One execution, as the folder holds it.
#[derive(Deserialize, Clone)]
pub struct Recording {
    /// The test that recorded it.
    pub id: String,
    /// The state machine.
    pub definition: Value,
    /// What the execution was given.
    pub input: Value,
    /// What happened, in order.
    pub events: Vec<Value>,
    /// Who it was.
    pub context: Context,
    /// What was hidden before the recording was kept.
    #[serde(default)]
    pub masks: Vec<Mask>,
    /// What can be otherwise the next time.
    #[serde(default)]
    pub nondeterminism: Vec<String>,
    /// Whether the events inside a Parallel were sorted and lost their ids.
    #[serde(default)]
    pub parallel_normalised: bool,
}

/// Who an execution was.
#[derive(Deserialize, Clone)]
pub struct Context {
    /// Its state machine's ARN.
    #[serde(rename = "StateMachineId")]
    pub state_machine: String,
    /// Its own ARN.
    #[serde(rename = "ExecutionId")]
    pub execution: String,
    /// The role that it ran under.
    #[serde(rename = "RoleArn")]
    pub role: String,
}

impl Recording {
    /// Some tests hid partition and region: the definition and the input use the plain ones, so the events do here.
    pub fn with_plain_arns(mut self) -> Self {
        self.events = self.events.into_iter().map(plain_arns).collect();
        self
    }

    /// Whether something in it hides values in a way of its own: then a text `<…>` stands for any.
    pub fn has_custom_masks(&self) -> bool {
        self.masks.iter().any(|mask| matches!(mask, Mask::Custom(_)))
    }

    /// Whether branches or items ran in an order that is AWS's own.
    pub fn is_interleaved(&self) -> bool {
        self.nondeterminism.iter().any(|what| what.ends_with("-interleaving"))
    }

    /// Whether it holds the execution's end; AWS's record of some stops before.
    pub fn holds_the_end(&self) -> bool {
        holds_the_end(&self.events)
    }

    /// The role that `ExecutionStarted` names: a test may have hidden it there otherwise than in the context.
    pub fn role(&self) -> &str {
        self.events
            .first()
            .and_then(|event| event.pointer("/executionStartedEventDetails/roleArn"))
            .and_then(Value::as_str)
            .unwrap_or(&self.context.role)
    }

    /// Every task that was scheduled, in order, with what became of it.
    pub fn tasks(&self) -> Vec<RecordedTask> {
        let mut used = vec![false; self.events.len()];
        let texts = Texts::of(&self.events);
        let scheduled = (0..self.events.len()).filter(|&index| is_scheduled(&self.events[index]));
        scheduled.map(|index| self.task(index, &texts, &mut used)).collect()
    }

    fn task(&self, scheduled: usize, texts: &Texts, used: &mut [bool]) -> RecordedTask {
        let details = details(&self.events[scheduled]);
        let parameters = details.get("parameters").or_else(|| details.get("input")).cloned().unwrap_or(Value::Null);
        let mut answers = VecDeque::new();
        let mut last = scheduled;
        while let Some(next) = self.follower(last, scheduled, used) {
            used[next] = true;
            last = next;
            if let Some(answer) = Answer::read(&self.events[next], texts) {
                answers.push_back((next, answer));
            }
        }
        RecordedTask { state: self.state_of(scheduled), parameters, answers }
    }

    /// The task event that follows; where a recording was sorted and lost its ids, the first unused one of the same resource.
    fn follower(&self, last: usize, scheduled: usize, used: &[bool]) -> Option<usize> {
        if let Some(id) = self.events[last]["id"].as_u64() {
            return (last + 1..self.events.len())
                .find(|&index| self.events[index]["previousEventId"] == id && is_task_event(&self.events[index]));
        }
        let run = |index: &usize| self.events[*index]["id"].is_array();
        let start = (0..=scheduled).rev().take_while(run).last()?;
        let end = (scheduled..self.events.len()).take_while(run).last()?;
        let resource = &details(&self.events[scheduled])["resource"];
        let rank = |index: usize| rank(&self.events[index]);
        (start..=end)
            .filter(|&index| !used[index] && is_task_event(&self.events[index]) && rank(index) > rank(last))
            .filter(|&index| details(&self.events[index]).get("resource").is_none_or(|of| of == resource))
            .min_by_key(|&index| rank(index))
    }

    /// The state that scheduled it, up the chain; unknown where the ids were lost.
    fn state_of(&self, mut index: usize) -> Option<String> {
        loop {
            let event = &self.events[index];
            if kind(event) == Some("TaskStateEntered") {
                return details(event)["name"].as_str().map(str::to_owned);
            }
            let previous = event["previousEventId"].as_u64().filter(|&id| id > 0)?;
            index = self.events[..index].iter().rposition(|event| event["id"] == previous)?;
        }
    }
}

/// A task that AWS called.
pub struct RecordedTask {
    /// The state that called it, where that is known.
    pub state: Option<String>,
    /// With what.
    pub parameters: Value,
    /// What it answered, and which event says so.
    pub answers: VecDeque<(usize, Answer)>,
}

/// What became of a task. One that timed out answered nothing.
#[derive(Clone)]
pub enum Answer {
    Submitted(Json),
    Succeeded(Json),
    Failed(Failure),
}

impl Answer {
    fn read(event: &Value, texts: &Texts) -> Option<Self> {
        let details = details(event);
        let output = || output(&details["output"]);
        match kind(event)? {
            "TaskSubmitted" => Some(Self::Submitted(output())),
            "TaskSucceeded" | "LambdaFunctionSucceeded" => Some(Self::Succeeded(output())),
            kind if kind.ends_with("Failed") => {
                let text = |name| details.get(name).map(|value| texts.text(value));
                Some(Self::Failed(Failure { error: text("error"), cause: text("cause") }))
            }
            _ => None,
        }
    }
}

/// The texts of JSON objects that stand in the recording: a cause was parsed where it is a field of its own, and is still a text, with
/// the spaces that it came with, in the output of the state that caught it.
struct Texts(Vec<(Value, String)>);

impl Texts {
    fn of(events: &[Value]) -> Self {
        let mut texts = Self(Vec::new());
        for event in events {
            texts.collect(event);
        }
        texts
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::String(text) if text.starts_with(['{', '[']) => {
                if let Ok(parsed) = serde_json::from_str::<Value>(text) {
                    self.collect(&parsed);
                    if parsed.is_object() {
                        self.0.push((parsed, text.clone()));
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.collect(field)),
            _ => {}
        }
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            parsed => self.0.iter().find(|(known, _)| known == parsed).map_or_else(|| parsed.to_string(), |(_, text)| text.clone()),
        }
    }
}

/// Objects were parsed when the recording was kept; all else is the JSON text still.
fn output(recorded: &Value) -> Json {
    match recorded {
        Value::String(text) => Json::parse(text).unwrap_or_else(|_| recorded.clone().into()),
        parsed => parsed.clone().into(),
    }
}

/// Whether the last event ends the execution.
pub fn holds_the_end(events: &[Value]) -> bool {
    events.last().and_then(kind).is_some_and(|kind| kind.starts_with("Execution") && kind != "ExecutionStarted")
}

/// The event's type.
pub fn kind(event: &Value) -> Option<&str> {
    event["type"].as_str()
}

/// The one field that holds what its type tells; empty where there is none.
pub fn details(event: &Value) -> Map<String, Value> {
    let field = event.as_object().and_then(|fields| fields.iter().find(|(name, _)| name.ends_with("EventDetails")));
    field.and_then(|(_, details)| details.as_object()).cloned().unwrap_or_default()
}

fn is_scheduled(event: &Value) -> bool {
    matches!(kind(event), Some("TaskScheduled" | "LambdaFunctionScheduled"))
}

/// What can follow a scheduled task before the state goes on.
fn is_task_event(event: &Value) -> bool {
    rank(event) > 0
}

fn rank(event: &Value) -> u8 {
    let Some(step) = kind(event).and_then(|kind| kind.strip_prefix("Task").or_else(|| kind.strip_prefix("LambdaFunction"))) else {
        return 0;
    };
    match step {
        "Started" => 1,
        "Submitted" => 2,
        "Succeeded" | "Failed" | "TimedOut" | "StartFailed" | "ScheduleFailed" | "SubmitFailed" => 3,
        _ => 0,
    }
}

/// `arn:<partition>:` and `<region>` as the definitions write them.
pub fn plain_arns(value: Value) -> Value {
    match value {
        Value::String(text) => text.replace("arn:<partition>:", "arn:aws:").replace("<region>", "us-east-1").into(),
        Value::Array(items) => items.into_iter().map(plain_arns).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, plain_arns(field))).collect(),
        other => json!(other),
    }
}
