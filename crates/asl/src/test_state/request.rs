//! What is asked of TestState, read once and refused as AWS refuses it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::TestStateError;
use super::context;
use super::responses::Validation;
use crate::check::{self, Finding, Kind};
use crate::value::{Failure, Json};

/// A request that was read.
pub(super) struct Request {
    /// The state's name: AWS calls one that came without its state machine `StateName`.
    pub(super) name: String,
    /// The state, its query language written out.
    pub(super) state: Map<String, Value>,
    pub(super) input: Json,
    pub(super) variables: Map<String, Value>,
    pub(super) level: Level,
    pub(super) role: Option<String>,
    pub(super) mock: Option<Mock>,
    /// The context object, where the request brings its own.
    pub(super) context: Option<Map<String, Value>>,
    pub(super) configuration: Configuration,
}

/// How much is told (`inspectionLevel`). TRACE adds what only an HTTP Task has, which nothing here calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Output,
    Steps,
}

/// What the state gets instead of doing its work.
pub(super) enum Mock {
    Result { result: Value, validation: Validation },
    Failure(Failure),
}

/// How far the state is said to have come.
#[derive(Default)]
pub(super) struct Configuration {
    /// How often its Retry was used for the mocked error.
    pub(super) retries: u32,
    /// How many of a Map's iterations failed.
    pub(super) failed_iterations: Option<usize>,
    /// What an `ItemReader` reads.
    pub(super) read_items: Option<Value>,
}

const UNNAMED: &str = "StateName";

impl Request {
    pub(super) fn read(request: &Value) -> Result<Self, TestStateError> {
        let fields = Fields::of(request, "")?;
        let definition = fields.text("definition", 1..=1_048_576)?.ok_or_else(|| fields.absent("definition"))?;
        let role = fields.text("roleArn", 1..=256)?.map(str::to_owned);
        let input = fields.text("input", 0..=262_144)?;
        let level = match fields.one_of("inspectionLevel", &["INFO", "DEBUG", "TRACE"])? {
            None | Some("INFO") => Level::Output,
            Some(_) => Level::Steps,
        };
        let variables = fields.text("variables", 0..=262_144)?;
        let state_name = fields.text("stateName", 1..=80)?;
        let context = fields.text("context", 0..=262_144)?;
        let mock = fields.inner("mock")?.map(|mock| read_mock(&mock)).transpose()?;
        let told = fields.inner("stateConfiguration")?;

        let (name, state) = read_definition(definition, state_name)?;
        let kind = state.get("Type").and_then(Value::as_str).unwrap_or_default();
        if let Some(mock) = &mock {
            may_be_mocked(kind, mock, &state)?;
        }
        let configuration = match &told {
            Some(told) => read_configuration(told, mock.is_some(), &state)?,
            None => Configuration::default(),
        };
        if mock.is_none() {
            needs_no_mock(&state)?;
            if kind == "Task" && role.is_none() {
                return Err(TestStateError::invalid("RoleArn must be specified when testing a Task state"));
            }
        }
        let context = context.map(|text| context::read(text, &state)).transpose()?;
        if context.is_some() && mock.is_none() {
            return Err(TestStateError::invalid("TestState does not support Context when a mock is not specified."));
        }
        Ok(Self {
            name,
            input: read_input(input)?,
            variables: read_variables(variables)?,
            level,
            role,
            mock,
            context,
            configuration,
            state,
        })
    }
}

fn read_mock(fields: &Fields<'_>) -> Result<Mock, TestStateError> {
    let validation = match fields.one_of("fieldValidationMode", &["STRICT", "PRESENT", "NONE"])? {
        None | Some("STRICT") => Validation::Strict,
        Some("PRESENT") => Validation::Present,
        Some(_) => Validation::None,
    };
    let result = fields.text("result", 0..=262_144)?;
    let error_output = fields.inner("errorOutput")?;
    match (result, error_output) {
        (Some(text), None) => {
            let result = serde_json::from_str(text).map_err(|_| TestStateError::invalid("Mocked result must be valid JSON"))?;
            Ok(Mock::Result { result, validation })
        }
        (None, Some(error_output)) => {
            let error = error_output.text("error", 0..=256)?.map(str::to_owned);
            let cause = error_output.text("cause", 0..=32_768)?.map(str::to_owned);
            if error.is_none() {
                return Err(TestStateError::invalid("Mocked errorOutput must contain an error."));
            }
            Ok(Mock::Failure(Failure { error, cause }))
        }
        (Some(_), Some(_)) => {
            Err(TestStateError::invalid("A test mock should have only one of the following fields: [result, errorOutput]."))
        }
        (None, None) => Err(TestStateError::invalid("A test mock must have one of the following fields: [result, errorOutput].")),
    }
}

/// The state and its name, from a definition of its own or out of a state machine's, wherever it stands in that.
fn read_definition(text: &str, state_name: Option<&str>) -> Result<(String, Map<String, Value>), TestStateError> {
    let definition: Value = serde_json::from_str(text).map_err(|_| refused(&check::text(text, Kind::Standard)))?;
    let Some(name) = state_name else {
        let Value::Object(state) = definition else {
            return Err(refused(&check::definition(&json!({"StartAt": UNNAMED, "States": {UNNAMED: definition}}), Kind::Standard)));
        };
        accept(&by_itself(UNNAMED, &state))?;
        return Ok((UNNAMED.to_owned(), state));
    };
    accept(&definition)?;
    let Some(found) = find(&definition, name) else { return Err(TestStateError::invalid("State not found in definition")) };
    let mut state = found.clone();
    if let (None, Some(language)) = (state.get("QueryLanguage"), definition.get("QueryLanguage")) {
        state.insert("QueryLanguage".to_owned(), language.clone());
    }
    Ok((name.to_owned(), state))
}

/// A state machine of the state alone; wherever it leads to is an end.
pub(super) fn by_itself(name: &str, state: &Map<String, Value>) -> Value {
    let rules = ["Choices", "Catch"].iter().filter_map(|field| state.get(*field)?.as_array()).flatten();
    let by_rule = rules.filter_map(|rule| rule.get("Next")?.as_str());
    let next: BTreeSet<&str> = ["Next", "Default"].iter().filter_map(|field| state.get(*field)?.as_str()).chain(by_rule).collect();
    let mut states: Map<String, Value> = next.into_iter().map(|name| (name.to_owned(), json!({"Type": "Succeed"}))).collect();
    states.insert(name.to_owned(), Value::Object(state.clone()));
    json!({"StartAt": name, "States": states})
}

fn accept(machine: &Value) -> Result<(), TestStateError> {
    let findings = check::definition(machine, Kind::Standard);
    if check::refusal(&findings).is_some() { Err(refused(&findings)) } else { Ok(()) }
}

fn refused(findings: &[Finding]) -> TestStateError {
    let message = check::refusal(findings).unwrap_or_else(|| "Invalid State Machine Definition".to_owned());
    TestStateError { name: "InvalidDefinition", message }
}

/// The state of that name, in whatever Parallel or Map.
pub(super) fn find<'a>(machine: &'a Value, name: &str) -> Option<&'a Map<String, Value>> {
    let states = machine.get("States")?.as_object()?;
    if let Some(state) = states.get(name) {
        return state.as_object();
    }
    states.values().find_map(|state| {
        let branches = state.get("Branches").and_then(Value::as_array).into_iter().flatten();
        let inner = ["ItemProcessor", "Iterator"].into_iter().filter_map(|field| state.get(field));
        branches.chain(inner).find_map(|machine| find(machine, name))
    })
}

fn may_be_mocked(kind: &str, mock: &Mock, state: &Map<String, Value>) -> Result<(), TestStateError> {
    if !["Task", "Map", "Parallel"].contains(&kind) {
        return Err(TestStateError::invalid(format!("State type '{kind}' is not supported when a mock is specified")));
    }
    let Mock::Result { result, .. } = mock else { return Ok(()) };
    let complaint = match kind {
        // With a ResultWriter the result tells where it was written.
        "Map" if state.contains_key("ResultWriter") => (!result.is_object()).then_some("Mocked result must be a JSON object."),
        "Map" => (!result.is_array()).then_some("Mocked result must be an array."),
        "Parallel" => match (result.as_array(), state.get("Branches").and_then(Value::as_array)) {
            (None, _) => Some("Mocked result must be an array."),
            (Some(results), Some(branches)) if results.len() != branches.len() => {
                Some("Mocked result must contain the same number of items as number of Parallel branches.")
            }
            _ => None,
        },
        _ => None,
    };
    complaint.map_or(Ok(()), |complaint| Err(TestStateError::invalid(complaint)))
}

fn needs_no_mock(state: &Map<String, Value>) -> Result<(), TestStateError> {
    let supported = "Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]";
    let refused = |what: &str| TestStateError { name: "InvalidDefinition", message: format!("TestState API does not support {what}") };
    let text = |field: &str| state.get(field).and_then(Value::as_str).unwrap_or_default();
    match text("Type") {
        "Map" | "Parallel" => Err(refused(&format!("Map or Parallel states. {supported}"))),
        "Task" => {
            let resource = text("Resource");
            if resource.contains(":activity:") {
                Err(refused("Activity tasks without a mock"))
            } else if resource.contains(".sync") || resource.ends_with(".waitForTaskToken") {
                Err(refused("the .sync and .waitForTaskToken service integration patterns without a mock"))
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }
}

fn read_configuration(fields: &Fields<'_>, mocked: bool, state: &Map<String, Value>) -> Result<Configuration, TestStateError> {
    let retries = fields.count("retrierRetryCount")?;
    let failed_iterations = fields.count("mapIterationFailureCount")?;
    let caused_by = fields.text("errorCausedByState", 1..=80)?;
    let read_items = fields.text("mapItemReaderData", 0..=262_144)?;
    if !mocked {
        let told = [
            ("RetrierRetryCount", retries.is_some()),
            ("ErrorCausedByState", caused_by.is_some()),
            ("MapIterationFailureCount", failed_iterations.is_some()),
            ("MapItemReaderData", read_items.is_some()),
        ];
        if let Some((field, _)) = told.into_iter().find(|(_, told)| *told) {
            return Err(TestStateError::invalid(format!("TestState does not support {field} when a mock is not specified.")));
        }
    }
    if let Some(name) = caused_by {
        let machine = json!({"States": {UNNAMED: state}});
        if name == UNNAMED || find(&machine, name).is_none() {
            return Err(TestStateError::invalid(format!("The state '{name}' in errorCausedByState is not in the definition")));
        }
    }
    // What is no JSON is another format's text, as it stands in its source.
    let read_items = read_items.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
    Ok(Configuration {
        retries: retries.and_then(|retries| u32::try_from(retries).ok()).unwrap_or_default(),
        failed_iterations,
        read_items,
    })
}

fn read_input(text: Option<&str>) -> Result<Json, TestStateError> {
    let refused = |error: serde_json::Error| TestStateError {
        name: "InvalidExecutionInput",
        message: format!("Invalid State Machine Execution Input: '{error}'"),
    };
    text.map_or_else(|| Ok(Json::empty()), |text| Json::parse(text).map_err(refused))
}

fn read_variables(text: Option<&str>) -> Result<Map<String, Value>, TestStateError> {
    match text.map(serde_json::from_str) {
        None => Ok(Map::new()),
        Some(Ok(Value::Object(variables))) => Ok(variables),
        Some(_) => Err(TestStateError::invalid("Variables must be a JSON object")),
    }
}

/// The fields of a structure in the request; violations are told as AWS's services tell them.
struct Fields<'a> {
    fields: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, path: &str) -> Result<Self, TestStateError> {
        let fields = value.as_object().ok_or_else(TestStateError::unreadable)?;
        Ok(Self { fields, path: path.to_owned() })
    }

    fn inner(&self, name: &str) -> Result<Option<Self>, TestStateError> {
        self.value(name).map(|value| Self::of(value, &self.path_of(name))).transpose()
    }

    fn text(&self, name: &str, length: std::ops::RangeInclusive<usize>) -> Result<Option<&'a str>, TestStateError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(TestStateError::unreadable)?;
        let said = text.chars().count();
        if said < *length.start() {
            return Err(self.violated(name, text, &format!("have length greater than or equal to {}", length.start())));
        }
        if said > *length.end() {
            return Err(self.violated(name, text, &format!("have length less than or equal to {}", length.end())));
        }
        Ok(Some(text))
    }

    fn one_of(&self, name: &str, known: &[&str]) -> Result<Option<&'a str>, TestStateError> {
        let Some(text) = self.text(name, 0..=80)? else { return Ok(None) };
        if known.contains(&text) {
            Ok(Some(text))
        } else {
            Err(self.violated(name, text, &format!("satisfy enum value set: [{}]", known.join(", "))))
        }
    }

    fn count(&self, name: &str) -> Result<Option<usize>, TestStateError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let count = value.as_i64().ok_or_else(TestStateError::unreadable)?;
        usize::try_from(count).map(Some).map_err(|_| self.violated(name, &count.to_string(), "have value greater than or equal to 0"))
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn absent(&self, name: &str) -> TestStateError {
        TestStateError::invalid(format!(
            "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
            self.path_of(name)
        ))
    }

    fn violated(&self, name: &str, value: &str, constraint: &str) -> TestStateError {
        TestStateError::invalid(format!(
            "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: Member must {constraint}",
            self.path_of(name)
        ))
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
