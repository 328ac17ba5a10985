//! One state: its type, its fields, where it leads.

use serde_json::{Map, Value};

use super::fields::{self, is_expression, nearest};
use super::payload::{Moment, PathKind};
use super::workflow::{Sight, State, Transition};
use super::{Checker, Kind, Language, Severity, Token, UNSUPPORTED};

/// The most characters of a state's name.
const LONGEST_NAME: usize = 80;

impl<'a> Checker<'a> {
    pub(super) fn named_state(&mut self, name: &'a str, state: &'a Value, location: &str) -> State {
        let mut checked = State {
            name: name.to_owned(),
            location: location.to_owned(),
            reads: Vec::new(),
            transitions: Vec::new(),
            assigns: Vec::new(),
            ends: false,
            inner: Vec::new(),
            sight: Sight::Outer,
        };
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            let message = format!("A state's name has 1 to {LONGEST_NAME} characters");
            self.findings.add(Severity::Error, "INVALID_STATE_NAME", location, message, "Shorten it; a Comment has room for the rest.");
        }
        if self.names.insert(name, location.to_owned()).is_some() {
            self.findings.duplicate_state(name, location);
        }
        match state {
            Value::Object(fields) => self.state(fields, &mut checked),
            _ => self.wrong_type(location, "OBJECT", "A state is an object with a Type."),
        }
        checked
    }

    fn state(&mut self, fields: &'a Map<String, Value>, state: &mut State) {
        let location = state.location.clone();
        self.required(fields, &["Type"], &location);
        self.one_of(fields, "Type", &fields::TYPES, &location);
        self.text_field(fields, "Comment", &location);
        let language = self.language(fields, &location, self.machine);
        let Some(kind) = fields.get("Type").and_then(Value::as_str).filter(|kind| fields::TYPES.contains(kind)) else {
            return whatever_it_is(fields, state);
        };
        self.allowed(fields, kind, &location, language);

        let outer = std::mem::take(&mut self.reads);
        let mut shared = Shared { location: &location, language, assigns: Vec::new() };
        self.input_and_output(fields, kind, &mut shared);
        match kind {
            "Task" => self.task(fields, &location, language),
            "Wait" => self.wait(fields, &location, language),
            "Pass" => self.pass(fields, &location, language),
            "Fail" => self.fail(fields, &location, language),
            "Choice" => self.choice(fields, &location, language, &shared.assigns, &mut state.transitions),
            "Parallel" => self.parallel(fields, &location, state),
            "Map" => self.map(fields, &location, language, state),
            _ => {}
        }
        state.assigns.clone_from(&shared.assigns);
        match kind {
            "Succeed" | "Fail" => state.ends = true,
            "Choice" => {}
            _ => self.next_or_end(fields, &location, shared.assigns, state),
        }
        if ["Task", "Parallel", "Map"].contains(&kind) {
            self.retry(fields, &location);
            self.catch(fields, &location, language, &mut state.transitions);
        }
        state.assigns.extend(state.transitions.iter().flat_map(|transition| transition.assigns.clone()));
        state.reads = std::mem::replace(&mut self.reads, outer);
    }

    /// Fields that may not stand in this type of state, or not in this language.
    fn allowed(&mut self, fields: &Map<String, Value>, kind: &str, location: &str, language: Language) {
        let [always, paths, expressions] = fields::of(kind);
        if self.machine == Language::Jsonata && language == Language::JsonPath {
            let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine";
            let hint = "Leave QueryLanguage out of the machine and write it into each state that uses JSONata.";
            return self.findings.refused(location, message, hint);
        }
        let (own, others, is, other) = match language {
            Language::JsonPath => (paths, expressions, "JSONPath", "JSONata"),
            Language::Jsonata => (expressions, paths, "JSONata", "JSONPath"),
        };
        for field in fields.keys().map(String::as_str) {
            if fields::ALWAYS.contains(&field) || always.contains(&field) || own.contains(&field) {
                continue;
            }
            if others.contains(&field) {
                let message =
                    format!("The QueryLanguage is set to '{is}', but field '{field}' is only supported for the '{other}' QueryLanguage");
                self.findings.refused(location, message, instead(field, language));
                continue;
            }
            let known = || fields::ALWAYS.iter().chain(always).chain(own).copied();
            let hint = match nearest(field, known()) {
                Some(near) => format!("Did you mean {near}?"),
                None => elsewhere(field, kind),
            };
            self.findings.refused(location, format!("Field '{field}' is not supported"), hint);
        }
    }

    /// What most types have in common: what goes in, what comes out, what is assigned.
    fn input_and_output(&mut self, fields: &Map<String, Value>, kind: &str, shared: &mut Shared<'_>) {
        let (location, language) = (shared.location, shared.language);
        let moment = if ["Task", "Parallel", "Map"].contains(&kind) { Moment::Returned } else { Moment::Entering };
        self.token = Token::default();
        match language {
            Language::JsonPath => {
                self.path_field(fields, "InputPath", location, PathKind::AnyOrNull);
                self.payload_field(fields, "Parameters", location, language, Moment::Entering);
            }
            Language::Jsonata => self.payload_field(fields, "Arguments", location, language, Moment::Entering),
        }
        // What is read up to here goes into the task; what follows is read after it.
        let token = std::mem::take(&mut self.token);
        match language {
            Language::JsonPath => {
                self.payload_field(fields, "ResultSelector", location, language, Moment::Returned);
                self.path_field(fields, "ResultPath", location, PathKind::InputReferenceOrNull);
                self.path_field(fields, "OutputPath", location, PathKind::AnyOrNull);
            }
            Language::Jsonata => self.payload_field(fields, "Output", location, language, moment),
        }
        shared.assigns = self.assign(fields, location, language, moment);
        self.token = token;
    }

    fn payload_field(&mut self, fields: &Map<String, Value>, field: &str, location: &str, language: Language, moment: Moment) {
        if let Some(value) = fields.get(field) {
            self.payload(value, &format!("{location}/{field}"), language, moment);
        }
    }

    fn next_or_end(&mut self, fields: &Map<String, Value>, location: &str, assigns: Vec<String>, state: &mut State) {
        let (next, end) = (fields.get("Next"), fields.get("End"));
        self.exclusive(fields, &["Next", "End"], location);
        match (next, end) {
            (None, None) => {
                let message = "There should be one of the following fields: [Next, End]";
                self.findings.refused(location, message, "Name the next state, or write \"End\": true.");
            }
            (_, Some(Value::Bool(true))) => state.ends = true,
            (None, Some(Value::Bool(false))) => {
                let message = "There should be one of the following fields: [Next, End]";
                self.findings.refused(location, message, "\"End\": false leads nowhere: name the next state, or write \"End\": true.");
            }
            (_, Some(value)) if !value.is_boolean() => self.wrong_type(&format!("{location}/End"), "BOOLEAN", "Write true."),
            _ => {}
        }
        if let Some(next) = next {
            self.transition(next, format!("{location}/Next"), assigns, &mut state.transitions);
        }
    }

    /// A field that names a state.
    pub(super) fn transition(&mut self, to: &Value, location: String, assigns: Vec<String>, transitions: &mut Vec<Transition>) {
        match to.as_str() {
            Some(to) => transitions.push(Transition { to: to.to_owned(), location, assigns }),
            None => self.wrong_type(&location, "STRING", "Write the name of a state."),
        }
    }

    fn wait(&mut self, fields: &Map<String, Value>, location: &str, language: Language) {
        let names = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
        let own = if language == Language::JsonPath { &names[..] } else { &["Seconds", "Timestamp"] };
        if !names.iter().any(|name| fields.contains_key(*name)) {
            let message = format!("There should be one of the following fields: [{}]", own.join(", "));
            self.findings.refused(location, message, "Say how long to wait, or until when.");
        }
        self.exclusive(fields, own, location);
        self.seconds(fields, "Seconds", location, language, 0);
        self.scalar_expression(fields, "Seconds", location, language);
        self.timestamp(fields, location, language);
        if language == Language::JsonPath {
            self.path_field(fields, "SecondsPath", location, PathKind::Reference);
            self.path_field(fields, "TimestampPath", location, PathKind::Reference);
        }
    }

    fn timestamp(&mut self, fields: &Map<String, Value>, location: &str, language: Language) {
        let Some(value) = fields.get("Timestamp").filter(|value| !self.is_placeholder(value)) else { return };
        let place = format!("{location}/Timestamp");
        match value.as_str() {
            None => self.wrong_type(&place, "STRING", "Write an instant such as \"2026-11-21T01:00:00Z\"."),
            Some(_) if is_expression(value, language) => self.payload(value, &place, language, Moment::Entering),
            Some(text) if !is_timestamp(&self.filled(text)) => {
                let hint = "Write date, T, time and Z or an offset, such as 2026-11-21T01:00:00Z.";
                self.findings.refused(&place, "String does not match RFC3339 timestamp", hint);
            }
            Some(_) => {}
        }
    }

    /// A number that may be an expression: looks at the expression.
    pub(super) fn scalar_expression(&mut self, fields: &Map<String, Value>, field: &str, location: &str, language: Language) {
        if let Some(value) = fields.get(field).filter(|value| is_expression(value, language)) {
            self.payload(value, &format!("{location}/{field}"), language, Moment::Entering);
        }
    }

    fn pass(&mut self, fields: &Map<String, Value>, location: &str, language: Language) {
        fn dynamic(value: &Value) -> Option<&str> {
            match value {
                Value::Object(fields) => {
                    fields.iter().find_map(|(key, value)| if key.ends_with(".$") { Some(key.as_str()) } else { dynamic(value) })
                }
                Value::Array(items) => items.iter().find_map(dynamic),
                _ => None,
            }
        }
        if language == Language::JsonPath
            && let Some(key) = fields.get("Result").and_then(dynamic)
        {
            let message = format!("A Result is taken as it stands: '{key}' is not evaluated");
            let hint = "Parameters evaluates paths.";
            self.findings.add(Severity::Warning, "PASS_RESULT_IS_STATIC", &format!("{location}/Result"), message, hint);
        }
    }

    fn fail(&mut self, fields: &Map<String, Value>, location: &str, language: Language) {
        for field in ["Error", "Cause"] {
            self.exclusive(fields, &[field, &format!("{field}Path")], location);
            let place = format!("{location}/{field}");
            match fields.get(field) {
                Some(value @ Value::String(_)) => self.payload(value, &place, language, Moment::Entering),
                Some(_) => self.wrong_type(&place, "STRING", "Write a text."),
                None => {}
            }
            if language == Language::JsonPath {
                self.path_field(fields, &format!("{field}Path"), location, PathKind::ReferenceOrIntrinsic);
            }
        }
    }

    fn parallel(&mut self, fields: &'a Map<String, Value>, location: &str, state: &mut State) {
        self.required(fields, &["Branches"], location);
        let place = format!("{location}/Branches");
        match fields.get("Branches") {
            Some(Value::Array(branches)) if branches.is_empty() => {
                self.findings.refused(&place, "Value cannot be empty", "A Parallel has one branch at least.");
            }
            Some(Value::Array(branches)) => {
                for (index, branch) in branches.iter().enumerate() {
                    self.inner(branch, &format!("{place}[{index}]"), fields::BRANCH, state);
                }
            }
            Some(_) => self.wrong_type(&place, "ARRAY", "Write a list of branches, each with StartAt and States."),
            None => {}
        }
    }

    fn inner(&mut self, value: &'a Value, location: &str, allowed: &[&str], state: &mut State) {
        match value.as_object() {
            Some(fields) => {
                // Its states read for themselves.
                let outer = std::mem::take(&mut self.reads);
                let workflow = self.workflow(fields, location, allowed);
                state.inner.push(workflow);
                self.reads = outer;
            }
            None => self.wrong_type(location, "OBJECT", "Write an object with StartAt and States."),
        }
    }

    fn map(&mut self, fields: &'a Map<String, Value>, location: &str, language: Language, state: &mut State) {
        let body = if fields.contains_key("Iterator") { "Iterator" } else { "ItemProcessor" };
        self.exclusive(fields, &["ItemProcessor", "Iterator"], location);
        self.required(fields, &[body], location);
        if let Some(processor) = fields.get(body) {
            if distributed(processor) {
                state.sight = Sight::Own;
                if self.kind == Kind::Express {
                    let message = "Express state machine does not support Distributed Map";
                    let hint = "Make the state machine a STANDARD one, or the Map's Mode INLINE.";
                    self.findings.refused(&format!("{location}/{body}/ProcessorConfig/Mode"), message, hint);
                }
            }
            self.processor_config(processor, &format!("{location}/{body}"));
            self.inner(processor, &format!("{location}/{body}"), fields::ITEM_PROCESSOR, state);
        }
        self.label(fields, location);
        for (field, most) in [("MaxConcurrency", i64::MAX), ("ToleratedFailureCount", i64::MAX), ("ToleratedFailurePercentage", 100)] {
            self.exclusive(fields, &[field, &format!("{field}Path")], location);
            if field == "ToleratedFailurePercentage" {
                self.percentage(fields, field, location, language);
            } else {
                self.whole_number(fields, field, location, language, 0, most);
            }
            self.scalar_expression(fields, field, location, language);
            if language == Language::JsonPath {
                self.path_field(fields, &format!("{field}Path"), location, PathKind::ReferenceWithoutContext);
            }
        }
        if language == Language::JsonPath {
            self.path_field(fields, "ItemsPath", location, PathKind::Any);
        } else if let Some(items) = fields.get("Items") {
            let place = format!("{location}/Items");
            if !items.is_array() && !items.is_object() && !is_expression(items, language) && !self.is_placeholder(items) {
                self.wrong_type(&place, "ARRAY", "Write a list, or a JSONata expression that gives one.");
            }
            self.payload(items, &place, language, Moment::Entering);
        }
        self.payload_field(fields, "ItemSelector", location, language, Moment::Entering);
        self.distributed_fields(fields, location);
    }

    fn percentage(&mut self, fields: &Map<String, Value>, field: &str, location: &str, language: Language) {
        let Some(value) = fields.get(field).filter(|value| !self.is_placeholder(value) && !is_expression(value, language)) else { return };
        let place = format!("{location}/{field}");
        match value.as_f64() {
            None => self.wrong_type(&place, "NUMBER", "Write a number from 0 to 100."),
            Some(number) if number < 0.0 => self.findings.refused(&place, "Minimum value is 0.0", "Write a number from 0 to 100."),
            Some(number) if number > 100.0 => self.findings.refused(&place, "Maximum value is 100.0", "Write a number from 0 to 100."),
            Some(_) => {}
        }
    }

    fn processor_config(&mut self, processor: &Value, location: &str) {
        let Some(config) = processor.get("ProcessorConfig") else { return };
        let place = format!("{location}/ProcessorConfig");
        let Some(config) = config.as_object() else { return self.wrong_type(&place, "OBJECT", "Write an object with a Mode.") };
        self.one_of(config, "Mode", &["INLINE", "DISTRIBUTED"], &place);
        self.one_of(config, "ExecutionType", &["STANDARD", "EXPRESS"], &place);
        for field in config.keys().filter(|field| !["Mode", "ExecutionType"].contains(&field.as_str())) {
            self.findings.refused(&place, format!("Field '{field}' is not supported"), "Here may stand: Mode, ExecutionType.");
        }
        if config.get("Mode").is_some_and(|mode| mode == "DISTRIBUTED") {
            self.required(config, &["ExecutionType"], &place);
        }
    }

    /// <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>
    fn label(&mut self, fields: &'a Map<String, Value>, location: &str) {
        let Some(value) = fields.get("Label").filter(|value| !self.is_placeholder(value)) else { return };
        let place = format!("{location}/Label");
        let Some(label) = value.as_str() else { return self.wrong_type(&place, "STRING", "Write a text of 40 characters at most.") };
        let forbidden = |mark: &char| mark.is_whitespace() || mark.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(*mark);
        let message = if label.is_empty() {
            "Label cannot be empty".to_owned()
        } else if label.chars().count() > 40 {
            "Label cannot exceed 40 characters".to_owned()
        } else if let Some(mark) = label.chars().find(forbidden) {
            format!("Label contains invalid character: '{}'", mark.escape_debug())
        } else if !self.labels.insert(label) {
            let message = format!("Duplicate label: {label}");
            return self.findings.add(Severity::Error, "DUPLICATE_LABEL_NAME", &place, message, "Give each Map a Label of its own.");
        } else {
            return;
        };
        let hint = "A Label has 1 to 40 characters, without white space, brackets, wildcards and \" # % \\ ^ | ~ ` $ & , ; : /.";
        self.findings.add(Severity::Error, "INVALID_LABEL_NAME", &place, message, hint);
    }

    /// What only a distributed Map has, and this engine doesn't run.
    fn distributed_fields(&mut self, fields: &Map<String, Value>, location: &str) {
        for field in ["ItemReader", "ItemBatcher", "ResultWriter"].into_iter().filter(|field| fields.contains_key(*field)) {
            let message = format!("This engine runs no {field}");
            let hint = "Read the items in a Task before the Map, or run this Map on AWS.";
            self.findings.add(Severity::Unsupported, UNSUPPORTED, &format!("{location}/{field}"), message, hint);
        }
    }
}

/// What the checks of one state share.
struct Shared<'l> {
    location: &'l str,
    language: Language,
    assigns: Vec<String>,
}

/// A state whose type is not known still leads where its fields say, so that one fault is not told as many.
fn whatever_it_is(fields: &Map<String, Value>, state: &mut State) {
    let rules = ["Choices", "Catch"].into_iter().filter_map(|field| fields.get(field)?.as_array()).flatten();
    let targets = ["Next", "Default"].into_iter().filter_map(|field| fields.get(field)).chain(rules.filter_map(|rule| rule.get("Next")));
    let transition = |to: &str| Transition { to: to.to_owned(), location: format!("{}/Next", state.location), assigns: Vec::new() };
    state.transitions = targets.filter_map(Value::as_str).map(transition).collect();
    state.ends = state.transitions.is_empty();
}

fn distributed(processor: &Value) -> bool {
    processor["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
}

/// What to write in the other language.
fn instead(field: &str, language: Language) -> String {
    match (language, field) {
        (Language::Jsonata, "Parameters") => "Under JSONata it is called Arguments.".to_owned(),
        (Language::Jsonata, "InputPath") => "Leave it out: expressions choose from $states.input themselves.".to_owned(),
        (Language::Jsonata, "ResultSelector" | "ResultPath" | "OutputPath" | "Result") => {
            "Under JSONata, Output says what a state gives, from $states.result and $states.input.".to_owned()
        }
        (Language::Jsonata, "ItemsPath") => "Under JSONata it is called Items.".to_owned(),
        (Language::Jsonata, other) => {
            format!("Under JSONata, {} itself takes an expression between {{% and %}}.", other.trim_end_matches("Path"))
        }
        (Language::JsonPath, "Arguments") => "Under JSONPath it is called Parameters; or set \"QueryLanguage\": \"JSONata\".".to_owned(),
        (Language::JsonPath, "Items") => "Under JSONPath it is called ItemsPath; or set \"QueryLanguage\": \"JSONata\".".to_owned(),
        (Language::JsonPath, _) => "Set \"QueryLanguage\": \"JSONata\", or use ResultSelector, ResultPath and OutputPath.".to_owned(),
    }
}

/// In which types a field may stand that may not stand here.
fn elsewhere(field: &str, kind: &str) -> String {
    let homes: Vec<&str> = fields::TYPES.into_iter().filter(|kind| fields::of(kind).iter().any(|group| group.contains(&field))).collect();
    if homes.is_empty() { format!("A {kind} state has no such field: take it out.") } else { format!("Only {} has it.", homes.join(", ")) }
}

/// An instant as RFC 3339 writes it, with a `T` and an offset.
pub(super) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let zoned = text.ends_with('Z') || bytes.len() > 6 && matches!(bytes[bytes.len() - 6], b'+' | b'-') && bytes[bytes.len() - 3] == b':';
    bytes.get(10) == Some(&b'T') && zoned && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_a_date_that_exists_a_time_and_an_offset() {
        for good in ["2016-12-05T21:29:29Z", "2016-12-05T21:29:29.123Z", "2016-12-05T21:29:29+01:00"] {
            assert!(is_timestamp(good), "{good}");
        }
        for bad in
            ["2016-12-05 21:29:29Z", "2016-12-05T21:29:29", "2016-13-05T21:29:29Z", "2016-12-05T25:29:29Z", "2016-12-05", "", "tomorrow"]
        {
            assert!(!is_timestamp(bad), "{bad}");
        }
    }
}
