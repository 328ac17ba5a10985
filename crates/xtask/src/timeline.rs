//! The night as its execution tells it: which state stands where, shown live and summed up at the end.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::progress::{Progress, written};

/// Endings that are answers, not failures: the night did what it should.
const DELIBERATE: [&str; 3] = ["QualityFailed", "ApprovalRejected", "ApprovalExpired"];

/// What an execution's history says, state by state in the order in which they were first entered.
pub struct Timeline {
    steps: Vec<Step>,
    status: String,
    error: Option<String>,
    cause: Option<String>,
    output: Value,
    transitions: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    name: String,
    stage: Stage,
    entered: f64,
    exited: Option<f64>,
    tries: usize,
    task: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Succeeded,
    Failed,
    Stopped,
}

impl Timeline {
    /// From `DescribeExecution` and the events of `GetExecutionHistory`.
    pub fn read(description: &Value, events: &[Value]) -> Result<Self> {
        let status = description["status"].as_str().context("DescribeExecution gave no status")?.to_owned();
        let text = |name: &str| description[name].as_str().map(str::to_owned);
        let output = description["output"].as_str().and_then(|output| serde_json::from_str(output).ok()).unwrap_or(Value::Null);
        let mut steps: Vec<Step> = Vec::new();
        // Which step an event belongs to: its own state's, else that of the event before it.
        let mut owners: BTreeMap<u64, usize> = BTreeMap::new();
        let mut transitions = 0;
        for event in events {
            let kind = event["type"].as_str().unwrap_or_default();
            let time = event["timestamp"].as_f64().unwrap_or_default();
            let owner = if kind.ends_with("StateEntered") {
                transitions += 1;
                let name = event["stateEnteredEventDetails"]["name"].as_str().unwrap_or_default();
                Some(enter(&mut steps, name, time, kind == "TaskStateEntered"))
            } else {
                owners.get(&event["previousEventId"].as_u64().unwrap_or_default()).copied()
            };
            let Some(owner) = owner else { continue };
            owners.insert(event["id"].as_u64().unwrap_or_default(), owner);
            let step = &mut steps[owner];
            match kind {
                "TaskScheduled" => {
                    step.tries += 1;
                    step.stage = Stage::Running;
                }
                "TaskFailed" | "TaskTimedOut" | "TaskStartFailed" | "TaskSubmitFailed" => step.stage = Stage::Failed,
                _ if kind.ends_with("StateExited") => {
                    step.stage = Stage::Succeeded;
                    step.exited = Some(time);
                }
                _ => (),
            }
        }
        if status != "RUNNING" {
            let end = events.last().and_then(|event| event["timestamp"].as_f64());
            for step in steps.iter_mut().filter(|step| step.exited.is_none()) {
                step.exited = end;
                if step.stage == Stage::Running {
                    step.stage = Stage::Stopped;
                }
            }
        }
        Ok(Self { steps, status, error: text("error"), cause: text("cause"), output, transitions })
    }

    pub fn ended(&self) -> bool {
        self.status != "RUNNING"
    }

    pub fn published(&self) -> bool {
        self.status == "SUCCEEDED" && self.output["outcome"] == "PUBLISHED"
    }

    pub fn transitions(&self) -> usize {
        self.transitions
    }

    /// How it ended, in a few words.
    pub fn headline(&self) -> String {
        match &self.error {
            _ if self.published() => {
                let rows = self.output["rows"].as_f64().map(|rows| format!(", {rows} rows")).unwrap_or_default();
                format!("{} {}{rows}", style("✓").green().bold(), style("Published").bold())
            }
            Some(error) if self.deliberate() => format!("{} {}", style("■").yellow().bold(), style(error).bold()),
            Some(error) => format!("{} {}", style("✗").red().bold(), style(error).bold()),
            None => format!("{} {}", style("✗").red().bold(), style(&self.status).bold()),
        }
    }

    /// Why, where it did not end well.
    pub fn cause(&self) -> Option<String> {
        let failed: Vec<_> = self.steps.iter().filter(|step| step.stage == Stage::Failed).map(|step| title(&step.name)).collect();
        let place = if failed.is_empty() || self.deliberate() { String::new() } else { format!("{}: ", failed.join(", ")) };
        self.cause.as_deref().map(|cause| format!("{place}{}", sentence(cause)))
    }

    fn deliberate(&self) -> bool {
        self.error.as_deref().is_some_and(|error| DELIBERATE.contains(&error))
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match () {
            () if self.published() => 0,
            () if self.deliberate() => 3,
            () => 1,
        })
    }

    pub fn json(&self) -> Value {
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| {
                let seconds = step.exited.map(|exited| exited - step.entered);
                json!({"state": step.name, "stage": format!("{:?}", step.stage), "seconds": seconds, "tries": step.tries, "task": step.task})
            })
            .collect();
        json!({
            "status": self.status, "error": self.error, "cause": self.cause, "output": self.output,
            "transitions": self.transitions, "steps": steps,
        })
    }
}

/// The step of that name, entered again or for the first time.
fn enter(steps: &mut Vec<Step>, name: &str, time: f64, task: bool) -> usize {
    let index = steps.iter().position(|step| step.name == name).unwrap_or_else(|| {
        steps.push(Step { name: name.to_owned(), stage: Stage::Running, entered: time, exited: None, tries: 0, task });
        steps.len() - 1
    });
    let step = &mut steps[index];
    if step.exited.take().is_some() {
        // A poll loop comes back: its tries are visits, not failures.
        step.tries = 0;
    }
    step.stage = Stage::Running;
    index
}

/// What a Glue job or a function said, out of the JSON that Step Functions hands on as the cause.
fn sentence(cause: &str) -> String {
    let details: Value = serde_json::from_str(cause).unwrap_or(Value::Null);
    ["ErrorMessage", "errorMessage"].iter().find_map(|name| details[name].as_str()).unwrap_or(cause).to_owned()
}

/// `TransformOrders` as people say it: `Transform orders`.
fn title(state: &str) -> String {
    let mut words = String::new();
    for (index, character) in state.char_indices() {
        if index > 0 && character.is_uppercase() {
            words.push(' ');
            words.extend(character.to_lowercase());
        } else {
            words.push(character);
        }
    }
    words
}

/// The tasks of a running night, a line each.
pub struct Live<'a> {
    progress: &'a Progress,
    bars: MultiProgress,
    shown: BTreeMap<String, (ProgressBar, Stage, usize)>,
}

impl<'a> Live<'a> {
    pub fn new(progress: &'a Progress) -> Self {
        Self { progress, bars: progress.bars(), shown: BTreeMap::new() }
    }

    pub fn show(&mut self, timeline: &Timeline) {
        for step in timeline.steps.iter().filter(|step| step.task) {
            let before = self.shown.get(&step.name).map(|(_, stage, tries)| (*stage, *tries));
            if before == Some((step.stage, step.tries)) {
                continue;
            }
            let bar = self.shown.entry(step.name.clone()).or_insert_with(|| {
                let bar = self.bars.add(ProgressBar::new_spinner());
                bar.set_style(ProgressStyle::with_template("  {spinner:.blue} {msg}  {elapsed:.dim}").expect("the template is fixed"));
                bar.enable_steady_tick(Duration::from_millis(120));
                (bar, Stage::Running, 0)
            });
            (bar.1, bar.2) = (step.stage, step.tries);
            let bar = &bar.0;
            let line = describe(step);
            if step.stage == Stage::Running {
                bar.set_message(line.clone());
            } else {
                bar.set_style(ProgressStyle::with_template("  {msg}").expect("the template is fixed"));
                bar.finish_with_message(line.clone());
            }
            // A poll loop visits its states many times; a log wants to hear of each once.
            let news = before.is_none_or(|(stage, _)| stage != Stage::Succeeded);
            if !self.progress.is_terminal() && news {
                self.progress.line(format!("  {line}"));
            }
        }
    }

    pub fn finish(&mut self) {
        for (bar, stage, _) in self.shown.values() {
            if *stage == Stage::Running {
                bar.finish_and_clear();
            }
        }
    }
}

fn describe(step: &Step) -> String {
    let tries = if step.tries > 1 { format!("  try {}", step.tries) } else { String::new() };
    let took = step.exited.map(|exited| written(Duration::from_secs_f64((exited - step.entered).max(0.0)))).unwrap_or_default();
    let title = title(&step.name);
    match step.stage {
        Stage::Running => format!("{title}{}", style(tries).yellow()),
        Stage::Succeeded => format!("{} {title}{}  {}", style("✓").green(), style(tries).yellow(), style(took).dim()),
        Stage::Failed => format!("{} {title}{}  {}", style("✗").red(), style(tries).yellow(), style(took).dim()),
        Stage::Stopped => format!("{} {title}  {}", style("□").dim(), style("stopped").dim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, previous: u64, kind: &str, state: &str) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "event ids of a test are small")]
        let mut event = json!({"id": id, "previousEventId": previous, "type": kind, "timestamp": id as f64});
        if kind.ends_with("StateEntered") {
            event["stateEnteredEventDetails"] = json!({"name": state});
        }
        event
    }

    #[test]
    fn tries_are_counted_per_state_also_where_branches_interleave() {
        let events = [
            event(1, 0, "ExecutionStarted", ""),
            event(2, 1, "ParallelStateEntered", "BuildSources"),
            event(3, 2, "TaskStateEntered", "ExtractOrders"),
            event(4, 2, "TaskStateEntered", "ExtractInventory"),
            event(5, 3, "TaskScheduled", ""),
            event(6, 4, "TaskScheduled", ""),
            event(7, 5, "TaskFailed", ""),
            event(8, 7, "TaskScheduled", ""),
            event(9, 6, "TaskStateExited", ""),
            event(10, 8, "TaskSubmitted", ""),
        ];
        let timeline = Timeline::read(&json!({"status": "RUNNING"}), &events).unwrap();
        let orders = timeline.steps.iter().find(|step| step.name == "ExtractOrders").unwrap();
        let inventory = timeline.steps.iter().find(|step| step.name == "ExtractInventory").unwrap();
        assert_eq!((orders.tries, orders.stage), (2, Stage::Running));
        assert_eq!((inventory.tries, inventory.stage, inventory.exited), (1, Stage::Succeeded, Some(9.0)));
        assert_eq!(timeline.transitions(), 3);
    }

    #[test]
    fn a_failed_job_is_told_by_what_it_said() {
        let events = [event(1, 0, "TaskStateEntered", "ApplyFx"), event(2, 1, "TaskScheduled", ""), event(3, 2, "TaskFailed", "")];
        let cause = json!({"JobRunState": "FAILED", "ErrorMessage": "UnknownCurrency: XXX has no rate"}).to_string();
        let timeline = Timeline::read(&json!({"status": "FAILED", "error": "States.TaskFailed", "cause": cause}), &events).unwrap();
        assert_eq!(timeline.cause().unwrap(), "Apply fx: UnknownCurrency: XXX has no rate");
        assert_eq!(timeline.exit_code(), ExitCode::from(1));
    }

    #[test]
    fn a_rejection_is_an_answer_and_no_failure() {
        let description = json!({"status": "FAILED", "error": "ApprovalRejected", "cause": "A. Berg rejected the build"});
        assert_eq!(Timeline::read(&description, &[]).unwrap().exit_code(), ExitCode::from(3));
    }
}
