//! What a Task calls, with what, and how long it waits.

use serde_json::{Map, Value};

use super::expressions;
use super::fields::{is_expression, nearest};
use super::integrations::{self, Arguments, Pattern, Resource, Unknown};
use super::payload::{Moment, PathKind};
use super::{Checker, Kind, Language, Severity, UNSUPPORTED};

impl Checker<'_> {
    /// Comes right after the look at what goes into the task, which has noted whether a token does.
    pub(super) fn task(&mut self, fields: &Map<String, Value>, location: &str, language: Language) {
        let token = std::mem::take(&mut self.token);
        self.required(fields, &["Resource"], location);
        self.text_field(fields, "Resource", location);
        self.credentials(fields, location, language);
        let resource = fields.get("Resource").and_then(Value::as_str).filter(|resource| !self.hides_its_service(resource));
        let pattern = resource.map(|resource| self.resource(resource, fields, location, language));
        if pattern == Some(Pattern::TaskToken) && !token.passed {
            let message = "Nobody learns the task token: the state waits until it times out";
            let (field, token) = match language {
                Language::Jsonata => ("Arguments", "\"{% $states.context.Task.Token %}\""),
                Language::JsonPath => ("Parameters", "\"taskToken.$\": \"$$.Task.Token\""),
            };
            let hint = format!("Hand it on in {field}, as {token}, so that somebody can answer with SendTaskSuccess.");
            self.findings.add(Severity::Fault, "MISSING_TASK_TOKEN", &format!("{location}/{field}"), message, hint);
        }
        if let (Some(place), Some(Pattern::RequestResponse | Pattern::Sync)) = (token.read_at, pattern) {
            let message = "There is no task token: only a Resource that ends with .waitForTaskToken gets one";
            let hint = "Add .waitForTaskToken to the Resource, or leave the token out.";
            self.findings.add(Severity::Fault, "NO_TASK_TOKEN", &place, message, hint);
        }
        self.time_limits(fields, location, language, pattern.unwrap_or(Pattern::RequestResponse));
    }

    /// Whether what is called is known only after the deployment.
    fn hides_its_service(&self, resource: &str) -> bool {
        let service = resource.split_once(":states:::").map_or(resource, |(_, service)| service);
        self.filled(service) != service
    }

    fn resource(&mut self, arn: &str, fields: &Map<String, Value>, location: &str, language: Language) -> Pattern {
        let place = format!("{location}/Resource");
        match Resource::read(arn) {
            Resource::Function => Pattern::RequestResponse,
            Resource::Activity => {
                if self.kind == Kind::Express {
                    let hint = "Make the state machine a STANDARD one, or call a function.";
                    self.findings.refused(&place, "Express state machine does not support Activity ARN", hint);
                } else {
                    let hint = "Call a function with lambda:invoke.waitForTaskToken instead: its worker answers with the token.";
                    self.findings.add(Severity::Unsupported, UNSUPPORTED, &place, "This engine runs no activities", hint);
                }
                Pattern::RequestResponse
            }
            Resource::Integration { service, action, suffix } => {
                let pattern = Pattern::of(suffix);
                if self.kind == Kind::Express && pattern != Pattern::RequestResponse {
                    let message = format!("Express state machine does not support '{suffix}' service integration ");
                    let hint = "Make the state machine a STANDARD one, or call without waiting.";
                    self.findings.refused(&place, message, hint);
                    return pattern;
                }
                match integrations::known(service, action, suffix) {
                    Ok(arguments) => self.arguments(&arguments, fields, location, language),
                    Err(Unknown::Service) => {
                        let message = format!("The service {service} is not among those whose actions are known here");
                        let hint = "It was not checked: look up the action's name and arguments in the AWS SDK for Java 2.";
                        self.findings.add(Severity::Warning, "UNCHECKED_SERVICE", &place, message, hint);
                    }
                    Err(Unknown::Resource { hint }) => self.unrecognized(arn, &place, &hint),
                }
                pattern
            }
            Resource::Unrecognized => {
                self.unrecognized(arn, &place, "Write a Lambda function's ARN or arn:aws:states:::service:action.");
                Pattern::RequestResponse
            }
        }
    }

    fn unrecognized(&mut self, arn: &str, place: &str, hint: &str) {
        let message = format!(
            "The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource is not available in this \
             region."
        );
        self.findings.refused(place, message, hint);
    }

    /// Looks at the names of what goes into the call.
    fn arguments(&mut self, known: &Arguments, fields: &Map<String, Value>, location: &str, language: Language) {
        let field = if language == Language::Jsonata { "Arguments" } else { "Parameters" };
        let place = format!("{location}/{field}");
        let empty = Map::new();
        let given = match fields.get(field) {
            Some(Value::Object(given)) => given,
            // An expression can give anything, and so can the whole input.
            Some(value) if is_expression(value, language) || self.is_placeholder(value) => return,
            None if language == Language::JsonPath => return,
            None => &empty,
            Some(_) => return self.wrong_type(&place, "OBJECT", "Write an object with the arguments of the call."),
        };
        let bare = |name: &str| if language == Language::JsonPath { name.trim_end_matches(".$") } else { name }.to_owned();
        let names: Vec<String> = given.keys().map(|name| bare(name)).collect();
        for required in known.required.iter().filter(|required| !names.iter().any(|name| name.eq_ignore_ascii_case(required))) {
            let message = format!("The field '{required}' is required but was missing");
            let slip = |name: &&String| nearest(name, std::iter::once(*required)).is_some();
            let hint = match names.iter().find(slip) {
                Some(near) => format!("Is {near} a slip of the pen?"),
                None => format!("Add {required} to {field}."),
            };
            self.findings.add(Severity::Fault, "MISSING_ARGUMENT", &place, message, hint);
        }
        for (written, name) in given.keys().zip(&names) {
            let place = format!("{place}/{written}");
            if known.all.iter().any(|known| known == name) || known.all.is_empty() {
                continue;
            }
            match known.all.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                // The SDK writes SSEKMSKeyId as SsekmsKeyId: only a small first letter is surely wrong.
                Some(right) if name.starts_with(char::is_lowercase) => {
                    let message = format!("The field \"{name}\" is not supported by Step Functions");
                    self.findings.add(
                        Severity::Fault,
                        "UNKNOWN_ARGUMENT",
                        &place,
                        message,
                        format!("Arguments begin with a capital: {right}."),
                    );
                }
                Some(_) => {}
                None => {
                    let message = format!("The field \"{name}\" is not supported by Step Functions");
                    let hint = match nearest(name, known.all.iter().copied()) {
                        Some(near) => format!("Did you mean {near}?"),
                        None => format!("The call takes {}.", known.all.join(", ")),
                    };
                    self.findings.add(Severity::Fault, "UNKNOWN_ARGUMENT", &place, message, hint);
                }
            }
        }
    }

    fn credentials(&mut self, fields: &Map<String, Value>, location: &str, language: Language) {
        let Some(value) = fields.get("Credentials") else { return };
        let place = format!("{location}/Credentials");
        let Some(credentials) = value.as_object() else {
            if !is_expression(value, language) {
                self.wrong_type(&place, "OBJECT", "Write an object with a RoleArn.");
            }
            return;
        };
        let names = if language == Language::JsonPath { &["RoleArn", "RoleArn.$"][..] } else { &["RoleArn"] };
        if !names.iter().any(|name| credentials.contains_key(*name)) {
            self.findings.refused(&place, "The field 'RoleArn' is required but was missing", "Name the role that the task takes on.");
        }
        self.payload(value, &place, language, Moment::Entering);
    }

    /// The number that a field's expression always gives.
    fn constant(&self, value: &Value, language: Language) -> Option<f64> {
        let source = value.as_str().filter(|_| is_expression(value, language))?;
        let source = source.strip_prefix("{%")?.strip_suffix("%}")?;
        // What a placeholder stands for is not known yet.
        if self.filled(source) == source { expressions::constant(source) } else { None }
    }

    fn time_limits(&mut self, fields: &Map<String, Value>, location: &str, language: Language, pattern: Pattern) {
        for field in ["TimeoutSeconds", "HeartbeatSeconds"] {
            self.exclusive(fields, &[field, &format!("{field}Path")], location);
            self.scalar_expression(fields, field, location, language);
            if language == Language::JsonPath {
                self.path_field(fields, &format!("{field}Path"), location, PathKind::Reference);
            }
        }
        let mut limit = |field: &str| {
            let number = self.seconds(fields, field, location, language, 1);
            #[expect(clippy::cast_precision_loss, reason = "seconds are small")]
            number.map(|number| number as f64).or_else(|| self.constant(fields.get(field)?, language))
        };
        let (timeout, heartbeat) = (limit("TimeoutSeconds"), limit("HeartbeatSeconds"));
        if let (Some(timeout), Some(heartbeat)) = (timeout, heartbeat)
            && heartbeat >= timeout
        {
            let message = format!("HeartbeatSeconds ({heartbeat}) is not smaller than TimeoutSeconds ({timeout})");
            let hint = "The timeout always comes first, and a lost worker is never noticed: take a part of the timeout.";
            self.findings.add(Severity::Fault, "HEARTBEAT_NOT_SMALLER", &format!("{location}/HeartbeatSeconds"), message, hint);
        }
        let has = |field: &str| fields.contains_key(field) || fields.contains_key(&format!("{field}Path"));
        if has("TimeoutSeconds") {
            return;
        }
        let hint = "Add TimeoutSeconds, a little more than the longest time that it may take.";
        match pattern {
            Pattern::TaskToken if !has("HeartbeatSeconds") => {
                let message = "A task that waits for its token has no timeout: if nobody answers, it waits for a year";
                self.findings.add(Severity::Fault, "MISSING_TIMEOUT", location, message, hint);
            }
            Pattern::Sync => {
                let message = "A task that waits for a job has no timeout: a job that hangs holds it for a year";
                self.findings.add(Severity::Fault, "MISSING_TIMEOUT", location, message, hint);
            }
            Pattern::TaskToken | Pattern::RequestResponse => {
                let message = "The task has no timeout: a call that hangs holds the execution";
                self.findings.add(Severity::Warning, "MISSING_TIMEOUT", location, message, hint);
            }
        }
    }
}
