//! What the data of an execution's history says in figures: what its tasks have used of Glue and of Lambda, and what they found out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

use crate::ObjectUri;
use crate::evidence::{Quality, RuleResult, RuleVerdict};

/// Figures of an execution. What the history doesn't say is absent, and never 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// The DPU-seconds that its job runs are billed. Absent where one run's are not known: it was stopped, or says too little.
    pub job_dpu_seconds: Option<Decimal>,
    /// The DPU-seconds that its quality runs are billed; absent likewise.
    pub quality_dpu_seconds: Option<Decimal>,
    /// How often its tasks called a function.
    pub function_calls: u64,
    /// From the begin to the answer of these calls, which is at least what Lambda bills.
    pub function_time: SignedDuration,
    /// What the quality gate found last.
    pub quality: Option<Quality>,
    /// The day that its exchange rates are of.
    pub rates_date: Option<Date>,
    /// Where its staged build belongs, whether or not one was written.
    pub staged_uri: Option<ObjectUri>,
}

/// The answer of `GetDataQualityResult`, Glue API reference.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QualityResult {
    score: f64,
    #[serde(default)]
    ruleset_name: String,
    rule_results: Vec<JudgedRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JudgedRule {
    #[serde(default)]
    name: String,
    description: String,
    result: RuleVerdict,
    evaluation_message: Option<String>,
    #[serde(default)]
    evaluated_metrics: BTreeMap<String, f64>,
}

fn quality(result: Value) -> Option<Quality> {
    let QualityResult { score, ruleset_name: ruleset, rule_results } = serde_json::from_value(result).ok()?;
    let rule = |JudgedRule { name, description, result, evaluation_message, evaluated_metrics }| RuleResult {
        name,
        rule: description,
        result,
        message: evaluation_message,
        metrics: evaluated_metrics,
    };
    Some(Quality { score, ruleset, rules: rule_results.into_iter().map(rule).collect() })
}

/// One event of a task.
#[derive(Debug, Clone, Copy)]
pub struct TaskEvent<'a> {
    /// Its id.
    pub id: i64,
    /// The event that it follows.
    pub previous_id: i64,
    /// When.
    pub at: Timestamp,
    /// The event's type as the Step Functions API Reference names it, such as `TaskSucceeded`.
    pub kind: &'a str,
    /// What was called, such as `glue`.
    pub resource_type: &'a str,
    /// Which of its calls, such as `startJobRun.sync`.
    pub resource: &'a str,
    /// The error's name, where it failed.
    pub error: Option<&'a str>,
    /// The parameters of a call, its output, or the cause of a failure.
    pub data: Option<&'a str>,
}

/// Reads one event after another.
#[derive(Debug, Default)]
pub struct Meter {
    /// Job runs of which the end is not known, by the event that says that they began.
    jobs_going: BTreeSet<i64>,
    job_dpu_seconds: Sum,
    quality_going: BTreeSet<String>,
    quality_dpu_seconds: Sum,
    /// When a function was called, by the event that says so.
    calls: BTreeMap<i64, Timestamp>,
    found: Measured,
}

impl Meter {
    /// Takes the next event.
    pub fn read(&mut self, event: &TaskEvent<'_>) {
        let data = || event.data.and_then(|data| serde_json::from_str::<Value>(data).ok()).unwrap_or_default();
        match (event.resource_type, event.resource) {
            ("glue", "startJobRun.sync") => self.read_job(event, data),
            ("aws-sdk:glue", "startDataQualityRulesetEvaluationRun") if event.kind == "TaskSucceeded" => {
                // A run that has no name here is never seen to end.
                self.quality_going.insert(data()["RunId"].as_str().unwrap_or_default().to_owned());
            }
            ("aws-sdk:glue", "getDataQualityRulesetEvaluationRun") if event.kind == "TaskSucceeded" => self.read_quality_run(&data()),
            ("aws-sdk:glue", "getDataQualityResult") if event.kind == "TaskSucceeded" => {
                self.found.quality = quality(data()).or(self.found.quality.take());
            }
            ("lambda", _) => self.read_call(event, data),
            _ => {}
        }
    }

    /// What they say together.
    pub fn measured(self) -> Measured {
        Measured {
            job_dpu_seconds: self.job_dpu_seconds.where_known(self.jobs_going.is_empty()),
            quality_dpu_seconds: self.quality_dpu_seconds.where_known(self.quality_going.is_empty()),
            ..self.found
        }
    }

    fn read_job(&mut self, event: &TaskEvent<'_>, data: impl Fn() -> Value) {
        match event.kind {
            "TaskScheduled" => self.found.staged_uri = staged_uri(&data()).or(self.found.staged_uri.take()),
            "TaskSubmitted" => {
                self.jobs_going.insert(event.id);
            }
            // An error of Glue's own is about the call: nothing ran. A job that failed raises States.TaskFailed, its run as the cause.
            "TaskFailed" if event.error.is_some_and(|error| error.starts_with("Glue.")) => {
                self.jobs_going.remove(&event.previous_id);
            }
            "TaskSucceeded" | "TaskFailed" if self.jobs_going.remove(&event.previous_id) => {
                self.job_dpu_seconds.add(job_dpu_seconds(&data()));
            }
            // A run whose task timed out or was left is stopped, and nobody looks what it took.
            _ => {}
        }
    }

    fn read_quality_run(&mut self, run: &Value) {
        let is_going = matches!(run["Status"].as_str(), Some("STARTING" | "RUNNING") | None);
        if !is_going && self.quality_going.remove(run["RunId"].as_str().unwrap_or_default()) {
            // "The number of G.1X workers to be used in the run."
            let workers = number(&run["NumberOfWorkers"]);
            self.quality_dpu_seconds.add(billed_seconds(run).zip(workers).map(|(seconds, workers)| seconds * workers));
        }
    }

    fn read_call(&mut self, event: &TaskEvent<'_>, data: impl Fn() -> Value) {
        if event.kind == "TaskStarted" {
            self.calls.insert(event.id, event.at);
        } else if let Some(began) = self.calls.remove(&event.previous_id) {
            self.found.function_calls += 1;
            self.found.function_time += event.at.duration_since(began);
        }
        if event.kind == "TaskSucceeded" {
            let effective = data()["Payload"]["effectiveDate"].as_str().and_then(|date| date.parse().ok());
            self.found.rates_date = effective.or(self.found.rates_date);
        }
    }
}

/// What the job is to write, where that is the staged build.
fn staged_uri(call: &Value) -> Option<ObjectUri> {
    let uri: ObjectUri = call["Arguments"]["--output_uri"].as_str()?.parse().ok()?;
    uri.key().ends_with("/apply-fx/").then_some(uri)
}

/// A sum of which every part has to be known.
#[derive(Debug, Default)]
struct Sum {
    known: Decimal,
    lacks: bool,
}

impl Sum {
    fn add(&mut self, part: Option<Decimal>) {
        match part {
            Some(part) => self.known += part,
            None => self.lacks = true,
        }
    }

    fn where_known(&self, is_whole: bool) -> Option<Decimal> {
        (is_whole && !self.lacks).then_some(self.known)
    }
}

/// What a run is billed, from Glue's `JobRun`: what Glue itself has counted where workers come and go (`DPUSeconds`), else its time on all
/// workers.
fn job_dpu_seconds(run: &Value) -> Option<Decimal> {
    let worker = match run["WorkerType"].as_str() {
        None | Some("Standard") => None,
        Some(name) => Some(dpus_of_worker(name)?),
    };
    if let Some(counted) = number(&run["DPUSeconds"]).filter(|counted| !counted.is_zero()) {
        return Some(counted);
    }
    let workers = number(&run["NumberOfWorkers"]).zip(worker).map(|(workers, dpus)| workers * dpus);
    let capacity = number(&run["MaxCapacity"]).filter(|capacity| !capacity.is_zero()).or(workers)?;
    Some(billed_seconds(run)? * capacity)
}

/// By the second, and at least a minute (<https://aws.amazon.com/glue/pricing/>). Glue counts from when its workers are there.
fn billed_seconds(run: &Value) -> Option<Decimal> {
    number(&run["ExecutionTime"]).map(|seconds| seconds.max(Decimal::from(60)))
}

/// Of a worker that has a DPU's price; those with more memory or for Ray are billed in another unit.
fn dpus_of_worker(name: &str) -> Option<Decimal> {
    match name {
        "G.025X" => Some(Decimal::new(25, 2)),
        other => other.strip_prefix("G.")?.strip_suffix('X')?.parse().ok().map(|dpus: u32| dpus.into()),
    }
}

fn number(value: &Value) -> Option<Decimal> {
    value.as_number()?.to_string().parse().ok()
}

/// The figures in an answer of `GetExecutionHistory`, as `aws stepfunctions get-execution-history` writes it.
#[cfg(any(test, feature = "memory"))]
pub fn read_json(text: &str) -> Result<Measured, serde_json::Error> {
    let answer: Value = serde_json::from_str(text)?;
    let mut meter = Meter::default();
    for event in answer["events"].as_array().into_iter().flatten() {
        let none = serde_json::Map::new();
        let details = event.as_object().unwrap_or(&none).values().find(|details| details.get("resourceType").is_some());
        let text = |name| details.and_then(|details| details[name].as_str());
        let Some((resource_type, resource)) = text("resourceType").zip(text("resource")) else { continue };
        meter.read(&TaskEvent {
            id: event["id"].as_i64().unwrap_or_default(),
            previous_id: event["previousEventId"].as_i64().unwrap_or_default(),
            at: event["timestamp"].as_str().and_then(|at| at.parse().ok()).unwrap_or_default(),
            kind: event["type"].as_str().unwrap_or_default(),
            resource_type,
            resource,
            error: text("error"),
            data: text("parameters").or(text("output")).or(text("cause")),
        });
    }
    Ok(meter.measured())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A job that began and ended like this, after a call of Glue that was refused.
    fn job(end: &str, run: &Value) -> Measured {
        let mut meter = Meter::default();
        let event = TaskEvent {
            id: 1,
            previous_id: 0,
            at: Timestamp::UNIX_EPOCH,
            kind: "TaskStarted",
            resource_type: "glue",
            resource: "startJobRun.sync",
            error: None,
            data: None,
        };
        meter.read(&event);
        let busy = Some("Glue.ConcurrentRunsExceededException");
        meter.read(&TaskEvent { id: 2, previous_id: 1, kind: "TaskFailed", error: busy, ..event });
        meter.read(&TaskEvent { id: 4, previous_id: 3, kind: "TaskSubmitted", data: Some(r#"{"JobRunId":"jr_1"}"#), ..event });
        let data = run.to_string();
        let error = (end != "TaskSucceeded").then_some("States.TaskFailed");
        meter.read(&TaskEvent { id: 5, previous_id: 4, kind: end, error, data: Some(&data), ..event });
        meter.measured()
    }

    #[test]
    fn a_run_is_billed_by_the_second_on_all_its_workers_and_at_least_a_minute() {
        for (run, expected) in [
            (json!({"ExecutionTime": 535, "MaxCapacity": 2.0, "WorkerType": "G.1X", "NumberOfWorkers": 2}), Some(1070)),
            (json!({"ExecutionTime": 535, "WorkerType": "G.1X", "NumberOfWorkers": 2}), Some(1070)),
            (json!({"ExecutionTime": 100, "WorkerType": "G.2X", "NumberOfWorkers": 10}), Some(2000)),
            (json!({"ExecutionTime": 100, "WorkerType": "G.025X", "NumberOfWorkers": 4}), Some(100)),
            (json!({"ExecutionTime": 100, "MaxCapacity": 10}), Some(1000)),
            (json!({"ExecutionTime": 12, "WorkerType": "G.1X", "NumberOfWorkers": 2}), Some(120)),
            (json!({"ExecutionTime": 535, "DPUSeconds": 611.0, "WorkerType": "G.1X", "NumberOfWorkers": 10}), Some(611)),
            // Memory workers have another price.
            (json!({"ExecutionTime": 535, "MaxCapacity": 2.0, "WorkerType": "R.1X", "NumberOfWorkers": 2}), None),
            (json!({"ExecutionTime": 535, "WorkerType": "G.1X"}), None),
            (json!({"WorkerType": "G.1X", "NumberOfWorkers": 2}), None),
        ] {
            for end in ["TaskSucceeded", "TaskFailed"] {
                assert_eq!(job(end, &run).job_dpu_seconds, expected.map(Decimal::from), "{end} {run}");
            }
            assert_eq!(job("TaskTimedOut", &run).job_dpu_seconds, None, "what a stopped run took is not known");
        }
    }

    #[test]
    fn a_night_that_was_left_while_a_job_ran_has_no_sum() {
        let published = read_json(include_str!("../histories/published.json")).unwrap();
        assert!(published.job_dpu_seconds.is_some() && published.quality_dpu_seconds.is_some(), "{published:?}");
        let aborted = read_json(include_str!("../histories/aborted.json")).unwrap();
        assert_eq!(aborted.job_dpu_seconds, None, "{aborted:?}");
    }

    #[test]
    fn a_night_that_started_no_run_has_used_none() {
        let nothing = Meter::default().measured();
        assert_eq!((nothing.job_dpu_seconds, nothing.quality_dpu_seconds), (Some(Decimal::ZERO), Some(Decimal::ZERO)));
        assert_eq!(Measured::default().job_dpu_seconds, None, "which is something else than not to know");
    }

    #[test]
    fn what_the_tasks_found_out_is_read_from_what_they_answered() {
        let published = read_json(include_str!("../histories/published.json")).unwrap();
        assert_eq!(published.rates_date, Some("2026-11-19".parse().unwrap()));
        assert_eq!(published.quality.map(|quality| (quality.score, quality.passed())), Some((1.0, 8)));
        // The rates' function, and the one that asks, until it has asked. The one that tells is not over.
        let staged = "s3://work/nightly-warehouse/run_date=2026-11-20/2026-11-20-a1/apply-fx/";
        assert_eq!(published.staged_uri, Some(staged.parse().unwrap()), "of seven jobs, the one that stages");
        assert_eq!((published.function_calls, published.function_time.as_millis()), (2, 3_020 + 340));
        let failed = read_json(include_str!("../histories/quality-failed.json")).unwrap();
        let unbuilt = read_json(include_str!("../histories/rates-unavailable.json")).unwrap();
        assert!(failed.staged_uri.is_some() && unbuilt.staged_uri.is_none());
        let quality = failed.quality.unwrap();
        assert_eq!((quality.score, quality.passed(), quality.ruleset.as_str()), (0.75, 6, "orders_staged"));
        let message = Some("Value: 0.5 does not meet the constraint requirement!");
        assert_eq!(
            (quality.rules[2].rule.as_str(), quality.rules[2].message.as_deref()),
            (r#"IsPrimaryKey "order_id" "line_number""#, message)
        );
    }
}
