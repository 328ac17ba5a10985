//! The template as data: its short forms (`!Ref`, `!Sub`) written out as CloudFormation does it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use yaml_serde::Value as Yaml;

use crate::project;

pub(crate) struct Template(Value);

impl Template {
    pub(crate) fn read() -> Self {
        Self::of_file("template.yaml")
    }

    pub(crate) fn of_file(file: &str) -> Self {
        Self(long_form(yaml_serde::from_str(&project::read(file)).expect("a template is YAML")))
    }

    pub(crate) fn parameters(&self) -> &Map<String, Value> {
        self.section("Parameters")
    }

    pub(crate) fn outputs(&self) -> &Map<String, Value> {
        self.section("Outputs")
    }

    pub(crate) fn section(&self, name: &str) -> &Map<String, Value> {
        self.0[name].as_object().unwrap_or_else(|| panic!("the template has no section {name}"))
    }

    /// The resources of a type, by their logical names. Loops are left out.
    pub(crate) fn resources<'a>(&'a self, kind: &str) -> Vec<(&'a str, &'a Value)> {
        self.all_resources().filter(|(_, resource)| resource["Type"] == kind).collect()
    }

    /// The resources of a type, each item of a loop (`Fn::ForEach`) as a resource of its own.
    pub(crate) fn resources_of_loops_too(&self, kind: &str) -> Vec<Value> {
        let single = self.resources(kind).into_iter().map(|(_, resource)| resource.clone());
        let loops = self.section("Resources").iter().filter(|(name, _)| name.starts_with("Fn::ForEach::")).map(|(_, every)| every);
        let unrolled = loops.flat_map(|every| {
            let variable = every[0].as_str().expect("a loop has a variable");
            // A loop over a parameter has as many as its deployment says.
            let items = every[1].as_array().into_iter().flatten().filter_map(Value::as_str);
            let bodies = || every[2].as_object().expect("a loop has a body").values().filter(|body| body["Type"] == kind);
            items.flat_map(move |item| bodies().map(move |body| body_for(body, variable, item)))
        });
        single.chain(unrolled).collect()
    }

    pub(crate) fn all_resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.section("Resources").iter().map(|(name, resource)| (name.as_str(), resource)).filter(|(name, _)| !name.starts_with("Fn::"))
    }

    pub(crate) fn properties(&self, logical_name: &str) -> &Value {
        &self.section("Resources").get(logical_name).unwrap_or_else(|| panic!("there is no resource {logical_name}"))["Properties"]
    }

    pub(crate) fn substitutions(&self, state_machine: &str) -> &Map<String, Value> {
        self.properties(state_machine)["DefinitionSubstitutions"].as_object().expect("there are substitutions")
    }

    /// Seconds, from the function itself or from the globals.
    pub(crate) fn function_timeout(&self, logical_name: &str) -> Option<u64> {
        self.properties(logical_name)["Timeout"].as_u64().or_else(|| self.0["Globals"]["Function"]["Timeout"].as_u64())
    }

    /// A function's variables, the global ones included.
    pub(crate) fn variables(&self, logical_name: &str) -> BTreeSet<String> {
        let own = &self.properties(logical_name)["Environment"]["Variables"];
        let shared = &self.0["Globals"]["Function"]["Environment"]["Variables"];
        [own, shared].into_iter().filter_map(Value::as_object).flat_map(Map::keys).cloned().collect()
    }

    /// Every policy statement of the template, with the resource that it stands in.
    pub(crate) fn statements(&self) -> Vec<(&str, &Value)> {
        fn below(value: &Value) -> Vec<&Value> {
            match value {
                Value::Array(items) => items.iter().flat_map(below).collect(),
                Value::Object(fields) if fields.contains_key("Effect") => vec![value],
                Value::Object(fields) => fields.values().flat_map(below).collect(),
                _ => Vec::new(),
            }
        }
        self.all_resources().flat_map(|(name, resource)| below(resource).into_iter().map(move |statement| (name, statement))).collect()
    }
}

/// A loop's body for one of its items.
fn body_for(body: &Value, variable: &str, item: &str) -> Value {
    match body {
        Value::String(text) => text.replace(&format!("${{{variable}}}"), item).into(),
        Value::Array(items) => items.iter().map(|value| body_for(value, variable, item)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), body_for(value, variable, item))).collect(),
        other => other.clone(),
    }
}

/// The actions of a policy statement, one or many.
pub(crate) fn actions(statement: &Value) -> Vec<&str> {
    one_or_many(&statement["Action"]).filter_map(Value::as_str).collect()
}

pub(crate) fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.iter().collect::<Vec<_>>().into_iter(),
        single => vec![single].into_iter(),
    }
}

fn long_form(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => json!(value),
        Yaml::Number(number) => number.as_i64().map_or_else(|| json!(number.as_f64()), |whole| json!(whole)),
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(fields) => {
            fields.into_iter().map(|(key, field)| (key.as_str().expect("keys are strings").to_owned(), long_form(field))).collect()
        }
        Yaml::Tagged(tagged) => {
            let function = tagged.tag.to_string();
            let argument = long_form(tagged.value);
            match function.trim_start_matches('!') {
                "Ref" => json!({"Ref": argument}),
                "Condition" => json!({"Condition": argument}),
                "GetAtt" => {
                    let path = argument.as_str().expect("!GetAtt takes a dotted name");
                    let (resource, attribute) = path.split_once('.').expect("!GetAtt takes a dotted name");
                    json!({"Fn::GetAtt": [resource, attribute]})
                }
                name => json!({format!("Fn::{name}"): argument}),
            }
        }
    }
}
