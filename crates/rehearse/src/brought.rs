//! A definition that somebody brings, with the tasks that their TOML describes.

use std::cell::RefCell;
use std::rc::Rc;

use nightly_asl::check::Finding;
use nightly_asl::{Failure, Instant, Json, Task as Call};
use nightly_rehearsal::{Chance, Course, End, Night, Outcome, Rehearsal, Violation};
use serde_json::{Map, Value, json};

use crate::tasks::{self, Answer, Behaviour, Behind, Question, Reply, Tasks, Unanswerable, Wrong};

/// A definition with its tasks, ready to rehearse.
pub struct Brought {
    rehearsal: Rehearsal,
    players: Rc<Players>,
}

/// Why a definition can't be rehearsed.
#[derive(Debug)]
pub enum Refused {
    /// The TOML is wrong.
    Tasks(Vec<Wrong>),
    /// The definition is.
    Definition(Vec<Finding>),
}

/// An expression of the TOML gave no value; the file is wrong, and not the definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} (seed {seed})")]
pub struct Trouble {
    place: String,
    seed: u64,
    #[source]
    source: Unanswerable,
}

impl Brought {
    /// Reads both texts.
    pub fn load(definition: &str, tasks: &str) -> Result<Self, Refused> {
        let tasks = tasks::read(tasks, definition).map_err(Refused::Tasks)?;
        let definition = tasks.definition.clone();
        let players = Rc::new(Players { tasks, night: RefCell::new(Playing::default()) });
        let rehearsal = Rehearsal::of(&definition, Shared(players.clone())).map_err(Refused::Definition)?;
        Ok(Self { rehearsal, players })
    }

    /// The definition with its placeholders filled in.
    pub fn definition(&self) -> &Value {
        &self.players.tasks.definition
    }

    /// Plays the night of this seed, and holds it against the invariants.
    pub fn night(&self, seed: u64) -> Result<Night, Trouble> {
        let mut night = self.rehearsal.night(seed);
        if let Some(trouble) = self.players.night.borrow_mut().trouble.take() {
            return Err(trouble);
        }
        if night.outcome == Outcome::Stuck {
            let waiting = night.timeline.iter().rfind(|visit| visit.end == End::Open).map_or("a state", |visit| &visit.state);
            let what = format!("{waiting} waits for ever: nothing answers it, and it has no timeout");
            night.violations.push(Violation { invariant: "Every night ends", what });
        }
        self.judge(&mut night)?;
        Ok(night)
    }

    fn judge(&self, night: &mut Night) -> Result<(), Trouble> {
        let tasks = &self.players.tasks;
        if tasks.invariants.is_empty() {
            return Ok(());
        }
        let told = told(night, &tasks.definition, self.players.night.borrow().input.value());
        let words = || vec![("night", told.clone())];
        for (index, invariant) in tasks.invariants.iter().enumerate() {
            let chance = Rc::new(RefCell::new(Chance::new(night.seed).of(("invariant", index as u64))));
            let question = Question { words: &words, chance, now: night.ended };
            let holds = invariant.holds.evaluate(&question).map_err(|source| Trouble {
                place: format!("invariant[{index}].holds, «{}»", invariant.name),
                seed: night.seed,
                source,
            })?;
            if *holds.value() != Value::Bool(true) {
                let what = format!("«{}» is {}", night.outcome.name(), holds.text());
                night.violations.push(Violation { invariant: invariant.name, what });
            }
        }
        Ok(())
    }
}

/// What an invariant sees of a night as `$night`.
fn told(night: &Night, definition: &Value, input: &Value) -> Value {
    let mut states = Map::new();
    for name in tasks::state_names(definition) {
        states.insert(name.to_owned(), json!({"entered": 0, "tried": 0, "succeeded": 0, "failed": 0, "caught": 0}));
    }
    for visit in &night.timeline {
        let Some(state) = states.get_mut(&visit.state) else { continue };
        let mut count = |name: &str, more: u64| state[name] = json!(state[name].as_u64().unwrap_or_default() + more);
        count("entered", 1);
        count("tried", visit.attempts.into());
        match &visit.end {
            End::Left => count("succeeded", 1),
            End::Caught { .. } => {
                count("caught", 1);
                count("failed", 1);
            }
            End::Failed { .. } => count("failed", 1),
            End::Stopped | End::Open => {}
        }
    }
    let (ended, error, cause, output) = match &night.outcome {
        Outcome::Succeeded { output } => ("SUCCEEDED", None, None, serde_json::from_str(output).ok()),
        Outcome::Failed { error, cause } => ("FAILED", Some(error), Some(cause), None),
        Outcome::TimedOut => ("TIMED_OUT", None, None, None),
        Outcome::Aborted => ("ABORTED", None, None, None),
        Outcome::Stuck => ("STUCK", None, None, None),
    };
    #[expect(clippy::cast_precision_loss, reason = "a night is short")]
    let seconds = night.makespan_millis() as f64 / 1000.0;
    let mut told = json!({"status": ended, "input": input, "seconds": seconds, "transitions": night.transitions, "states": states});
    if let Value::Object(fields) = &mut told {
        fields.extend(error.map(|error| ("error".to_owned(), json!(error))));
        fields.extend(cause.map(|cause| ("cause".to_owned(), json!(cause))));
        fields.extend(output.map(|output: Value| ("output".to_owned(), output)));
    }
    told
}

/// What the tasks do, and what is remembered of the night that is being played.
struct Players {
    tasks: Tasks,
    night: RefCell<Playing>,
}

struct Playing {
    seed: u64,
    input: Json,
    trouble: Option<Trouble>,
}

impl Default for Playing {
    fn default() -> Self {
        Self { seed: 0, input: Json::empty(), trouble: None }
    }
}

/// The rehearsal has one hand on them, whoever judges the other.
struct Shared(Rc<Players>);

impl nightly_rehearsal::Tasks for Shared {
    fn starts_at(&self) -> Instant {
        self.0.tasks.start
    }

    fn input(&self, seed: u64) -> Json {
        let words = || vec![("seed", json!(seed))];
        let chance = Rc::new(RefCell::new(Chance::new(seed).of("input")));
        let question = Question { words: &words, chance, now: self.0.tasks.start };
        let mut night = self.0.night.borrow_mut();
        *night = Playing { seed, ..Playing::default() };
        match self.0.tasks.input.evaluate(&question) {
            Ok(input) => night.input = input,
            Err(source) => night.trouble = Some(Trouble { place: "night.input".to_owned(), seed, source }),
        }
        night.input.clone()
    }

    fn course(&self, call: &Call, at: Instant, chance: Chance) -> Course {
        let Some(behaviour) = self.0.tasks.of_state(&call.state).cloned() else { return Course::default() };
        match self.0.play(call, at, chance, &behaviour) {
            Ok(course) => course,
            Err(source) => {
                let mut night = self.0.night.borrow_mut();
                let (place, seed) = (format!("states.{}, entry {}, try {}", call.state, call.entry + 1, call.retries + 1), night.seed);
                night.trouble.get_or_insert(Trouble { place, seed, source });
                Course { end: Some((0, Err(Failure::named("States.Runtime")))), ..Course::default() }
            }
        }
    }
}

impl Players {
    fn play(&self, call: &Call, at: Instant, mut chance: Chance, behaviour: &Behaviour) -> Result<Course, Unanswerable> {
        let mut course = Course::default();
        let call_millis = behaviour.call.draw(&mut chance);
        if chance.happens(behaviour.never) {
            course.fault = Some("never answers".to_owned());
            return Ok(course);
        }
        if let Some(failing) = tasks::failing(&behaviour.failures, &mut chance) {
            let millis = failing.after.as_ref().map_or(call_millis, |after| after.draw(&mut chance));
            course.fault = Some(format!("fails with {}", failing.error));
            course.end = Some((millis, Err(Failure::new(&failing.error, &failing.cause))));
            return Ok(course);
        }
        match &behaviour.behind {
            Behind::Nothing => {
                let asked = Asked { call, at, millis: call_millis, job: None };
                course.end = Some((call_millis, Ok(self.answer(&behaviour.results, &asked, chance)?)));
            }
            Behind::Job { duration, ends, units } => {
                let millis = call_millis + duration.draw(&mut chance);
                let job = tasks::one_of(ends, &mut chance);
                course.submitted = Some((call_millis, submitted(call)));
                course.data_processing_units = *units;
                let asked = Asked { call, at, millis, job: Some(job) };
                course.end = Some((
                    millis,
                    if job == "SUCCEEDED" {
                        Ok(self.answer(&behaviour.results, &asked, chance)?)
                    } else {
                        course.fault = Some(format!("its job ends {job}"));
                        Err(Failure::new("States.TaskFailed", job_cause(call, job)))
                    },
                ));
            }
            Behind::Token(reply) => {
                let asked = Asked { call, at, millis: call_millis, job: None };
                course.submitted = Some((call_millis, self.answer(&behaviour.results, &asked, chance.of("call"))?));
                self.reply(&mut course, reply, call_millis, &asked, chance)?;
            }
        }
        Ok(course)
    }

    fn reply(
        &self,
        course: &mut Course,
        reply: &Reply,
        call_millis: i64,
        asked: &Asked<'_>,
        mut chance: Chance,
    ) -> Result<(), Unanswerable> {
        course.beats_every = reply.heartbeat;
        let millis = call_millis + reply.delay.draw(&mut chance);
        if chance.happens(reply.never) {
            course.fault = Some("nobody answers".to_owned());
        } else if let Some(failing) = tasks::failing(&reply.failures, &mut chance) {
            course.fault = Some(format!("the answer is the failure {}", failing.error));
            course.end = Some((millis, Err(Failure::new(&failing.error, &failing.cause))));
        } else {
            let asked = Asked { millis, ..*asked };
            course.end = Some((millis, Ok(self.answer(&reply.results, &asked, chance)?)));
        }
        Ok(())
    }

    fn answer(&self, results: &[(f64, Answer)], asked: &Asked<'_>, mut chance: Chance) -> Result<Json, Unanswerable> {
        let answer = tasks::one_of(results, &mut chance);
        let night = self.night.borrow();
        #[expect(clippy::cast_precision_loss, reason = "a night is short")]
        let seconds = |millis: i64| json!(millis as f64 / 1000.0);
        let words = || {
            vec![
                ("parameters", asked.call.parameters.value().clone()),
                ("input", night.input.value().clone()),
                ("state", json!(&*asked.call.state)),
                ("entry", json!(asked.call.entry + 1)),
                ("try", json!(asked.call.retries + 1)),
                ("elapsed", seconds(asked.at.0 - self.tasks.start.0)),
                ("seconds", seconds(asked.millis)),
                ("job", json!(asked.job)),
            ]
        };
        let question = Question { words: &words, chance: Rc::new(RefCell::new(chance)), now: asked.at.plus_millis(asked.millis) };
        answer.evaluate(&question)
    }
}

/// Which call wants to know.
#[derive(Clone, Copy)]
struct Asked<'a> {
    call: &'a Call,
    at: Instant,
    millis: i64,
    job: Option<&'a str>,
}

/// What the call that starts a job answers at once.
fn submitted(call: &Call) -> Json {
    let id = format!("{}-{}-{}", call.state, call.entry + 1, call.retries + 1);
    match (call.resource.service.as_str(), call.resource.action.split('.').next().unwrap_or_default()) {
        ("glue", _) => json!({"JobRunId": id}),
        ("athena", _) => json!({"QueryExecutionId": id}),
        ("batch", _) => json!({"JobId": id, "JobName": call.parameters.value()["JobName"]}),
        ("states", _) => json!({"ExecutionArn": id}),
        _ => json!({}),
    }
    .into()
}

/// What Step Functions says of a job that ended badly: the job, as its service describes it.
fn job_cause(call: &Call, job: &str) -> String {
    let field = match call.resource.service.as_str() {
        "glue" => "JobRunState",
        "athena" | "elasticmapreduce" => "State",
        "codebuild" => "BuildStatus",
        _ => "Status",
    };
    json!({field: job, "JobName": call.parameters.value()["JobName"]}).to_string()
}
