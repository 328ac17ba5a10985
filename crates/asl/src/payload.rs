//! JSONPath payload templates: `Parameters`, `ResultSelector`, `ItemSelector` and `Assign`, whose keys that end in `.$` hold paths and intrinsic functions.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::context::{Fault, Scope};
use crate::intrinsics::Intrinsic;
use crate::jsonpath::{Miss, Path};
use crate::value::Json;

/// A template that was read.
#[derive(Debug, Clone)]
pub(crate) struct PathTemplate(Template);

/// A path or an intrinsic function: what stands under a key that ends in `.$`, and in `ErrorPath` and `CausePath`.
#[derive(Debug, Clone)]
pub(crate) enum Selector {
    Path(Path),
    Call(Intrinsic),
}

#[derive(Debug, Clone)]
enum Template {
    /// Nothing in it is looked up.
    Constant(Json),
    Selected {
        field: Rc<str>,
        selector: Selector,
    },
    Object(Vec<(Rc<str>, Template)>),
    Array(Vec<Template>),
}

impl PathTemplate {
    /// What is wrong is told in AWS's words.
    pub(crate) fn compile(template: &Value) -> Result<Self, String> {
        Template::compile(template).map(Self)
    }

    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, Fault> {
        self.0.json(scope)
    }

    /// An `Assign`: its top-level names with their values.
    pub(crate) fn assign(&self, scope: &Scope<'_>) -> Result<Vec<(Rc<str>, Json)>, Fault> {
        match &self.0 {
            Template::Object(fields) => fields.iter().map(|(name, template)| Ok((name.clone(), template.json(scope)?))).collect(),
            Template::Constant(json) => Ok(json
                .value()
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.as_str().into(), value.clone().into()))
                .collect()),
            Template::Selected { .. } | Template::Array(_) => Ok(Vec::new()),
        }
    }
}

impl Selector {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('$') { Path::parse(text).map(Self::Path) } else { Intrinsic::parse(text).map(Self::Call) }
    }

    /// The paths in it, also those among a function's arguments.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Path(path) => vec![path],
            Self::Call(call) => call.paths(),
        }
    }

    /// `field` is the key or the field that it stands in, such as `name.$` or `ErrorPath`.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>, field: &str) -> Result<Json, Fault> {
        let path = match self {
            Self::Path(path) => path,
            Self::Call(call) => return call.evaluate(scope),
        };
        match path.value(scope) {
            Ok(json) => Ok(json),
            // AWS gives no error here, as it does in every other place.
            Err(Miss::PastTheEnd(_)) => Ok(Json::null()),
            Err(Miss::Absent(_)) => Err(Fault::runtime(format!(
                "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
                path.text(),
                if path.is_of_context() { scope.context.json().text() } else { scope.input.text() }
            ))),
            Err(Miss::Inapplicable(reason)) => Err(Fault::runtime(reason)),
            Err(Miss::NoInput) => Err(Fault::runtime(Miss::NO_INPUT)),
        }
    }
}

impl Template {
    fn compile(template: &Value) -> Result<Self, String> {
        match template {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| Self::field(key, value)).collect::<Result<Vec<_>, _>>()?;
                let constant = fields.iter().all(|(_, field)| matches!(field, Self::Constant(_)));
                Ok(if constant { Self::constant(template) } else { Self::Object(fields) })
            }
            Value::Array(items) => {
                let items = items.iter().map(Self::compile).collect::<Result<Vec<_>, _>>()?;
                let constant = items.iter().all(|item| matches!(item, Self::Constant(_)));
                Ok(if constant { Self::constant(template) } else { Self::Array(items) })
            }
            _ => Ok(Self::constant(template)),
        }
    }

    fn field(key: &str, value: &Value) -> Result<(Rc<str>, Self), String> {
        let Some(name) = key.strip_suffix(".$") else {
            return Ok((key.into(), Self::compile(value)?));
        };
        let Value::String(text) = value else {
            let found = kind(value);
            return Err(format!("The value for the field '{key}' must be a STRING that contains a JSONPath but was an {found}"));
        };
        let selector = Selector::parse(text)
            .map_err(|_| format!("The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"))?;
        Ok((name.into(), Self::Selected { field: key.into(), selector }))
    }

    fn constant(value: &Value) -> Self {
        Self::Constant(value.clone().into())
    }

    fn json(&self, scope: &Scope<'_>) -> Result<Json, Fault> {
        match self {
            Self::Constant(json) => Ok(json.clone()),
            Self::Selected { field, selector } => selector.evaluate(scope, field),
            Self::Object(_) | Self::Array(_) => self.value(scope).map(Json::from),
        }
    }

    fn value(&self, scope: &Scope<'_>) -> Result<Value, Fault> {
        match self {
            Self::Constant(_) | Self::Selected { .. } => self.json(scope).map(Json::into_value),
            Self::Object(fields) => {
                let mut object = Map::with_capacity(fields.len());
                for (name, field) in fields {
                    object.insert(name.to_string(), field.value(scope)?);
                }
                Ok(Value::Object(object))
            }
            Self::Array(items) => items.iter().map(|item| item.value(scope)).collect::<Result<_, _>>().map(Value::Array),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(_) => "NUMBER",
        Value::String(_) => "STRING",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "OBJECT",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn evaluate(template: &Value, input: Value) -> Result<Value, String> {
        let input = Json::from(input);
        let template = PathTemplate::compile(template)?;
        testing::scope(&input, |scope| template.evaluate(scope)).map(|json| json.value().clone()).map_err(|fault| fault.message)
    }

    #[test]
    fn keys_that_end_in_a_dollar_are_looked_up() {
        let template = json!({
            "constant": "$.a", "whole.$": "$", "list": [{"a.$": "$.a"}, "$.a"], "deep": {"from.$": "$$.Execution.Input.from"},
            "variable.$": "$answer.number", "text.$": "States.Format('{}!', $.a)", ".$": "$.a"
        });
        let expected = json!({
            "constant": "$.a", "whole": {"a": 1}, "list": [{"a": 1}, "$.a"], "deep": {"from": "execution"},
            "variable": 42, "text": "1!", "": 1
        });
        assert_eq!(evaluate(&template, json!({"a": 1})), Ok(expected));
        assert_eq!(evaluate(&json!([0]), json!({})), Ok(json!([0])));
    }

    #[test]
    fn what_is_missing_names_path_field_and_input() {
        let missing = |template: Value, message: &str| assert_eq!(evaluate(&template, json!({"a": 1})), Err(message.to_owned()));
        missing(
            json!({"deep": {"name.$": "$.no.such"}}),
            r#"The JSONPath '$.no.such' specified for the field 'name.$' could not be found in the input '{"a":1}'"#,
        );
        missing(
            json!({"name.$": "$$.No"}),
            r#"The JSONPath '$$.No' specified for the field 'name.$' could not be found in the input '{"Execution":{"Input":{"from":"execution"}}}'"#,
        );
        missing(json!({"name.$": "$.a[0]"}), "Filter: [0] can only be applied to arrays. Current context is: 1");
    }

    #[test]
    fn an_index_past_the_end_is_null() {
        assert_eq!(evaluate(&json!({"x.$": "$.a[5]"}), json!({"a": [1]})), Ok(json!({"x": null})));
    }

    #[test]
    fn no_input_is_nothing_to_look_up_in() {
        assert_eq!(evaluate(&json!({"x.$": "$.a"}), Value::Null), Err(Miss::NO_INPUT.to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_told_in_awss_words() {
        let refused = |template: Value, message: &str| assert_eq!(evaluate(&template, json!({})), Err(message.to_owned()));
        let invalid = "The value for the field 'parsed.$' must be a valid JSONPath or a valid intrinsic function call";
        refused(json!({"parsed.$": "no path"}), invalid);
        refused(json!({"in": [{"parsed.$": "States.No()"}]}), invalid);
        refused(json!({"parsed.$": r#"States.StringToJson('{"a":"\"b\""}')"#}), invalid);
        refused(json!({"x.$": ["$.a"]}), "The value for the field 'x.$' must be a STRING that contains a JSONPath but was an ARRAY");
    }

    #[test]
    fn assigned_names_lose_their_suffix() {
        let input = Json::from(json!({"a": 1}));
        let assigned = |template: Value| {
            let template = PathTemplate::compile(&template).unwrap();
            let assigned = testing::scope(&input, |scope| template.assign(scope)).unwrap();
            assigned.into_iter().map(|(name, json)| (name.to_string(), json.value().clone())).collect::<Vec<_>>()
        };
        assert_eq!(assigned(json!({"x.$": "$.a", "y": [1]})), [("x".to_owned(), json!(1)), ("y".to_owned(), json!([1]))]);
        assert_eq!(assigned(json!({"y": {"z": 1}})), [("y".to_owned(), json!({"z": 1}))]);
    }
}
