//! `cargo xtask dataset`: a CSV file into a dataset's folder on a local AWS, and the table that comes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use console::{pad_str, style, truncate_str};
use jiff::civil::Date;
use nightly_domain::ObjectUri;
use nightly_domain::plan::Plan;
use serde_json::{Value, json};

use crate::deploy::Deployment;
use crate::local::{Setup, Stack, files, run_date, stay_up};
use crate::night::{open_in_browser, timeline};
use crate::progress::{Progress, written};
use crate::timeline::{Live, Timeline};
use crate::{declare, process};

/// How many rows of the table are shown.
const ROWS: usize = 10;
/// How long it takes at most until an arrival starts its build.
const ARRIVAL: Duration = Duration::from_secs(20);

/// The exit code is 0 for a build, 3 where it was rightly not built (a bad file, rules that don't hold, the same file again), 1 for a
/// failure.
#[derive(Args)]
pub struct Arguments {
    /// The CSV file. Its first line names its columns, and so says which dataset it belongs to
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// The dataset, where two have the same columns
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// The process date [default: the newest day in the file's partition column]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// Build the same file again
    #[arg(long)]
    force: bool,
    /// Keep the local AWS up afterwards, until Ctrl-C; another `cargo xtask dataset` meanwhile runs on it
    #[arg(long)]
    keep: bool,
    /// Which of the stacks that a team has of the template
    #[arg(long, hide = true, value_enum, default_value_t)]
    deployment: Deployment,
    /// Write what happened to this file
    #[arg(long, hide = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    process::catch_interrupts()?;
    let header = declare::header(&arguments.file)?;
    let is_csv = arguments.file.extension().is_some_and(|extension| extension == "csv");
    ensure!(is_csv, "{}: the name of a delivery ends with .csv", arguments.file.display());
    let progress = Progress::new();
    let started = Instant::now();
    let stack = Stack::up(&progress, &Setup::of_the_latest_day(arguments.deployment)?)?;

    let datasets = deployed(&stack)?;
    let dataset = match choose(&datasets, arguments.dataset.as_deref(), &header) {
        Ok(dataset) => dataset,
        Err(problem) => bail!("{problem}{}", what_to_add(&arguments.file)),
    };
    let newest = || declare::newest_day(&arguments.file, &dataset.partition_column);
    let date = arguments.date.map_or_else(newest, |date| Ok(Some(date)))?;
    let date = date.with_context(|| {
        format!("no {} in {} is a day: say the process date with --date", dataset.partition_column, arguments.file.display())
    })?;

    progress.line("");
    progress.line(format!("  {} {}", style(format!("The {} of", dataset.name)).bold(), style(date.strftime("%A %-d %B %Y")).bold()));
    let build = Build::start(&stack, dataset, date, arguments, &progress)?;
    let timeline = build.follow(&stack, &progress)?;
    let report = Report { stack: &stack, build: &build, timeline: &timeline, took: started.elapsed() };
    let report = report.tell(&progress)?;
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_vec_pretty(&report)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if stack.owned() && (arguments.keep || progress.is_terminal()) {
        open_in_browser(&stack.status_page());
        stay_up(&stack, &progress);
    }
    Ok(exit_code(&timeline))
}

/// A dataset of the deployed stack, as its state machine declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dataset {
    name: String,
    machine: String,
    definition: String,
    columns: Vec<String>,
    partition_column: String,
    /// Where its files arrive.
    raw: ObjectUri,
}

impl Dataset {
    /// From the answer of `DescribeStateMachine`.
    fn read(described: &Value) -> Result<Self> {
        let text = |value: &Value, name: &str| {
            value[name].as_str().map(str::to_owned).with_context(|| format!("a dataset's state machine has no {name}"))
        };
        let definition = text(described, "definition")?;
        let payload = serde_json::from_str::<Value>(&definition)?["States"]["CheckSource"]["Arguments"]["Payload"].take();
        let declaration: dataset_check::Declaration =
            serde_json::from_value(payload.clone()).context("a dataset's declaration does not hold together")?;
        Ok(Self {
            name: text(&payload, "dataset")?,
            machine: text(described, "stateMachineArn")?,
            columns: declaration.columns.into_iter().map(|column| column.name).collect(),
            partition_column: text(&payload, "partitionColumn")?,
            raw: text(&payload, "allowedUri")?.parse()?,
            definition,
        })
    }
}

/// The datasets of the stack that is deployed.
fn deployed(stack: &Stack) -> Result<Vec<Dataset>> {
    let machines = stack.client().call("states", "AWSStepFunctions.ListStateMachines", &json!({"maxResults": 1000}))?;
    let prefix = format!("{}-dataset-", stack.deployment.stack());
    let machines = machines["stateMachines"].as_array().into_iter().flatten();
    let of_datasets = machines.filter(|machine| machine["name"].as_str().is_some_and(|name| name.starts_with(&prefix)));
    let describe = |machine: &Value| {
        let described = json!({"stateMachineArn": machine["stateMachineArn"]});
        Dataset::read(&stack.client().call("states", "AWSStepFunctions.DescribeStateMachine", &described)?)
    };
    of_datasets.map(describe).collect()
}

/// The dataset of this name, or the one whose files have this header.
fn choose<'a>(datasets: &'a [Dataset], name: Option<&str>, header: &[String]) -> Result<&'a Dataset> {
    let names = || datasets.iter().map(|dataset| dataset.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        return datasets
            .iter()
            .find(|dataset| dataset.name == name)
            .with_context(|| format!("there is no dataset «{name}», but {}", names()));
    }
    let fitting: Vec<_> = datasets.iter().filter(|dataset| dataset.columns == header).collect();
    match fitting.as_slice() {
        [dataset] => Ok(dataset),
        [] => {
            let declared = datasets.iter().map(|dataset| format!("\n  {}: {}", dataset.name, dataset.columns.join(",")));
            bail!("no dataset has the columns {}. There are:{}", header.join(","), declared.collect::<String>())
        }
        several => {
            let names: Vec<_> = several.iter().map(|dataset| dataset.name.as_str()).collect();
            bail!("these columns are those of {}: say which with --dataset", names.join(" and "))
        }
    }
}

/// What makes a dataset of the file, to be pasted; why nothing does, where that is so.
fn what_to_add(file: &Path) -> String {
    match declare::suggestion(file) {
        Ok(resource) => format!(
            "\n\nTo make one of it, put this into template.yaml beside OrdersDataset, look it over, and run the command again:\n\n{resource}"
        ),
        Err(error) => format!("\n\nTo make one of it: {error:#}"),
    }
}

/// One execution of the dataset's state machine.
struct Build<'a> {
    dataset: &'a Dataset,
    execution: String,
    date: Date,
    started: Instant,
}

impl<'a> Build<'a> {
    /// Puts the file into its folder, which starts a build. Where it doesn't, because the dataset waits for another name or is to be forced,
    /// the build is started by hand.
    fn start(stack: &Stack, dataset: &'a Dataset, date: Date, arguments: &Arguments, progress: &Progress) -> Result<Self> {
        let before = executions(stack, dataset)?;
        let name = arguments.file.file_name().context("the file has no name")?.to_string_lossy();
        let source = dataset.raw.join(&format!("process_date={date}/{name}"));
        let stage = progress.stage("The file into the raw bucket");
        stack.client().upload(source.bucket(), source.key(), &arguments.file)?;
        stage.done(&source.to_string());

        let started = Instant::now();
        let arrival = if arguments.force { None } else { arrival(stack, dataset, &before)? };
        let execution = match arrival {
            Some(execution) => execution,
            None => stack.start(
                &dataset.machine,
                &json!({"processDate": date.to_string(), "source": source.to_string(), "startedBy": "cargo xtask dataset", "force": arguments.force}),
            )?,
        };
        Ok(Self { dataset, execution, date, started })
    }

    fn follow(&self, stack: &Stack, progress: &Progress) -> Result<Timeline> {
        let plan = Plan::read(&self.dataset.definition)?;
        let mut live = Live::new(progress);
        loop {
            let timeline = timeline(stack, &plan, &self.execution)?;
            live.show(&timeline);
            stack.measure_memory();
            if timeline.ended() {
                live.finish();
                return Ok(timeline);
            }
            if let Err(stopped) = process::pause(Duration::from_millis(400)) {
                live.finish();
                stack.stop(&self.execution);
                return Err(stopped);
            }
        }
    }
}

/// The execution that the file's arrival has started.
fn arrival(stack: &Stack, dataset: &Dataset, before: &[String]) -> Result<Option<String>> {
    let until = Instant::now() + ARRIVAL;
    while Instant::now() < until {
        if let Some(new) = executions(stack, dataset)?.into_iter().find(|execution| !before.contains(execution)) {
            return Ok(Some(new));
        }
        process::pause(Duration::from_millis(300))?;
    }
    Ok(None)
}

fn executions(stack: &Stack, dataset: &Dataset) -> Result<Vec<String>> {
    let listed = stack.client().call(
        "states",
        "AWSStepFunctions.ListExecutions",
        &json!({"stateMachineArn": dataset.machine, "maxResults": 1000}),
    )?;
    let executions = listed["executions"].as_array().into_iter().flatten();
    Ok(executions.filter_map(|execution| execution["executionArn"].as_str().map(str::to_owned)).collect())
}

/// What is left to say when a build has ended.
struct Report<'a> {
    stack: &'a Stack,
    build: &'a Build<'a>,
    timeline: &'a Timeline,
    took: Duration,
}

impl Report<'_> {
    fn tell(&self, progress: &Progress) -> Result<Value> {
        let Self { timeline, build, .. } = self;
        let took = format!("build {}, all {}", written(build.started.elapsed()), written(self.took));
        let told = |text: String| progress.line(format!("  {text}"));
        progress.line("");
        told(format!("{}  {}", headline(timeline), style(took).dim()));
        let mut rows = Vec::new();
        let mut malformed = Vec::new();
        if built(timeline) {
            rows = self.rows()?;
            progress.line("");
            told(style(timeline.output()["table"].as_str().unwrap_or_default()).bold().to_string());
            table(&rows).into_iter().for_each(told);
        } else if let Some(cause) = cause(timeline) {
            told(cause);
            malformed = self.malformed()?;
            for row in malformed.iter().take(ROWS) {
                told(format!("{} row {}: {}", style("✗").red(), row["row"], row["problem"].as_str().unwrap_or_default()));
            }
        }
        progress.line("");
        told(format!("{}  {}", style("logs").dim(), self.stack.addresses.folder().join("logs").display()));
        Ok(json!({
            "dataset": build.dataset.name, "date": build.date.to_string(), "execution": build.execution, "machine": build.dataset.machine,
            "endpoint": self.stack.addresses.endpoint(), "inbox": self.stack.addresses.inbox(),
            "raw": self.stack.addresses.bucket(build.dataset.raw.bucket()), "prefix": build.dataset.raw.key(),
            "build": timeline.json(), "rows": rows, "malformed": malformed,
        }))
    }

    /// The first rows of the partitions that the delivery has touched, below the columns' names.
    fn rows(&self) -> Result<Vec<Vec<String>>> {
        let output = self.timeline.output();
        let days: Vec<_> = output["partitions"].as_array().into_iter().flatten().filter_map(|each| each["partition"].as_str()).collect();
        let days = days.iter().map(|day| format!("DATE '{day}'")).collect::<Vec<_>>().join(", ");
        let (table, column) = (output["table"].as_str().context("the build names no table")?, &self.build.dataset.partition_column);
        let (database, table) = table.split_once('.').with_context(|| format!("«{table}» is no table of a database"))?;
        let columns = self.build.dataset.columns.join(", ");
        let query =
            format!("SELECT {columns} FROM \"{database}\".\"{table}\" WHERE {column} IN ({days}) ORDER BY {column} DESC, 1 LIMIT {ROWS}");
        self.stack.client().query(self.stack.deployment.stack(), &query)
    }

    /// The malformed rows of the files that this run has put into quarantine.
    fn malformed(&self) -> Result<Vec<Value>> {
        let (_, run) = self.build.execution.rsplit_once(':').context("an execution's ARN ends with its name")?;
        let quarantine = self.stack.addresses.bucket(self.build.dataset.raw.bucket()).join("quarantine").join(&self.build.dataset.name);
        let folder = quarantine.join(format!("process_date={}", self.build.date)).join(run);
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut rows = Vec::new();
        for file in files(&folder)?.into_iter().filter(|file| file.to_string_lossy().ends_with(".report.json")) {
            let report: Value = serde_json::from_slice(&fs::read(&file)?).with_context(|| format!("{} is no report", file.display()))?;
            rows.extend(report["rows"].as_array().into_iter().flatten().cloned());
        }
        Ok(rows)
    }
}

fn built(timeline: &Timeline) -> bool {
    timeline.output()["outcome"] == "BUILT"
}

fn skipped(timeline: &Timeline) -> bool {
    timeline.output()["outcome"] == "SKIPPED"
}

/// How it ended, in a few words.
fn headline(timeline: &Timeline) -> String {
    if built(timeline) {
        let partitions: Vec<_> = timeline.output()["partitions"].as_array().into_iter().flatten().collect();
        let days = match partitions.as_slice() {
            [day] => day["partition"].as_str().unwrap_or_default().to_owned(),
            days => format!("{} days", days.len()),
        };
        return format!("{} {}, {} rows of {days}", style("✓").green().bold(), style("Built").bold(), timeline.output()["rows"]);
    }
    if skipped(timeline) {
        return format!("{} {}", style("■").yellow().bold(), style("Skipped").bold());
    }
    timeline.headline()
}

fn cause(timeline: &Timeline) -> Option<String> {
    if !skipped(timeline) {
        return timeline.cause();
    }
    let text = |name: &str| timeline.output()[name].as_str().unwrap_or_default();
    Some(match text("reason") {
        "BUILT" => format!("the same files were built already, by {}; --force builds them again", text("owner")),
        _ => format!("the same files are being built already, by {}", text("owner")),
    })
}

fn exit_code(timeline: &Timeline) -> ExitCode {
    let deliberate = ["QualityFailed", "FileQuarantined"].iter().any(|error| timeline.error() == Some(error));
    ExitCode::from(match () {
        () if built(timeline) => 0,
        () if deliberate || skipped(timeline) => 3,
        () => 1,
    })
}

/// Rows below their columns' names.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    const WIDEST: usize = 24;
    let columns = rows.first().map_or(0, Vec::len);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| console::measure_text_width(cell).min(WIDEST)).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells =
            cells.map(|(cell, width)| pad_str(&truncate_str(cell, WIDEST, "…"), *width, console::Alignment::Left, None).into_owned());
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = rows.iter().map(line).collect::<Vec<_>>();
    if let Some(names) = lines.first_mut() {
        *names = style(&*names).dim().to_string();
    }
    lines
}

/// Deployed for the latest day that is over, as a night would be.
impl Setup {
    fn of_the_latest_day(deployment: Deployment) -> Result<Self> {
        Ok(Self { deployment, date: run_date(None)?, approvals: 2, approval_seconds: 3600, extension_seconds: None, nights_at_once: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(name: &str, columns: &str) -> Dataset {
        let payload = json!({
            "dataset": name, "allowedUri": format!("s3://raw/datasets/{name}/"), "columns": columns,
            "keyColumns": "id", "partitionColumn": "day", "orderingColumn": "day",
        });
        let definition = json!({"States": {"CheckSource": {"Arguments": {"Payload": payload}}}}).to_string();
        Dataset::read(&json!({"stateMachineArn": format!("arn:of:{name}"), "definition": definition})).unwrap()
    }

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn a_file_belongs_to_the_dataset_that_has_its_columns() {
        let datasets = [dataset("orders", "id INT, day DATE, amount DECIMAL(12,2)"), dataset("items", "id INT, day DATE")];
        assert_eq!(datasets[0].raw, ObjectUri::new("raw", "datasets/orders/"));
        assert_eq!(choose(&datasets, None, &header("id,day")).unwrap().name, "items");
        assert_eq!(choose(&datasets, Some("orders"), &header("id,day")).unwrap().name, "orders");
    }

    #[test]
    fn a_file_that_belongs_to_none_or_to_two_says_what_there_is() {
        let datasets = [dataset("orders", "id INT, day DATE"), dataset("items", "id INT, day DATE")];
        let told = |name: Option<&str>, columns: &str| choose(&datasets, name, &header(columns)).unwrap_err().to_string();
        assert!(told(None, "a,b").contains("no dataset has the columns a,b. There are:\n  orders: id,day\n  items: id,day"));
        assert!(told(None, "id,day").contains("orders and items"));
        assert!(told(Some("returns"), "id,day").contains("«returns», but orders, items"));
    }

    #[test]
    fn a_build_says_what_it_built_and_a_second_one_who_did() {
        let ended = |output: Value| {
            let described = json!({"status": "SUCCEEDED", "output": output.to_string()});
            Timeline::read(Plan::of_the_night(), &described, &[]).unwrap()
        };
        let first = ended(json!({"outcome": "BUILT", "rows": 3, "partitions": [{"partition": "2026-11-20", "rows": 3}]}));
        assert_eq!(
            (console::strip_ansi_codes(&headline(&first)).into_owned(), exit_code(&first)),
            ("✓ Built, 3 rows of 2026-11-20".to_owned(), ExitCode::from(0))
        );
        let second = ended(json!({"outcome": "SKIPPED", "reason": "BUILT", "owner": "arn:of:the-first"}));
        assert_eq!(exit_code(&second), ExitCode::from(3));
        assert!(cause(&second).unwrap().contains("built already, by arn:of:the-first; --force"));
    }

    #[test]
    fn columns_stand_below_each_other_and_long_fields_are_cut() {
        let rows = [header("id,name"), vec!["1".to_owned(), "a lamp that has a very long name".to_owned()], header("22,b")];
        let shown: Vec<_> = table(&rows).iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect();
        assert_eq!(shown, ["id  name", "1   a lamp that has a very …", "22  b"]);
    }
}
