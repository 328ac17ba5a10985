//! The scenarios of `tests/scenarios` through the server's API, its tasks, jobs and tokens: the clock is wound, nothing else is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, ready};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

use nightly_asl::{Failure, Instant, Pattern};
use nightly_scenarios::{Action, Answer, Expected, Reply, Scenario};
use serde_json::{Value, json};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant as Moment, sleep, sleep_until};

use crate::clock::Clock;
use crate::executions::StepFunctions;
use crate::local_aws::{Call, LocalAws, Script};
use crate::scope::Scope;

/// How much later than under virtual time a night may end here: jobs are asked after once a second at the latest.
const LATEST_SECONDS: u32 = 30;

#[test]
fn every_scenario_comes_out_through_the_server_as_it_says() {
    let all = Scenario::read_all(&root().join("tests/scenarios")).unwrap();
    assert!(all.len() >= 14, "only {} scenarios are there", all.len());
    let wrong: Vec<String> = all.iter().filter_map(|scenario| differs(&scenario.expected, &play(scenario), &scenario.name)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_scenario_that_comes_out_otherwise_is_noticed() {
    let mut scenario = Scenario::read(&root().join("tests/scenarios/published.json")).unwrap();
    let came = play(&scenario);
    assert_eq!(differs(&scenario.expected, &came, "published"), None);
    scenario.expected.path.pop();
    assert!(differs(&scenario.expected, &came, "published").is_some());
}

/// Plays a scenario on a server with a clock of its own.
fn play(scenario: &Scenario) -> Expected {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let folder = tempfile::tempdir().unwrap();
        let started = Moment::now();
        let clock = Clock::Virtual(Instant(scenario.start.as_millisecond()), started);
        let world = Rc::new(World {
            scenario: scenario.name.clone(),
            replies: RefCell::new(scenario.replies.iter().map(|reply| (reply.clone(), reply.times)).collect()),
            jobs: RefCell::default(),
            steps: RefCell::default(),
        });
        let steps = StepFunctions::restore(folder.path(), LocalAws::Scripted(Box::new(Rc::clone(&world))), clock).unwrap();
        *world.steps.borrow_mut() = Rc::downgrade(&steps);
        let definition = scenario.deployed(&root()).unwrap();
        let machine =
            json!({"name": "scenario", "definition": definition.to_string(), "roleArn": "arn:aws:iam::123456789012:role/scenario"});
        let machine = ask(&steps, "CreateStateMachine", &machine)["stateMachineArn"].clone();
        let start = json!({"stateMachineArn": machine, "name": scenario.name, "input": scenario.input.to_string()});
        let execution = ask(&steps, "StartExecution", &start)["executionArn"].clone();
        let named = json!({"executionArn": execution});
        for intervention in &scenario.interventions {
            sleep_until(started + Duration::from_secs(intervention.after_seconds.into())).await;
            match &intervention.action {
                Action::Stop(failure) => {
                    ask(&steps, "StopExecution", &json!({"executionArn": execution, "error": failure.error, "cause": failure.cause}));
                }
                Action::Redrive => {
                    ask(&steps, "RedriveExecution", &named);
                }
            }
        }
        while ask(&steps, "DescribeExecution", &named)["status"] == "RUNNING" {
            sleep(Duration::from_millis(500)).await;
        }
        outcome(&ask(&steps, "DescribeExecution", &named), &history(&steps, &execution))
    })
}

fn history(steps: &Rc<StepFunctions>, execution: &Value) -> Vec<Value> {
    let mut events = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut request = json!({"executionArn": execution, "maxResults": 50});
        if !token.is_null() {
            request["nextToken"] = token;
        }
        let mut page = ask(steps, "GetExecutionHistory", &request);
        events.append(page["events"].as_array_mut().unwrap());
        token = page["nextToken"].take();
        if token.is_null() {
            return events;
        }
    }
}

fn outcome(described: &Value, events: &[Value]) -> Expected {
    let text = |name: &str| described[name].as_str().map(str::to_owned);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a scenario takes hours, forwards")]
    let seconds = (described["stopDate"].as_f64().unwrap() - described["startDate"].as_f64().unwrap()) as u32;
    Expected {
        path: events.iter().filter_map(|event| event["stateEnteredEventDetails"]["name"].as_str().map(str::to_owned)).collect(),
        status: text("status").unwrap(),
        output: text("output").map(|output| serde_json::from_str(&output).unwrap()),
        error: text("error"),
        cause: text("cause"),
        after_seconds: Some(seconds),
        events: events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect(),
    }
}

/// What came out otherwise. Side by side, states may take turns that a second more or less decides.
fn differs(expected: &Expected, came: &Expected, name: &str) -> Option<String> {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let (Expected { path, events, .. }, Expected { path: came_path, events: came_events, .. }) = (expected, came);
    let in_time = expected.after_seconds.is_none_or(|seconds| (seconds..=seconds + LATEST_SECONDS).contains(&came.after_seconds.unwrap()));
    let ended = |one: &Expected| (one.status.clone(), one.output.clone(), one.error.clone(), one.cause.clone());
    let same = ended(expected) == ended(came) && sorted(path) == sorted(came_path) && sorted(events) == sorted(came_events) && in_time;
    (!same).then(|| format!("{name}: expected {expected:#?}\ncame {came:#?}"))
}

#[track_caller]
fn ask(steps: &Rc<StepFunctions>, operation: &str, request: &Value) -> Value {
    let scope = Scope { region: "eu-central-1".to_owned(), account: "123456789012".to_owned() };
    steps.answer(&scope, operation, &request.to_string()).unwrap_or_else(|refusal| panic!("{operation}: {refusal}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// The local AWS of a scenario.
struct World {
    scenario: String,
    /// Each reply, and how often it is still to be given.
    replies: RefCell<Vec<(Reply, u32)>>,
    /// When each job ends, and how.
    jobs: RefCell<HashMap<String, (Moment, Answer)>>,
    steps: RefCell<Weak<StepFunctions>>,
}

type Answered = Pin<Box<dyn Future<Output = Result<Value, Failure>>>>;

impl Script for Rc<World> {
    fn call(&self, call: &Call<'_>) -> Answered {
        let Some(task) = call.task else { return Box::pin(ready(self.look_after(call))) };
        let reply = self.next(&task.state);
        match (&reply.submitted, task.resource.pattern) {
            (Some(submitted), Pattern::Sync) => {
                let id = ["JobRunId", "QueryExecutionId", "ExecutionArn"]
                    .iter()
                    .find_map(|name| submitted[*name].as_str())
                    .expect("a job has an id");
                let ends = Moment::now() + Duration::from_secs(reply.after_seconds.into());
                self.jobs.borrow_mut().insert(id.to_owned(), (ends, reply.answer.clone()));
                Box::pin(ready(Ok(submitted.clone())))
            }
            (Some(submitted), _) => {
                let token = task.token.as_deref().expect("what is submitted and is no job waits for a token").to_owned();
                let submitted = submitted.clone();
                spawn_local(Rc::clone(self).send_back(token, reply));
                Box::pin(ready(Ok(as_sent(submitted))))
            }
            (None, _) => Box::pin(async move {
                sleep(Duration::from_secs(reply.after_seconds.into())).await;
                match reply.answer {
                    Answer::Result(result) => Ok(as_sent(result)),
                    Answer::Failure(failure) => Err(failure),
                    Answer::Silence => std::future::pending().await,
                }
            }),
        }
    }
}

impl World {
    fn next(&self, state: &str) -> Reply {
        let mut replies = self.replies.borrow_mut();
        let next = replies.iter_mut().find(|(reply, left)| *left > 0 && reply.state == state);
        let (reply, left) = next.unwrap_or_else(|| panic!("{state} calls its task once more than {} has replies", self.scenario));
        *left -= 1;
        reply.clone()
    }

    /// What a job is asked or told, by its id.
    fn look_after(&self, call: &Call<'_>) -> Result<Value, Failure> {
        let id = ["RunId", "QueryExecutionId", "ExecutionArn"].iter().find_map(|name| call.parameters[*name].as_str());
        let jobs = self.jobs.borrow();
        let job = id.and_then(|id| jobs.get(id));
        match (call.action, job) {
            ("batchStopJobRun" | "stopQueryExecution" | "stopExecution", _) => Ok(json!({})),
            ("getJobRun", Some((ends, _))) if Moment::now() < *ends => Ok(json!({"JobRun": {"JobRunState": "RUNNING"}})),
            ("describeExecution", Some((ends, _))) if Moment::now() < *ends => Ok(json!({"Status": "RUNNING"})),
            (_, Some((ends, _))) if Moment::now() < *ends => Ok(json!({"QueryExecution": {"Status": {"State": "RUNNING"}}})),
            ("getJobRun", Some((_, Answer::Result(run)))) => Ok(json!({"JobRun": run})),
            (_, Some((_, Answer::Result(result)))) => Ok(result.clone()),
            (_, Some((_, Answer::Failure(failure)))) => Err(failure.clone()),
            (action, _) => panic!("nobody expects {action} of {id:?}"),
        }
    }

    /// Beats for a task, and ends it.
    async fn send_back(self: Rc<Self>, token: String, reply: Reply) {
        let tell = |operation: &str, request: Value| {
            let steps = self.steps.borrow().upgrade();
            // What comes after the end of the task is refused, and nobody minds.
            steps.is_some_and(|steps| steps.answer(&Scope::of_arn(""), operation, &request.to_string()).is_ok())
        };
        let ends = Moment::now() + Duration::from_secs(reply.after_seconds.into());
        if let Some(seconds) = reply.beats_every_seconds {
            let mut next = Moment::now() + Duration::from_secs(seconds.into());
            while reply.answer == Answer::Silence || next < ends {
                sleep_until(next).await;
                if !tell("SendTaskHeartbeat", json!({"taskToken": token})) {
                    return;
                }
                next += Duration::from_secs(seconds.into());
            }
        }
        sleep_until(ends).await;
        match &reply.answer {
            Answer::Result(output) => tell("SendTaskSuccess", json!({"taskToken": token, "output": output.to_string()})),
            Answer::Failure(failure) => {
                tell("SendTaskFailure", json!({"taskToken": token, "error": failure.error, "cause": failure.cause}))
            }
            Answer::Silence => false,
        };
    }
}

/// A function's payload is text until Step Functions reads it.
fn as_sent(mut result: Value) -> Value {
    if let Some(payload) = result.get_mut("Payload") {
        *payload = Value::String(payload.to_string());
    }
    result
}
