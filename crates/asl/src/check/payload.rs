//! Values with paths or expressions in them: what they read, and whether it is there at that moment.

use serde_json::{Map, Value};

use super::expressions::{self, Reads};
use super::paths::{self, Path, Root};
use super::workflow::Read;
use super::{Checker, Language, Severity};

/// When a value is evaluated, and so what there is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the state has done its work.
    Entering,
    /// With the result of a task, of branches or of items.
    Returned,
    /// With the error that a Catch has caught.
    Caught,
}

/// What a field with a path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    /// Any path, or null for nothing.
    AnyOrNull,
    /// Any path.
    Any,
    /// A path of names and indices.
    Reference,
    /// A path of names and indices that does not begin at the context object.
    ReferenceWithoutContext,
    /// A path of names and indices into the input, or null for nothing.
    InputReferenceOrNull,
    /// A path of names and indices, or a call of an intrinsic function.
    ReferenceOrIntrinsic,
}

impl Checker<'_> {
    /// A value that may hold paths or expressions, however deep.
    pub(super) fn payload(&mut self, value: &Value, location: &str, language: Language, moment: Moment) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    let place = format!("{location}/{key}");
                    match (key.strip_suffix(".$"), language) {
                        (Some(_), Language::JsonPath) => self.dynamic_field(key, field, location),
                        (Some(name), Language::Jsonata) => {
                            let message = format!("The key '{key}' is JSONPath; under JSONata its value stays the text that it is");
                            let hint = format!("Write \"{name}\": \"{{% … %}}\".");
                            self.findings.add(Severity::Fault, "JSONPATH_KEY", &place, message, hint);
                        }
                        (None, _) => {
                            if language == Language::JsonPath {
                                self.static_field(key, field, &place);
                            }
                            self.payload(field, &place, language, moment);
                        }
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.payload(item, &format!("{location}[{index}]"), language, moment);
                }
            }
            Value::String(text) if language == Language::Jsonata => self.text(text, location, moment),
            _ => {}
        }
    }

    /// An `Assign`; gives the names of its variables.
    pub(super) fn assign(&mut self, fields: &Map<String, Value>, location: &str, language: Language, moment: Moment) -> Vec<String> {
        let Some(value) = fields.get("Assign") else { return Vec::new() };
        let place = format!("{location}/Assign");
        let Some(variables) = value.as_object() else {
            self.wrong_type(&place, "OBJECT", "Write an object with a field for each variable.");
            return Vec::new();
        };
        self.payload(value, &place, language, moment);
        let mut names = Vec::new();
        for key in variables.keys() {
            let name = if language == Language::JsonPath { key.strip_suffix(".$").unwrap_or(key) } else { key };
            let place = format!("{place}/{key}");
            if name == "states" {
                let hint = "$states is what Step Functions gives an expression: choose another name.";
                self.findings.refused(&place, "The variable name 'states' is reserved", hint);
            } else if !is_variable_name(name) {
                let message = format!("'{name}' can't be the name of a variable");
                let hint = "A name begins with a letter and goes on with letters, digits and _, 80 of them at most.";
                self.findings.refused(&place, message, hint);
            }
            names.push(name.to_owned());
        }
        names
    }

    /// A field with a path.
    pub(super) fn path_field(&mut self, fields: &Map<String, Value>, field: &str, location: &str, kind: PathKind) {
        let Some(value) = fields.get(field).filter(|value| !self.is_placeholder(value)) else { return };
        let place = format!("{location}/{field}");
        let text = match value {
            Value::Null if matches!(kind, PathKind::AnyOrNull | PathKind::InputReferenceOrNull) => return,
            Value::String(text) => self.filled(text).into_owned(),
            _ => return self.wrong_type(&place, "STRING", "Write a path such as \"$.order.id\"."),
        };
        if kind == PathKind::ReferenceOrIntrinsic && paths::is_intrinsic(&text) {
            return self.dynamic_text(field, &text, &place, location);
        }
        let path = match paths::path(&text) {
            Ok(path) => path,
            Err(reason) => {
                let hint = format!("{}. A path begins with $, such as $.order.id.", capitalized(&reason));
                return self.findings.refused(&place, "Value is not a valid JSONPath", hint);
            }
        };
        let wrong_root = match kind {
            PathKind::InputReferenceOrNull => path.root != Root::Input,
            PathKind::ReferenceWithoutContext => path.root == Root::Context,
            _ => false,
        };
        if (!path.is_reference && !matches!(kind, PathKind::Any | PathKind::AnyOrNull)) || wrong_root {
            let hint = "Only names and indices may stand here, such as $.order.lines[0]: no wildcard, no filter, no context object.";
            self.findings.refused(&place, "Value is not a Reference Path", hint);
        }
        self.path_read(path, &place);
    }

    /// A field whose name ends with `.$`.
    fn dynamic_field(&mut self, key: &str, value: &Value, location: &str) {
        let place = format!("{location}/{key}");
        let Some(text) = value.as_str() else {
            let name = key.trim_end_matches(".$");
            let message = format!("The value for the field '{key}' must be a STRING that contains a JSONPath or an intrinsic function");
            return self.findings.refused(location, message, format!("Write a path, or call the field {name}."));
        };
        let text = self.filled(text).into_owned();
        self.dynamic_text(key, &text, &place, location);
    }

    fn dynamic_text(&mut self, key: &str, text: &str, place: &str, container: &str) {
        match paths::path_or_intrinsic(text) {
            Ok(reads) => {
                for message in reads.miscounted {
                    let hint = "The developer guide lists the arguments of each intrinsic function.";
                    self.findings.add(Severity::Fault, "WRONG_ARGUMENTS", place, message, hint);
                }
                for path in reads.paths {
                    self.path_read(path, place);
                }
            }
            Err(reason) => {
                let message = format!("The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call");
                self.findings.refused(container, message, format!("{}: {text}", capitalized(&reason)));
            }
        }
    }

    /// A field whose name doesn't end with `.$`, and whose value looks as if it should.
    fn static_field(&mut self, key: &str, value: &Value, place: &str) {
        if value.as_str().is_some_and(|text| paths::looks_like_path(text) || paths::is_intrinsic(text)) {
            let message = format!("The value of '{key}' looks like a path or a function, but stays the text that it is");
            self.findings.add(Severity::Warning, "NO_DOLLAR", place, message, format!("Call the field \"{key}.$\"."));
        }
    }

    fn path_read(&mut self, path: Path, place: &str) {
        self.token.passed |= path.passes_task_token();
        if path.reads_task_token() {
            self.token.read_at.get_or_insert_with(|| place.to_owned());
        }
        if let Root::Variable(name) = path.root {
            self.reads.push(Read { name, location: place.to_owned(), asked_for: false });
        }
    }

    /// A text under JSONata.
    fn text(&mut self, text: &str, location: &str, moment: Moment) {
        match text.strip_prefix("{%").map(|rest| rest.strip_suffix("%}")) {
            Some(Some(source)) => self.expression(source, location, moment),
            Some(None) => {
                let hint = "End it with %} and nothing behind it.";
                self.findings.add(Severity::Fault, "UNCLOSED_EXPRESSION", location, "An expression begins with {% and does not end", hint);
            }
            None if text.trim_start().starts_with("{%") && text.trim_end().ends_with("%}") => {
                let message = "White space around {% … %} makes a text of the expression";
                self.findings.add(Severity::Fault, "UNCLOSED_EXPRESSION", location, message, "Take the white space away.");
            }
            None if paths::looks_like_path(text) || paths::is_intrinsic(text) => {
                let message = format!("'{text}' is JSONPath; under JSONata it stays the text that it is");
                let hint = "Write it in JSONata: {% $states.input.… %}, {% $states.context.… %} or {% $variable %}.";
                self.findings.add(Severity::Warning, "JSONPATH_VALUE", location, message, hint);
            }
            None => {}
        }
    }

    fn expression(&mut self, source: &str, location: &str, moment: Moment) {
        let source = self.filled(source).into_owned();
        let reads = match expressions::read(&source) {
            Ok(reads) => reads,
            Err((code, message)) => {
                // What it would hand on can't be told.
                self.token.passed = true;
                let hint = "Step Functions can't read the expression: try it at try.jsonata.org, with the JSONata of version 2.0.";
                return self.findings.add(Severity::Error, code, location, message, hint);
            }
        };
        self.token.passed |= expressions::passes_task_token(&reads);
        if expressions::reads_task_token(&reads) {
            self.token.read_at.get_or_insert_with(|| location.to_owned());
        }
        self.top_level(&reads, location);
        for fields in &reads.states {
            self.states(fields, location, moment);
        }
        for function in reads.unknown_functions {
            let message = format!("There is no function {function}");
            let hint = match function.as_str() {
                "$eval" => "Step Functions leaves $eval out; $parse reads JSON.".to_owned(),
                written => match expressions::nearest_function(written) {
                    Some(near) => format!("Did you mean ${near}?"),
                    None => "JSONata's functions are at docs.jsonata.org; Step Functions adds $partition, $range, $hash, $random, $uuid and $parse.".to_owned(),
                },
            };
            self.findings.add(Severity::Fault, "UNKNOWN_FUNCTION", location, message, hint);
        }
        for variable in reads.variables {
            self.reads.push(Read { name: variable.name, location: location.to_owned(), asked_for: variable.asked_for });
        }
    }

    /// Nothing stands at the top of an expression.
    fn top_level(&mut self, reads: &Reads, location: &str) {
        for reference in &reads.top_level {
            let message = match reference.as_str() {
                "$$" => "Reference to '$$' is not supported.".to_owned(),
                other => format!("Reference to '{other}' at the top level is not supported."),
            };
            let hint = match reference.as_str() {
                "$" | "$$" => "The state's input is $states.input.".to_owned(),
                name if expressions::is_function(name) => format!("A function's name begins with $: ${name}."),
                name => format!("Write $states.input.{name} for the input's field, ${name} for a variable, '{name}' for a text."),
            };
            self.findings.add(Severity::Error, "UNSUPPORTED_JSONATA_EXPRESSION", location, message, hint);
        }
    }

    fn states(&mut self, fields: &[String], location: &str, moment: Moment) {
        let Some(field) = fields.first().map(String::as_str) else { return };
        match (field, moment) {
            ("input" | "context", _) | ("result", Moment::Returned) | ("errorOutput", Moment::Caught) => {}
            ("errorOutput", _) => {
                let hint = "Only the Output and Assign of a Catch see $states.errorOutput.";
                let message = "Field '$states.errorOutput' does not exist.";
                self.findings.add(Severity::Error, "UNSUPPORTED_JSONATA_EXPRESSION", location, message, hint);
            }
            ("result", _) => {
                let message = "There is no $states.result here";
                let hint = "Only the Output and Assign of a Task, Parallel or Map see the result; what came in is $states.input.";
                self.findings.add(Severity::Fault, "MISSING_STATES_FIELD", location, message, hint);
            }
            (other, _) => {
                let message = format!("$states has no field {other}");
                let hint = "It has input, context, result (in Output and Assign) and errorOutput (in a Catch).";
                self.findings.add(Severity::Fault, "MISSING_STATES_FIELD", location, message, hint);
            }
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    name.chars().count() <= 80
        && name.starts_with(|mark: char| mark.is_alphabetic() || mark == '_')
        && name.chars().all(|mark| mark.is_alphanumeric() || mark == '_')
}

fn capitalized(sentence: &str) -> String {
    let mut marks = sentence.chars();
    marks.next().map_or_else(String::new, |first| first.to_uppercase().chain(marks).collect())
}
