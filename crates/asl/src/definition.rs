//! A definition, read and ready to run.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::check::{self, Finding, Kind, Severity};
use crate::choice::Comparison;
use crate::history::Call;
use crate::intrinsics::Intrinsic;
use crate::jsonata::Query;
use crate::jsonpath::Path;
use crate::payload::PathTemplate;
use crate::value::Json;

/// A definition that was checked and is ready to run.
#[derive(Clone)]
pub struct Machine(pub(crate) Rc<Program>);

/// A whole definition.
pub(crate) struct Program {
    pub(crate) flow: Rc<Flow>,
    pub(crate) timeout_seconds: Option<i64>,
    /// How many states there are, those in branches included.
    pub(crate) states: usize,
}

impl Machine {
    /// Reads a definition; gives what is wrong with it otherwise.
    pub fn load(definition: &Value, kind: Kind) -> Result<Self, Vec<Finding>> {
        let refused: Vec<_> =
            check::definition(definition, kind).into_iter().filter(|finding| finding.severity.prevents_running()).collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        Self::read(definition).map_err(|wrong| {
            vec![Finding {
                severity: Severity::Error,
                code: "SCHEMA_VALIDATION_FAILED",
                location: wrong.location,
                message: wrong.message,
                hint: "Write the field as the Amazon States Language has it.".to_owned(),
            }]
        })
    }

    /// Reads a definition that is known to be right, or to be refused for a reason that doesn't matter here.
    pub(crate) fn read(definition: &Value) -> Result<Self, Wrong> {
        let fields = object(definition, "")?;
        let mut reader = Reader::default();
        let flow = Rc::new(reader.flow(fields, language(fields, Language::Path), "")?);
        let timeout_seconds = fields.get("TimeoutSeconds").and_then(Value::as_i64);
        Ok(Self(Rc::new(Program { flow, timeout_seconds, states: reader.states })))
    }
}

/// What a field's value can't be, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    pub(crate) location: String,
    pub(crate) message: String,
}

impl Wrong {
    fn new(location: impl Into<String>, message: impl Into<String>) -> Self {
        Self { location: location.into(), message: message.into() }
    }
}

/// States that follow one another: a state machine, a branch, an item processor.
pub(crate) struct Flow {
    pub(crate) start: usize,
    pub(crate) states: Vec<Rc<State>>,
}

/// The query language of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Path,
    Query,
}

/// One state.
pub(crate) struct State {
    pub(crate) name: Rc<str>,
    /// A number of its own in the whole definition.
    pub(crate) number: usize,
    pub(crate) language: Language,
    pub(crate) work: Work,
    pub(crate) next: Next,
    pub(crate) shape: Shape,
    pub(crate) assign: Option<Assign>,
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

impl State {
    /// Its `Type`.
    pub(crate) fn kind(&self) -> &'static str {
        match self.work {
            Work::Pass { .. } => "Pass",
            Work::Task(_) => "Task",
            Work::Choice { .. } => "Choice",
            Work::Wait(_) => "Wait",
            Work::Succeed => "Succeed",
            Work::Fail { .. } => "Fail",
            Work::Parallel { .. } => "Parallel",
            Work::Map(_) => "Map",
        }
    }
}

/// Where it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    To(usize),
    End,
}

/// What a state does.
pub(crate) enum Work {
    Pass { result: Option<Json> },
    Task(Box<TaskWork>),
    Choice { rules: Vec<Rule>, default: Option<usize> },
    Wait(WaitFor),
    Succeed,
    Fail { error: Option<Text>, cause: Option<Text> },
    Parallel { branches: Vec<Rc<Flow>> },
    Map(Box<MapWork>),
}

pub(crate) struct TaskWork {
    pub(crate) resource: Rc<Resource>,
    pub(crate) call: Rc<Call>,
    pub(crate) timeout: Option<Seconds>,
    pub(crate) heartbeat: Option<Seconds>,
    pub(crate) role: Option<Text>,
}

pub(crate) struct MapWork {
    pub(crate) items: Items,
    pub(crate) selector: Option<Template>,
    pub(crate) concurrency: Option<Seconds>,
    pub(crate) processor: Rc<Flow>,
    /// Only a Distributed Map counts them; an inline one evaluates them, for its errors.
    pub(crate) tolerated: Vec<(&'static str, Query)>,
}

/// Where a Map's items come from.
pub(crate) enum Items {
    Input,
    Path(Path, String),
    Query(Query),
}

/// How long, or until when, a Wait waits.
pub(crate) enum WaitFor {
    Seconds(Seconds),
    Timestamp(Text),
}

/// A whole number: written down, or found by a path or an expression.
pub(crate) enum Seconds {
    Fixed(i64),
    Path { path: Path, text: String, field: &'static str },
    Query(Query),
}

/// A text: written down, or found by a path, an intrinsic function or an expression.
pub(crate) enum Text {
    Fixed(Rc<str>),
    Path { path: Path, text: String, field: &'static str },
    Intrinsic(Intrinsic),
    Query(Query),
}

/// A template of either language.
pub(crate) enum Template {
    Path(PathTemplate),
    Query(Query),
}

/// An `Assign` of either language.
pub(crate) type Assign = Template;

#[expect(clippy::large_enum_variant, reason = "a state has one, and a definition has few states")]
/// How a state makes what it works on from its input, and its output from what came of it.
pub(crate) enum Shape {
    Path {
        input_path: Option<Selection>,
        parameters: Option<PathTemplate>,
        result_selector: Option<PathTemplate>,
        result_path: Option<Placement>,
        output_path: Option<Selection>,
    },
    Query {
        arguments: Option<Query>,
        output: Option<Query>,
    },
}

/// `InputPath` or `OutputPath` that isn't `$`.
pub(crate) enum Selection {
    /// `null`: an empty object.
    Nothing,
    At(Path),
}

/// `ResultPath` that isn't `$`.
pub(crate) enum Placement {
    /// `null`: the input stays.
    Discard,
    At(Path),
}

/// One rule of a Choice.
pub(crate) struct Rule {
    pub(crate) condition: Condition,
    pub(crate) next: usize,
    pub(crate) assign: Option<Assign>,
    pub(crate) output: Option<Query>,
}

pub(crate) enum Condition {
    Path(Comparison),
    Query(Query),
}

/// One entry of `Retry`.
pub(crate) struct Retrier {
    pub(crate) errors: Vec<Rc<str>>,
    pub(crate) interval_seconds: f64,
    pub(crate) backoff_rate: f64,
    pub(crate) max_attempts: u32,
    pub(crate) max_delay_seconds: Option<f64>,
    pub(crate) jitter: Jitter,
}

/// A retrier's `JitterStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jitter {
    None,
    Full,
}

/// One entry of `Catch`.
pub(crate) struct Catcher {
    pub(crate) errors: Vec<Rc<str>>,
    pub(crate) next: usize,
    pub(crate) assign: Option<Assign>,
    pub(crate) output: Option<Query>,
    pub(crate) result_path: Option<Placement>,
}

/// What a Task calls, from its `Resource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The whole ARN.
    pub arn: String,
    /// What the history calls the resource type: `lambda`, `glue`, `aws-sdk:s3`; empty for a function's own ARN.
    pub service: String,
    /// What the history calls the resource: `invoke`, `startJobRun.sync`; the ARN for a function's own.
    pub action: String,
    /// When the task is over.
    pub pattern: Pattern,
}

/// When a task is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// When the call has answered.
    RequestResponse,
    /// When the job that the call started is over (`.sync`, `.sync:2`).
    Sync,
    /// When somebody sends the task token back (`.waitForTaskToken`).
    TaskToken,
}

impl Resource {
    /// Reads a `Resource`.
    pub fn parse(arn: &str) -> Self {
        let integration = arn.split_once(":states:").and_then(|(_, rest)| rest.strip_prefix("::"));
        let Some(integration) = integration else {
            return Self { arn: arn.to_owned(), service: String::new(), action: arn.to_owned(), pattern: Pattern::RequestResponse };
        };
        let split = match integration.strip_prefix("aws-sdk:") {
            Some(action) => action.split_once(':').map(|(service, action)| (format!("aws-sdk:{service}"), action)),
            None => integration.split_once(':').map(|(service, action)| (service.to_owned(), action)),
        };
        let (service, action) = split.unwrap_or_else(|| (integration.to_owned(), ""));
        let pattern = match action.split_once('.').map(|(_, suffix)| suffix) {
            Some("waitForTaskToken") => Pattern::TaskToken,
            Some("sync" | "sync:2") => Pattern::Sync,
            _ => Pattern::RequestResponse,
        };
        Self { arn: arn.to_owned(), service, action: action.to_owned(), pattern }
    }
}

fn language(fields: &Map<String, Value>, around: Language) -> Language {
    match fields.get("QueryLanguage").and_then(Value::as_str) {
        Some("JSONata") => Language::Query,
        Some(_) => Language::Path,
        None => around,
    }
}

fn object<'a>(value: &'a Value, location: &str) -> Result<&'a Map<String, Value>, Wrong> {
    value.as_object().ok_or_else(|| Wrong::new(if location.is_empty() { "/" } else { location }, "Expected value of type Object"))
}

/// Reads states and numbers them.
#[derive(Default)]
struct Reader {
    states: usize,
}

impl Reader {
    fn flow(&mut self, fields: &Map<String, Value>, around: Language, location: &str) -> Result<Flow, Wrong> {
        let states = object(fields.get("States").unwrap_or(&Value::Null), &format!("{location}/States"))?;
        let names: HashMap<&str, usize> = states.keys().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        let start = fields.get("StartAt").and_then(Value::as_str).and_then(|name| names.get(name).copied());
        let start = start.ok_or_else(|| Wrong::new(format!("{location}/StartAt"), "There is no state of that name"))?;
        let states = states
            .iter()
            .map(|(name, state)| {
                let at = format!("{location}/States/{name}");
                let fields = object(state, &at)?;
                let field = Fields { all: fields, names: &names, location: &at, language: language(fields, around) };
                self.state(name, &field).map(Rc::new)
            })
            .collect::<Result<_, _>>()?;
        Ok(Flow { start, states })
    }

    fn state(&mut self, name: &str, fields: &Fields<'_>) -> Result<State, Wrong> {
        let number = self.states;
        self.states += 1;
        let kind = fields.text("Type").unwrap_or_default();
        let work = match kind {
            "Pass" => Work::Pass { result: fields.get("Result").map(|result| result.clone().into()) },
            "Task" => Work::Task(Box::new(fields.task()?)),
            "Choice" => Work::Choice { rules: fields.rules()?, default: fields.reference("Default")? },
            "Wait" => Work::Wait(fields.wait()?),
            "Succeed" => Work::Succeed,
            "Fail" => Work::Fail { error: fields.string("Error", "ErrorPath")?, cause: fields.string("Cause", "CausePath")? },
            "Parallel" => Work::Parallel { branches: self.branches(fields)? },
            "Map" => Work::Map(Box::new(self.map(fields)?)),
            other => return Err(fields.wrong("Type", format!("There is no state type '{other}'"))),
        };
        let next = fields.reference("Next")?.map_or(Next::End, Next::To);
        Ok(State {
            name: name.into(),
            number,
            language: fields.language,
            work,
            next,
            shape: fields.shape(kind)?,
            assign: fields.assign()?,
            retry: fields.list("Retry").iter().map(retrier).collect(),
            catch: fields.catchers()?,
        })
    }

    fn branches(&mut self, fields: &Fields<'_>) -> Result<Vec<Rc<Flow>>, Wrong> {
        let branches = fields.list("Branches").iter().enumerate();
        branches
            .map(|(index, branch)| {
                let location = format!("{}/Branches[{index}]", fields.location);
                let branch = object(branch, &location)?;
                self.flow(branch, language(branch, fields.language), &location).map(Rc::new)
            })
            .collect()
    }

    fn map(&mut self, fields: &Fields<'_>) -> Result<MapWork, Wrong> {
        let name = if fields.get("ItemProcessor").is_some() { "ItemProcessor" } else { "Iterator" };
        let location = format!("{}/{name}", fields.location);
        let processor = object(fields.get(name).unwrap_or(&Value::Null), &location)?;
        let processor = Rc::new(self.flow(processor, language(processor, fields.language), &location)?);
        let items = match (fields.language, fields.get("Items"), fields.text("ItemsPath")) {
            (Language::Query, Some(items), _) => Items::Query(fields.query(items, "Items")?),
            (Language::Path, _, Some(text)) => Items::Path(fields.path(text, "ItemsPath")?, text.to_owned()),
            _ => Items::Input,
        };
        let selector = fields.get("ItemSelector").map(|value| (value, "ItemSelector"));
        let selector = selector.or_else(|| fields.get("Parameters").map(|value| (value, "Parameters")));
        let tolerated = ["ToleratedFailureCount", "ToleratedFailurePercentage"].into_iter().filter(|_| fields.language == Language::Query);
        Ok(MapWork {
            items,
            selector: selector.map(|(value, field)| fields.template(value, field)).transpose()?,
            concurrency: fields.number("MaxConcurrency", "MaxConcurrencyPath")?,
            processor,
            tolerated: tolerated
                .filter_map(|name| fields.get(name).map(|value| Ok((name, fields.query(value, name)?))))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The fields of a state, and what reading them takes.
struct Fields<'a> {
    all: &'a Map<String, Value>,
    names: &'a HashMap<&'a str, usize>,
    location: &'a str,
    language: Language,
}

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.all.get(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    fn list(&self, name: &str) -> &[Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn wrong(&self, field: &str, message: impl Into<String>) -> Wrong {
        Wrong::new(format!("{}/{field}", self.location), message)
    }

    fn named(&self, name: &str, field: &str) -> Result<usize, Wrong> {
        self.names.get(name).copied().ok_or_else(|| self.wrong(field, format!("There is no state '{name}' here")))
    }

    fn reference(&self, field: &str) -> Result<Option<usize>, Wrong> {
        self.text(field).map(|name| self.named(name, field)).transpose()
    }

    fn path(&self, text: &str, field: &str) -> Result<Path, Wrong> {
        Path::parse(text).map_err(|message| self.wrong(field, message))
    }

    fn query(&self, value: &Value, field: &str) -> Result<Query, Wrong> {
        Query::compile(value, field).map_err(|refusal| self.wrong(&refusal.location, refusal.message))
    }

    fn template(&self, value: &Value, field: &str) -> Result<Template, Wrong> {
        Ok(match self.language {
            Language::Path => Template::Path(PathTemplate::compile(value).map_err(|message| self.wrong(field, message))?),
            Language::Query => Template::Query(self.query(value, field)?),
        })
    }

    fn path_template(&self, field: &str) -> Result<Option<PathTemplate>, Wrong> {
        self.get(field).map(|value| PathTemplate::compile(value).map_err(|message| self.wrong(field, message))).transpose()
    }

    fn assign(&self) -> Result<Option<Assign>, Wrong> {
        self.get("Assign").map(|value| self.template(value, "Assign")).transpose()
    }

    fn number(&self, field: &'static str, path_field: &'static str) -> Result<Option<Seconds>, Wrong> {
        if let Some(text) = self.text(path_field).filter(|_| self.language == Language::Path) {
            return Ok(Some(Seconds::Path { path: self.path(text, path_field)?, text: text.to_owned(), field: path_field }));
        }
        let Some(value) = self.get(field) else { return Ok(None) };
        match value.as_i64() {
            Some(number) => Ok(Some(Seconds::Fixed(number))),
            None => Ok(Some(Seconds::Query(self.query(value, field)?))),
        }
    }

    fn string(&self, field: &'static str, path_field: &'static str) -> Result<Option<Text>, Wrong> {
        if let Some(text) = self.text(path_field).filter(|_| self.language == Language::Path) {
            if text.starts_with("States.") {
                return Ok(Some(Text::Intrinsic(Intrinsic::parse(text).map_err(|message| self.wrong(path_field, message))?)));
            }
            return Ok(Some(Text::Path { path: self.path(text, path_field)?, text: text.to_owned(), field: path_field }));
        }
        let Some(value) = self.get(field) else { return Ok(None) };
        Ok(Some(match (self.language, value.as_str()) {
            (Language::Path, Some(text)) => Text::Fixed(text.into()),
            (Language::Query, Some(text)) if !text.starts_with("{%") => Text::Fixed(text.into()),
            _ => Text::Query(self.query(value, field)?),
        }))
    }

    fn task(&self) -> Result<TaskWork, Wrong> {
        let resource = Resource::parse(self.text("Resource").unwrap_or_default());
        let call = Call { service: resource.service.clone(), action: resource.action.clone() };
        let role = self.get("Credentials").and_then(Value::as_object);
        let role = role.map(|credentials| match (credentials.get("RoleArn"), credentials.get("RoleArn.$").and_then(Value::as_str)) {
            (_, Some(text)) if text.starts_with("States.") => {
                Intrinsic::parse(text).map(Text::Intrinsic).map_err(|message| self.wrong("Credentials/RoleArn.$", message))
            }
            (_, Some(text)) => {
                Ok(Text::Path { path: self.path(text, "Credentials/RoleArn.$")?, text: text.to_owned(), field: "Credentials/RoleArn.$" })
            }
            (Some(Value::String(text)), _) if self.language == Language::Path || !text.starts_with("{%") => {
                Ok(Text::Fixed(text.as_str().into()))
            }
            (Some(value), _) => Ok(Text::Query(self.query(value, "Credentials/RoleArn")?)),
            (None, None) => Err(self.wrong("Credentials", "The field 'RoleArn' is required but was missing")),
        });
        Ok(TaskWork {
            resource: Rc::new(resource),
            call: Rc::new(call),
            timeout: self.number("TimeoutSeconds", "TimeoutSecondsPath")?,
            heartbeat: self.number("HeartbeatSeconds", "HeartbeatSecondsPath")?,
            role: role.transpose()?,
        })
    }

    fn wait(&self) -> Result<WaitFor, Wrong> {
        if let Some(seconds) = self.number("Seconds", "SecondsPath")? {
            return Ok(WaitFor::Seconds(seconds));
        }
        let until = self.string("Timestamp", "TimestampPath")?;
        until.map(WaitFor::Timestamp).ok_or_else(|| self.wrong("", "A Wait needs Seconds or Timestamp"))
    }

    fn rules(&self) -> Result<Vec<Rule>, Wrong> {
        let rules = self.list("Choices").iter().enumerate();
        rules
            .map(|(index, rule)| {
                let place = format!("Choices[{index}]");
                let condition = match self.language {
                    Language::Path => Condition::Path(Comparison::compile(rule).map_err(|message| self.wrong(&place, message))?),
                    Language::Query => {
                        Condition::Query(self.query(rule.get("Condition").unwrap_or(&Value::Null), &format!("{place}/Condition"))?)
                    }
                };
                let assign = rule.get("Assign").map(|value| self.template(value, &format!("{place}/Assign"))).transpose()?;
                let output = rule.get("Output").filter(|_| self.language == Language::Query);
                let output = output.map(|value| self.query(value, &format!("{place}/Output"))).transpose()?;
                let next = rule.get("Next").and_then(Value::as_str).unwrap_or_default();
                Ok(Rule { condition, next: self.named(next, &format!("{place}/Next"))?, assign, output })
            })
            .collect()
    }

    fn catchers(&self) -> Result<Vec<Catcher>, Wrong> {
        let catchers = self.list("Catch").iter().enumerate();
        catchers
            .map(|(index, catcher)| {
                let place = format!("Catch[{index}]");
                let next = catcher.get("Next").and_then(Value::as_str).unwrap_or_default();
                let assign = catcher.get("Assign").map(|value| self.template(value, &format!("{place}/Assign"))).transpose()?;
                let output = catcher.get("Output").filter(|_| self.language == Language::Query);
                Ok(Catcher {
                    errors: names(catcher),
                    next: self.named(next, &format!("{place}/Next"))?,
                    assign,
                    output: output.map(|value| self.query(value, &format!("{place}/Output"))).transpose()?,
                    result_path: self.placement(catcher.get("ResultPath"), &format!("{place}/ResultPath"))?,
                })
            })
            .collect()
    }

    fn shape(&self, kind: &str) -> Result<Shape, Wrong> {
        Ok(match self.language {
            Language::Path => Shape::Path {
                input_path: self.selection("InputPath")?,
                // A Map's Parameters are its ItemSelector by an older name.
                parameters: if kind == "Map" { None } else { self.path_template("Parameters")? },
                result_selector: self.path_template("ResultSelector")?,
                result_path: self.placement(self.get("ResultPath"), "ResultPath")?,
                output_path: self.selection("OutputPath")?,
            },
            Language::Query => Shape::Query {
                arguments: self.get("Arguments").map(|value| self.query(value, "Arguments")).transpose()?,
                output: self.get("Output").map(|value| self.query(value, "Output")).transpose()?,
            },
        })
    }

    fn selection(&self, field: &str) -> Result<Option<Selection>, Wrong> {
        Ok(match self.get(field) {
            Some(Value::Null) => Some(Selection::Nothing),
            Some(Value::String(text)) if text != "$" => Some(Selection::At(self.path(text, field)?)),
            _ => None,
        })
    }

    fn placement(&self, value: Option<&Value>, field: &str) -> Result<Option<Placement>, Wrong> {
        Ok(match value {
            Some(Value::Null) => Some(Placement::Discard),
            Some(Value::String(text)) if text != "$" => Some(Placement::At(self.path(text, field)?)),
            _ => None,
        })
    }
}

fn names(handler: &Value) -> Vec<Rc<str>> {
    let names = handler.get("ErrorEquals").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    names.iter().filter_map(Value::as_str).map(Rc::from).collect()
}

fn retrier(retrier: &Value) -> Retrier {
    let number = |field: &str, default: f64| retrier.get(field).and_then(Value::as_f64).unwrap_or(default);
    Retrier {
        errors: names(retrier),
        interval_seconds: number("IntervalSeconds", 1.0),
        backoff_rate: number("BackoffRate", 2.0),
        max_attempts: retrier.get("MaxAttempts").and_then(Value::as_u64).map_or(3, |attempts| u32::try_from(attempts).unwrap_or(u32::MAX)),
        max_delay_seconds: retrier.get("MaxDelaySeconds").and_then(Value::as_f64),
        jitter: if retrier.get("JitterStrategy").and_then(Value::as_str) == Some("FULL") { Jitter::Full } else { Jitter::None },
    }
}
