//! The definitions as data, and the few of Step Functions' rules that reading them takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use jsonata_core::evaluator::Evaluator;
use jsonata_core::value::JValue;
use serde_json::{Map, Value, json};

use crate::project;

/// One of our state machines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    /// What the template calls it.
    pub(crate) logical_name: &'static str,
    /// The file of its definition.
    pub(crate) file: &'static str,
}

pub(crate) const NIGHT: Machine = Machine { logical_name: "Night", file: "statemachine/nightly-warehouse.asl.json" };
pub(crate) const QUESTION: Machine = Machine { logical_name: "Question", file: "statemachine/question.asl.json" };
pub(crate) const BACKFILL: Machine = Machine { logical_name: "Backfill", file: "statemachine/backfill.asl.json" };
/// What `dataset.yaml` makes one of for each dataset.
pub(crate) const DATASET: Machine = Machine { logical_name: "Build", file: "statemachine/dataset.asl.json" };
/// Those of `template.yaml`.
pub(crate) const MACHINES: [Machine; 3] = [NIGHT, QUESTION, BACKFILL];
/// All of them.
pub(crate) const DEFINITIONS: [Machine; 4] = [NIGHT, QUESTION, BACKFILL, DATASET];

impl Machine {
    /// The definition as it is in the repository, before any substitution.
    pub(crate) fn definition(self) -> Value {
        serde_json::from_str(&project::read(self.file)).expect("a definition is JSON before substitution")
    }

    /// The names of all `${…}` in the definition.
    pub(crate) fn placeholders(self) -> BTreeSet<String> {
        let text = project::read(self.file);
        text.split("${").skip(1).map(|rest| rest.split('}').next().expect("split yields one part at least").to_owned()).collect()
    }

    /// The definition as deployed: numbers stand for the placeholders that are numbers, each other placeholder for itself.
    pub(crate) fn deployed(self, values: &[(&str, &dyn Display)]) -> Value {
        let defaults: [(&str, &dyn Display); 11] = [
            ("ApprovalTimeoutSeconds", &3600),
            ("ApprovalExtensionSeconds", &900),
            ("ApprovalWatchMinutes", &5),
            ("QualityPollSeconds", &10),
            ("NightsAtOnce", &1),
            ("AllowedFlags", &""),
            ("LateDays", &7),
            ("MaximumMalformedRows", &0),
            ("MaximumMegabytes", &64),
            ("SettleSeconds", &60),
            ("OwnerPollSeconds", &60),
        ];
        let values: BTreeMap<_, _> = defaults.iter().chain(values).copied().collect();
        let mut text = project::read(self.file);
        for name in self.placeholders() {
            let value = values.get(name.as_str()).map_or(name.clone(), ToString::to_string);
            text = text.replace(&format!("${{{name}}}"), &value);
        }
        serde_json::from_str(&text).expect("a definition is JSON after substitution")
    }
}

/// The night's definition before substitution.
pub(crate) fn definition() -> Value {
    NIGHT.definition()
}

/// The night's definition as deployed.
pub(crate) fn deployed(values: &[(&str, &dyn Display)]) -> Value {
    NIGHT.deployed(values)
}

/// A state with its name; a name is unique in its definition, branches included.
#[derive(Clone, Copy)]
pub(crate) struct State<'a> {
    pub(crate) name: &'a str,
    pub(crate) fields: &'a Map<String, Value>,
}

impl<'a> State<'a> {
    pub(crate) fn kind(&self) -> &'a str {
        self.text("Type").expect("every state has a type")
    }

    /// A Task's resource without its `arn:aws:states:::`.
    pub(crate) fn resource(&self) -> Option<&'a str> {
        self.text("Resource")?.strip_prefix("arn:aws:states:::")
    }

    pub(crate) fn text(&self, field: &str) -> Option<&'a str> {
        self.fields.get(field)?.as_str()
    }

    pub(crate) fn list(&self, field: &str) -> &'a [Value] {
        self.fields.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// All states, those of a Parallel's branches and of a Map's processor after the one that holds them.
pub(crate) fn states(machine: &Value) -> Vec<State<'_>> {
    let mut all = Vec::new();
    for (name, fields) in machine["States"].as_object().expect("a machine has states") {
        let state = State { name, fields: fields.as_object().expect("a state is an object") };
        all.push(state);
        for inner in state.list("Branches").iter().chain(state.fields.get("ItemProcessor")) {
            all.extend(states(inner));
        }
    }
    all
}

/// The state of that name, inside another or outside.
pub(crate) fn state<'a>(machine: &'a Value, name: &str) -> State<'a> {
    states(machine).into_iter().find(|state| state.name == name).unwrap_or_else(|| panic!("there is no state {name}"))
}

/// The JSONata inside `{% … %}`.
fn expression(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}

/// What expressions can see: `$states` and the variables.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) states: Value,
    pub(crate) variables: Map<String, Value>,
}

impl Scope {
    pub(crate) fn new(states: Value) -> Self {
        Self { states, variables: Map::new() }
    }

    pub(crate) fn with(mut self, variable: &str, value: Value) -> Self {
        self.variables.insert(variable.to_owned(), value);
        self
    }

    /// Carries out an `Assign`: all its expressions see the variables as they were before.
    pub(crate) fn assign(&mut self, assignments: &Value) -> Result<(), String> {
        if let Value::Object(assigned) = self.evaluate(assignments)? {
            self.variables.extend(assigned);
        }
        Ok(())
    }

    /// A value with every expression in it evaluated. An expression that gives nothing is an error, as it is in Step Functions.
    pub(crate) fn evaluate(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => match expression(text) {
                Some(source) => self.run(source)?,
                None => value.clone(),
            },
            Value::Array(items) => items.iter().map(|item| self.evaluate(item)).collect::<Result<_, _>>()?,
            Value::Object(fields) => {
                let fields: Result<Map<_, _>, String> =
                    fields.iter().map(|(key, field)| Ok((key.clone(), self.evaluate(field)?))).collect();
                Value::Object(fields?)
            }
            other => other.clone(),
        })
    }

    fn run(&self, source: &str) -> Result<Value, String> {
        let parsed = jsonata_core::parser::parse(source).map_err(|error| format!("{source}: {error}"))?;
        let mut context = jsonata_core::evaluator::Context::new();
        context.bind("states".to_owned(), JValue::from(self.states.clone()));
        for (name, value) in &self.variables {
            context.bind(name.clone(), JValue::from(value.clone()));
        }
        let mut evaluator = Evaluator::with_context(context);
        // Functions that Step Functions adds to JSONata.
        evaluator
            .register_fn("parse", |arguments: &[JValue]| Ok(arguments.first().and_then(JValue::as_str).map_or(JValue::Undefined, parse)))
            .expect("no such built-in");
        evaluator.register_fn("uuid", |_: &[JValue]| Ok(JValue::string("6f3c1d9e-0000-4000-8000-000000000000"))).expect("no such built-in");
        evaluator.register_fn("hash", |arguments: &[JValue]| Ok(JValue::string(format!("{arguments:?}")))).expect("no such built-in");
        let result = evaluator.evaluate(&parsed, &JValue::Undefined).map_err(|error| format!("{source}: {error}"))?;
        if result.is_undefined() {
            Err(format!("{source}: gives nothing"))
        } else {
            Ok(whole(serde_json::to_value(&result).map_err(|error| error.to_string())?))
        }
    }
}

fn parse(text: &str) -> JValue {
    JValue::from_json_str(text).unwrap_or(JValue::Undefined)
}

/// JSONata knows one kind of number; JSON tells 3.0 from 3.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "the fraction is zero and the magnitude is checked")]
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, field)| (key, whole(field))).collect(),
        other => other,
    }
}

/// Where a Choice goes, the `Assign` of its rule carried out, or its own where none applies.
pub(crate) fn choose(state: State<'_>, scope: &mut Scope) -> Result<String, String> {
    for rule in state.list("Choices") {
        match scope.evaluate(&rule["Condition"])? {
            Value::Bool(true) => {
                scope.assign(rule.get("Assign").unwrap_or(&json!({})))?;
                return Ok(rule["Next"].as_str().expect("a rule has a next state").to_owned());
            }
            Value::Bool(false) => {}
            other => return Err(format!("{}: the condition is {other}, no boolean", state.name)),
        }
    }
    scope.assign(state.fields.get("Assign").unwrap_or(&json!({})))?;
    Ok(state.text("Default").ok_or_else(|| format!("{}: nothing applies", state.name))?.to_owned())
}
