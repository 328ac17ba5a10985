//! What services answer: a mocked result is held against it, so that a test can't pass on an answer that never comes.
//!
//! The shapes are data (`responses.json`, written by `local/response_shapes.py`): of the calls that our definitions make, and of
//! common ones. A call without a shape takes any result.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::definition::{Pattern, Resource};

/// How closely a mocked result is held against the shape of the answer (`fieldValidationMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validation {
    /// What is required must be there, and what is there must be as the service's API has it.
    Strict,
    /// What is there must be as the service's API has it.
    Present,
    /// Anything goes.
    None,
}

/// What is wrong with a mocked result, in AWS's words.
pub(super) fn complaint(resource: &Resource, result: &Value, validation: Validation) -> Option<String> {
    if validation == Validation::None {
        return None;
    }
    let answer = Answer::of(resource)?;
    let check = Check { shapes: answer.shapes, validation };
    check.complaint(&answer.shape, "", result)
}

/// Whether mocked results for this resource are held against anything.
pub fn is_known(resource: &Resource) -> bool {
    Answer::of(resource).is_some()
}

/// The shape of what a task's state gets as its result.
struct Answer {
    shape: Value,
    /// The shapes of the service by their names.
    shapes: &'static Map<String, Value>,
}

impl Answer {
    fn of(resource: &Resource) -> Option<Self> {
        let call = resource.action.split('.').next().unwrap_or_default();
        let service = services().values().find(|service| {
            let names = service["names"].as_array().into_iter().flatten();
            names.filter_map(Value::as_str).any(|name| name == resource.service)
        })?;
        let shapes = service["shapes"].as_object()?;
        let shape = match resource.pattern {
            // Whoever sends the token back sends any JSON with it.
            Pattern::TaskToken => return None,
            // A job's result is what the call answers that asks for its state.
            Pattern::Sync => match (resource.service.as_str(), call) {
                ("glue", "startJobRun") => Value::from("@JobRun"),
                ("athena", "startQueryExecution") => service["calls"]["getQueryExecution"].clone(),
                ("states", "startExecution") => {
                    let mut shape = shapes.get("DescribeExecutionOutput")?.clone();
                    if resource.action.ends_with(":2") {
                        shape["Input"] = Value::from("any");
                        shape["Output"] = Value::from("any");
                    }
                    shape
                }
                _ => return None,
            },
            Pattern::RequestResponse => match (resource.service.as_str(), call) {
                // The optimised integration hands the payload over as JSON.
                ("lambda", "invoke") => {
                    let mut shape = shapes.get("InvocationResponse")?.clone();
                    shape["Payload"] = Value::from("any");
                    shape
                }
                _ => service["calls"].get(call)?.clone(),
            },
        };
        Some(Self { shape, shapes })
    }
}

fn services() -> &'static Map<String, Value> {
    static SERVICES: OnceLock<Map<String, Value>> = OnceLock::new();
    SERVICES.get_or_init(|| serde_json::from_str(include_str!("responses.json")).expect("the shapes are an object"))
}

struct Check {
    shapes: &'static Map<String, Value>,
    validation: Validation,
}

impl Check {
    /// A shape is `"@Name"` of another, `"string"`, `"number"` (both perhaps with limits: `"number 1..10"`), `"boolean"`, `"any"`,
    /// `"one of A B"`, `[items]`, `{"*": values}` or an object of fields, a `!` after those that are required.
    fn complaint(&self, shape: &Value, field: &str, value: &Value) -> Option<String> {
        match shape {
            Value::String(kind) => match kind.strip_prefix('@') {
                Some(name) => self.complaint(self.shapes.get(name)?, field, value),
                None => scalar(kind, field, value),
            },
            Value::Array(items) => match value {
                Value::Array(values) => values.iter().find_map(|value| self.complaint(items.first()?, field, value)),
                _ => Some(format!("Field '{field}' must be an array")),
            },
            Value::Object(fields) => match value {
                Value::Object(values) => match fields.get("*") {
                    Some(shape) => values.iter().find_map(|(key, value)| self.complaint(shape, key, value)),
                    None => self.missing(fields, values).or_else(|| self.wrong(fields, values)),
                },
                _ if field.is_empty() => Some("Result must be an object".to_owned()),
                _ => Some(format!("Field '{field}' must be an object")),
            },
            _ => None,
        }
    }

    fn missing(&self, fields: &Map<String, Value>, values: &Map<String, Value>) -> Option<String> {
        if self.validation != Validation::Strict {
            return None;
        }
        let mut required = fields.keys().filter_map(|name| name.strip_suffix('!'));
        let missing = required.find(|name| !values.contains_key(*name))?;
        Some(format!("Required field '{missing}' is missing"))
    }

    /// Fields that the API doesn't have are nobody's business.
    fn wrong(&self, fields: &Map<String, Value>, values: &Map<String, Value>) -> Option<String> {
        fields.iter().find_map(|(name, shape)| {
            let name = name.strip_suffix('!').unwrap_or(name);
            let value = values.get(name).filter(|value| !value.is_null())?;
            self.complaint(shape, name, value)
        })
    }
}

fn scalar(kind: &str, field: &str, value: &Value) -> Option<String> {
    let mut words = kind.split(' ');
    let says = |what: &str| Some(format!("Field '{field}' {what}"));
    match words.next()? {
        "string" => {
            let Some(text) = value.as_str() else { return says("must be a string") };
            #[expect(clippy::cast_precision_loss, reason = "a text in a request is short")]
            let length = text.chars().count() as f64;
            match words.next().map_or(Place::Within, |limits| Place::of(length, limits)) {
                Place::Below => says("is smaller than the minimum length"),
                Place::Within => None,
                Place::Above => says("exceeds the maximum length"),
            }
        }
        "number" => {
            let Some(number) = value.as_f64() else { return says("must be a number") };
            match words.next().map_or(Place::Within, |limits| Place::of(number, limits)) {
                Place::Below => says("is less than the minimum value"),
                Place::Within => None,
                Place::Above => says("exceeds the maximum value"),
            }
        }
        "boolean" if !value.is_boolean() => says("must be a boolean"),
        "one" => match value.as_str() {
            None => says("must be a string"),
            // The first word that is left is «of».
            Some(text) if words.skip(1).any(|known| known == text) => None,
            Some(_) => says("is not an expected value"),
        },
        _ => None,
    }
}

/// Where something lies in its limits, written `1..10`; either end may be open.
enum Place {
    Below,
    Within,
    Above,
}

impl Place {
    fn of(size: f64, limits: &str) -> Self {
        let (least, most) = limits.split_once("..").unwrap_or((limits, ""));
        if least.parse().is_ok_and(|least: f64| size < least) {
            Self::Below
        } else if most.parse().is_ok_and(|most: f64| size > most) {
            Self::Above
        } else {
            Self::Within
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(service: &str, action: &str, result: &Value, validation: Validation) -> Option<String> {
        let pattern = match action.rsplit_once('.') {
            None => Pattern::RequestResponse,
            Some((_, "waitForTaskToken")) => Pattern::TaskToken,
            Some(_) => Pattern::Sync,
        };
        let arn = format!("arn:aws:states:::{service}:{action}");
        let resource = Resource { arn, service: service.to_owned(), action: action.to_owned(), pattern };
        complaint(&resource, result, validation)
    }

    #[test]
    fn what_is_required_must_be_there_only_under_strict() {
        let result = json!({"StartDate": "2026-11-22T01:00:00Z"});
        let missing = Some("Required field 'ExecutionArn' is missing".to_owned());
        assert_eq!(check("states", "startExecution", &result, Validation::Strict), missing);
        assert_eq!(check("states", "startExecution", &result, Validation::Present), None);
    }

    #[test]
    fn a_field_deep_inside_must_have_its_type_and_keep_its_limits() {
        let wrong = |service, action, result: Value| check(service, action, &result, Validation::Strict).unwrap_or_default();
        assert_eq!(
            wrong("aws-sdk:glue", "getDataQualityResult", json!({"RuleResults": [{"Result": "MAYBE"}]})),
            "Field 'Result' is not an expected value"
        );
        assert_eq!(wrong("aws-sdk:glue", "getDataQualityResult", json!({"Score": 1.5})), "Field 'Score' exceeds the maximum value");
        assert_eq!(wrong("dynamodb", "getItem", json!({"Item": {"status": {"S": 1}}})), "Field 'S' must be a string");
        assert_eq!(wrong("dynamodb", "getItem", json!({"Item": {"status": []}})), "Field 'status' must be an object");
        assert_eq!(wrong("athena", "getQueryResults", json!({"ResultSet": {"Rows": {}}})), "Field 'Rows' must be an array");
    }

    #[test]
    fn anything_goes_where_nothing_is_known_and_where_nothing_is_asked() {
        assert_eq!(check("http", "invoke", &json!(1), Validation::Strict), None);
        assert_eq!(check("sqs", "sendMessage.waitForTaskToken", &json!({"MessageId": 1}), Validation::Strict), None);
        assert_eq!(check("sqs", "sendMessage", &json!({"MessageId": 1}), Validation::None), None);
        assert_eq!(check("lambda", "invoke", &json!({"Payload": {"any": ["json"]}}), Validation::Strict), None);
    }

    #[test]
    fn a_job_answers_with_what_is_polled() {
        let running = json!({"Id": "jr_1", "JobRunState": "SUCCEEDED"});
        assert_eq!(check("glue", "startJobRun.sync", &running, Validation::Strict), None);
        let wrong = check("glue", "startJobRun.sync", &json!({"JobRunState": "DONE"}), Validation::Strict);
        assert_eq!(wrong, Some("Field 'JobRunState' is not an expected value".to_owned()));
        let nested = json!({"ExecutionArn": "e", "StateMachineArn": "m", "StartDate": "now", "Status": "SUCCEEDED", "Output": {"a": 1}});
        assert_eq!(check("states", "startExecution.sync:2", &nested, Validation::Strict), None);
        let wrong = check("states", "startExecution.sync", &nested, Validation::Strict);
        assert_eq!(wrong, Some("Field 'Output' must be a string".to_owned()));
    }

    #[test]
    fn every_shape_that_is_named_is_there() {
        fn named<'a>(shape: &'a Value, names: &mut Vec<&'a str>) {
            match shape {
                Value::String(kind) => names.extend(kind.strip_prefix('@')),
                Value::Array(items) => items.iter().for_each(|item| named(item, names)),
                Value::Object(fields) => fields.values().for_each(|field| named(field, names)),
                _ => {}
            }
        }
        for (service, described) in services() {
            let mut names = Vec::new();
            named(&described["shapes"], &mut names);
            named(&described["calls"], &mut names);
            for name in names {
                assert!(described["shapes"].get(name).is_some(), "{service}: {name}");
            }
        }
    }
}
