//! A night, or a dataset's build, as its execution tells it: its steps, shown live and summed up at the end.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use console::{pad_str, style};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use nightly_domain::history::{EventKind, HistoryEvent};
use nightly_domain::night::{Step, StepState, steps};
use nightly_domain::plan::Plan;
use serde_json::{Value, json};

use crate::progress::{Progress, written};

/// Endings that are answers, not failures: the night did what it should.
const DELIBERATE: [&str; 3] = ["QualityFailed", "ApprovalRejected", "ApprovalExpired"];

/// What an execution says of itself.
pub struct Timeline {
    steps: Vec<Step>,
    states: BTreeSet<String>,
    transitions: usize,
    status: String,
    error: Option<String>,
    cause: Option<String>,
    output: Value,
}

impl Timeline {
    /// From the answers of `DescribeExecution` and `GetExecutionHistory`, in the steps of the definition's plan.
    pub fn read(plan: &Plan, description: &Value, events: &[Value]) -> Result<Self> {
        let text = |name: &str| description[name].as_str().map(str::to_owned);
        let history = events.iter().map(event).collect::<Result<Vec<_>>>()?;
        let entered = || {
            history.iter().filter_map(|event| match &event.kind {
                EventKind::Entered { state } => Some(state.clone()),
                _ => None,
            })
        };
        Ok(Self {
            steps: steps(plan, &history),
            states: entered().collect(),
            transitions: entered().count(),
            status: text("status").context("DescribeExecution gave no status")?,
            error: text("error"),
            cause: text("cause"),
            output: description["output"].as_str().and_then(|output| serde_json::from_str(output).ok()).unwrap_or(Value::Null),
        })
    }

    pub fn ended(&self) -> bool {
        self.status != "RUNNING"
    }

    pub fn published(&self) -> bool {
        self.status == "SUCCEEDED" && self.output["outcome"] == "PUBLISHED"
    }

    /// It was built, and not to be published.
    fn built(&self) -> bool {
        self.status == "SUCCEEDED" && self.output["outcome"] == "BUILT"
    }

    /// The day is another night's: nothing was built.
    fn skipped(&self) -> bool {
        self.status == "SUCCEEDED" && self.output["outcome"] == "SKIPPED"
    }

    pub fn transitions(&self) -> usize {
        self.transitions
    }

    pub fn output(&self) -> &Value {
        &self.output
    }

    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The steps that it works on now.
    pub fn at(&self) -> String {
        let running = self.steps.iter().filter(|step| step.state == StepState::Running);
        running.map(|step| step.title.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// How it ended, in a few words.
    pub fn headline(&self) -> String {
        match &self.error {
            _ if self.published() => {
                let rows = self.output["rows"].as_f64().map(|rows| format!(", {rows} rows")).unwrap_or_default();
                format!("{} {}{rows}", style("✓").green().bold(), style("Published").bold())
            }
            _ if self.built() => format!("{} {}, not published", style("✓").green().bold(), style("Built").bold()),
            _ if self.skipped() => format!("{} {}", style("■").yellow().bold(), style("Skipped").bold()),
            Some(error) if self.deliberate() => format!("{} {}", style("■").yellow().bold(), style(error).bold()),
            Some(error) => format!("{} {}", style("✗").red().bold(), style(error).bold()),
            None => format!("{} {}", style("✗").red().bold(), style(&self.status).bold()),
        }
    }

    /// Why, where it did not publish.
    pub fn cause(&self) -> Option<String> {
        if self.skipped() {
            let text = |name: &str| self.output[name].as_str().unwrap_or_default();
            let (date, owner) = (text("runDate"), text("owner"));
            return Some(match text("reason") {
                "PUBLISHED" => format!("{date} is published already, by {owner}; --force builds it again"),
                _ => format!("{date} is being built already, by {owner}"),
            });
        }
        let cause = sentence(self.cause.as_deref()?);
        let failed = self.steps.iter().find(|step| matches!(step.state, StepState::Failed { .. })).filter(|_| !self.deliberate());
        Some(failed.map_or(cause.clone(), |step| format!("{}: {cause}", step.title)))
    }

    fn deliberate(&self) -> bool {
        self.error.as_deref().is_some_and(|error| DELIBERATE.contains(&error))
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match () {
            () if self.published() || self.built() => 0,
            () if self.deliberate() || self.skipped() => 3,
            () => 1,
        })
    }

    pub fn json(&self) -> Value {
        json!({
            "status": self.status, "error": self.error, "cause": self.cause.as_deref().map(sentence), "output": self.output,
            "transitions": self.transitions, "states": self.states, "steps": self.steps,
        })
    }
}

fn event(event: &Value) -> Result<HistoryEvent> {
    let number = |name: &str| event[name].as_i64().with_context(|| format!("an event of the history has no {name}"));
    let seconds = event["timestamp"].as_f64().context("an event of the history has no timestamp")?;
    let detail = |name: &str| event.as_object()?.values().find_map(|details| details.get(name)?.as_str());
    Ok(HistoryEvent {
        id: number("id")?,
        previous_id: number("previousEventId")?,
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
        at: Timestamp::from_millisecond((seconds * 1e3) as i64)?,
        kind: EventKind::read(event["type"].as_str().unwrap_or_default(), detail("name"), detail("error")),
    })
}

/// What a Glue job or a function said, out of the JSON that Step Functions hands on as the cause.
fn sentence(cause: &str) -> String {
    let details: Value = serde_json::from_str(cause).unwrap_or(Value::Null);
    ["ErrorMessage", "errorMessage"].iter().find_map(|name| details[name].as_str()).unwrap_or(cause).to_owned()
}

/// The nodes of a running night, a line each.
pub struct Live<'a> {
    progress: &'a Progress,
    lines: Vec<(ProgressBar, Option<Step>)>,
}

impl<'a> Live<'a> {
    pub fn new(progress: &'a Progress) -> Self {
        Self { progress, lines: Vec::new() }
    }

    pub fn show(&mut self, timeline: &Timeline) {
        if self.lines.is_empty() {
            let bars = self.progress.bars();
            self.lines = timeline.steps.iter().map(|_| (bars.add(ProgressBar::new_spinner().with_style(plain())), None)).collect();
        }
        for ((bar, shown), step) in self.lines.iter_mut().zip(&timeline.steps) {
            if shown.as_ref() == Some(step) {
                continue;
            }
            let line = describe(step);
            let before = shown.replace(step.clone());
            if step.state == StepState::Running {
                bar.set_style(ProgressStyle::with_template("  {spinner:.blue} {msg}  {elapsed:.dim}").expect("the template is fixed"));
                bar.enable_steady_tick(Duration::from_millis(120));
                if before.is_none_or(|before| before.state == StepState::NotReached) {
                    bar.reset_elapsed();
                }
            } else {
                bar.disable_steady_tick();
                bar.set_style(plain());
            }
            bar.set_message(line.clone());
            bar.tick();
            // A node that works in several states rests between two of them: on paper it is told when it has moved on for good.
            if !self.progress.is_terminal() && matches!(step.state, StepState::Failed { .. } | StepState::Rejected | StepState::Expired) {
                self.progress.line(format!("  {line}"));
            }
        }
        if !self.progress.is_terminal() {
            self.tell_the_finished(timeline);
        }
    }

    /// Without a terminal: a line for each node that has succeeded once a later one runs, or once the night has ended.
    fn tell_the_finished(&mut self, timeline: &Timeline) {
        let running = |step: &Step| step.state != StepState::NotReached;
        for (index, step) in timeline.steps.iter().enumerate() {
            let (bar, _) = &self.lines[index];
            let over =
                timeline.ended() || timeline.steps[index + 1..].iter().any(|later| later.after.contains(&step.node) && running(later));
            if step.state == StepState::Succeeded && over && !bar.is_finished() {
                bar.finish();
                self.progress.line(format!("  {}", describe(step)));
            }
        }
    }

    /// Lets the moving lines go; on a terminal the night stays to be read as it stood last.
    pub fn finish(&mut self) {
        for (bar, shown) in &self.lines {
            if self.progress.is_terminal() {
                bar.finish_and_clear();
                if let Some(step) = shown {
                    self.progress.line(format!("  {}", describe(step)));
                }
            }
        }
    }
}

fn plain() -> ProgressStyle {
    ProgressStyle::with_template("  {msg}").expect("the template is fixed")
}

fn describe(step: &Step) -> String {
    let padded = pad_str(&step.title, 22, console::Alignment::Left, None);
    let took = step.started_at.zip(step.ended_at).map(|(start, end)| end.duration_since(start).unsigned_abs());
    let took = took.map(written).unwrap_or_default();
    let tries = if step.tries > 1 { format!("  try {}", step.tries) } else { String::new() };
    let (mark, note) = match &step.state {
        StepState::NotReached => return style(format!("◌ {padded}")).dim().to_string(),
        StepState::Running => return format!("{padded}{}", style(tries).yellow()),
        StepState::Succeeded => (style("✓").green(), String::new()),
        StepState::Failed { error } => (style("✗").red(), format!("  {error}")),
        StepState::Rejected => (style("R").yellow(), "  rejected".to_owned()),
        StepState::Expired => (style("E").yellow(), "  expired".to_owned()),
        StepState::Stopped => (style("□").dim(), "  stopped".to_owned()),
    };
    format!("{mark} {padded}{}{}{note}", style(format!("{took:>8}")).dim(), style(tries).yellow())
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
    fn a_history_from_the_wire_becomes_nodes_and_transitions() {
        let events = [
            event(1, 0, "ExecutionStarted", ""),
            event(2, 1, "TaskStateEntered", "ExtractOrders"),
            event(3, 2, "TaskScheduled", ""),
            event(4, 3, "TaskFailed", ""),
            event(5, 4, "TaskScheduled", ""),
        ];
        let timeline = Timeline::read(Plan::of_the_night(), &json!({"status": "RUNNING"}), &events).unwrap();
        assert!(!timeline.ended());
        assert_eq!((timeline.transitions(), timeline.steps.len()), (1, 11));
        assert_eq!((&timeline.steps[0].state, timeline.steps[0].tries), (&StepState::Running, 2));
    }

    #[test]
    fn a_failed_job_is_told_by_its_node_and_what_it_said() {
        let mut failed = event(3, 2, "ExecutionFailed", "");
        failed["executionFailedEventDetails"] = json!({"error": "States.TaskFailed"});
        let events = [event(1, 0, "TaskStateEntered", "ApplyFx"), event(2, 1, "TaskFailed", ""), failed];
        let cause = json!({"JobRunState": "FAILED", "ErrorMessage": "UnknownCurrency: XXX has no rate"}).to_string();
        let timeline =
            Timeline::read(Plan::of_the_night(), &json!({"status": "FAILED", "error": "States.TaskFailed", "cause": cause}), &events)
                .unwrap();
        assert_eq!(timeline.cause().unwrap(), "Apply FX: UnknownCurrency: XXX has no rate");
        assert_eq!(timeline.exit_code(), ExitCode::from(1));
    }

    #[test]
    fn a_day_that_is_another_nights_says_whose_and_what_to_do() {
        let told = |reason: &str| {
            let output = json!({"outcome": "SKIPPED", "reason": reason, "runDate": "2026-11-20", "owner": "arn:of:night-1"}).to_string();
            let timeline = Timeline::read(Plan::of_the_night(), &json!({"status": "SUCCEEDED", "output": output}), &[]).unwrap();
            assert_eq!(timeline.exit_code(), ExitCode::from(3));
            assert!(timeline.headline().contains("Skipped"));
            timeline.cause().unwrap()
        };
        assert_eq!(told("RUNNING"), "2026-11-20 is being built already, by arn:of:night-1");
        assert_eq!(told("PUBLISHED"), "2026-11-20 is published already, by arn:of:night-1; --force builds it again");
    }

    #[test]
    fn a_rejection_is_an_answer_and_no_failure() {
        let description = json!({"status": "FAILED", "error": "ApprovalRejected", "cause": "A. Berg rejected the build"});
        let timeline = Timeline::read(Plan::of_the_night(), &description, &[]).unwrap();
        assert_eq!(timeline.exit_code(), ExitCode::from(3));
        assert_eq!(timeline.cause().unwrap(), "A. Berg rejected the build");
    }
}
