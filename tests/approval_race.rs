//! Who wins: people, the clock, the watch and a repeated question, in every order, with a crash or a failed call at any point.
//!
//! The handlers are the real ones, on in-memory ports that stop before each call. A history is a list of choices: whose call comes next,
//! and what becomes of it. All of them are tried; two histories that came to the same world are followed once.

#![expect(clippy::unwrap_used, reason = "what goes wrong in here has failed the test")]

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::SignedDuration;
use lambda_http::http::Method;
use lambda_http::{Body, Request, RequestExt, Response};
use nightly_domain::approval::{Approval, ApprovalStatus, Ruling, TaskToken, Verdict};
use nightly_domain::evidence::EvidenceDigest;
use nightly_domain::link::{ApprovalId, Link};
use nightly_domain::memory::contract::{evidence, question, secret};
use nightly_domain::memory::{
    CountedSecrets, Fate, Gate, ManualClock, MemoryApprovals, MemoryMail, MemoryObjects, MemoryTasks, MemoryWatches, Wait,
};
use nightly_domain::people::Panel;
use nightly_domain::ports::{Approvals, Objects, Replaced, Watch};

const PEOPLE: [&str; 2] = ["a.berg@nordvik.example", "b.osei@nordvik.example"];
const APPROVE: &str = "decision=approve&seen=yes";
const REJECT: &str = "decision=reject&reason=No.";

/// What is tried in every order.
struct Scenario {
    required: u32,
    actors: Vec<Actor>,
    /// Crashes and failed calls in one history, at most.
    faults: usize,
    /// The step may fail while it waits and be tried again, with a new token.
    retried: bool,
}

#[derive(Debug, Clone, Copy)]
enum Actor {
    /// The person at this place opens their link, sends this form, and looks at what is then shown.
    Clicks(usize, &'static str),
    /// The watch over the first question goes a round.
    Watches,
}

/// One thing that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// An actor's next call, and what becomes of it.
    Call(usize, Fate),
    /// The actor is gone, before its next call.
    Crash(usize),
    /// The time to answer is over, by everybody's clock.
    DeadlinePasses,
    /// Step Functions ends the wait.
    TaskTimesOut,
    /// The definition settles with the record.
    Settle,
    /// The step fails while it waits; the definition tries it again.
    TaskFails,
}

/// How the night ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ending {
    Published,
    Rejected,
    Expired,
}

type Task = Pin<Box<dyn Future<Output = Outcome>>>;

/// What an actor's task comes to.
enum Outcome {
    /// Somebody saw this.
    Saw(String),
    /// The person is sent to look at their page, and remembers nothing of the click.
    Looks(Box<dyn FnOnce() -> Task>),
}

struct World {
    gate: Arc<Gate>,
    approvals: MemoryApprovals,
    tasks: MemoryTasks,
    watches: MemoryWatches,
    clock: ManualClock,
    required: u32,
    /// Of the attempt that waits.
    token: TaskToken,
    running: Vec<Option<Task>>,
    /// What each actor came to see; what a crash hid is not seen.
    seen: Vec<Option<String>>,
    /// The call that each actor is about to make.
    next: Vec<Option<&'static str>>,
    /// The calls that each actor has made, with what they found: where an actor stands depends on nothing else.
    traces: Vec<Vec<String>>,
    faults: usize,
    late: bool,
    retry: Option<usize>,
    ending: Option<Ending>,
}

fn id() -> ApprovalId {
    "night".parse().unwrap()
}

impl World {
    /// The question is put; everybody is about to act.
    fn begin(scenario: &Scenario, digest: &EvidenceDigest) -> Self {
        let gate = Arc::new(Gate::stepwise());
        let mut world = Self {
            approvals: MemoryApprovals::behind(&gate),
            tasks: MemoryTasks::behind(&gate),
            watches: MemoryWatches::behind(&gate),
            clock: ManualClock::at("2026-11-21T02:24:00Z".parse().unwrap()),
            gate,
            required: scenario.required,
            token: token(1),
            running: Vec::new(),
            seen: Vec::new(),
            next: Vec::new(),
            traces: Vec::new(),
            faults: 0,
            late: false,
            retry: None,
            ending: None,
        };
        let mut asked = question(&id(), &PEOPLE, scenario.required).first();
        asked.evidence.digest = digest.clone();
        world.tasks.wait(&world.token);
        assert_eq!(finish(world.approvals.replace(None, &asked)).unwrap(), Replaced::Stored);
        world.clock.advance(SignedDuration::from_mins(1));
        for actor in &scenario.actors {
            let task = match *actor {
                Actor::Clicks(place, form) => world.clicks(place, form),
                Actor::Watches => world.watches_over(1),
            };
            world.run(task);
        }
        world
    }

    /// Starts a task and lets it come to its first call.
    fn run(&mut self, task: Task) {
        self.running.push(Some(task));
        self.seen.push(None);
        self.traces.push(Vec::new());
        self.next.push(None);
        self.advance(self.running.len() - 1);
    }

    fn asks(&self) -> Task {
        let ports = approval_request::Ports {
            objects: MemoryObjects::behind(&self.gate),
            approvals: self.approvals.clone(),
            tasks: self.tasks.clone(),
            mail: MemoryMail::behind(&self.gate),
            watches: self.watches.clone(),
            secrets: CountedSecrets::starting_after(100),
            clock: self.clock.clone(),
            settings: approval_request::Settings {
                environment: "local".to_owned(),
                base_url: String::new(),
                panel: Panel::new(&PEOPLE, self.required).unwrap(),
            },
        };
        stage(&ports.objects);
        let request = approval_request::Request {
            task_token: self.token.clone(),
            approval_id: id(),
            execution_arn: "arn".to_owned(),
            run_id: evidence().summary.run_id,
            run_date: evidence().summary.run_date,
            timeout_seconds: 3600,
            staged_uri: evidence().staged_uri,
            quality: evidence().quality,
        };
        Box::pin(async move {
            match approval_request::handle(&ports, request).await {
                Ok(()) => Outcome::Saw("asked".to_owned()),
                Err(error) => Outcome::Saw(error.to_string()),
            }
        })
    }

    fn clicks(&self, place: usize, form: &'static str) -> Task {
        let ports = approval_callback::Ports {
            approvals: self.approvals.clone(),
            tasks: self.tasks.clone(),
            watches: self.watches.clone(),
            clock: self.clock.clone(),
            site: approval_callback::Site { environment: "local".to_owned(), status_page_url: None },
        };
        let path = Link { approval: id(), secret: secret(place) }.address("");
        let request = move |method: Method, body: &str| {
            let mut request = Request::new(Body::from(body)).with_raw_http_path(&path);
            *request.method_mut() = method;
            request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
            request
        };
        Box::pin(async move {
            let answer = approval_callback::handle(&ports, request(Method::POST, form)).await;
            if answer.status() != 303 {
                return Outcome::Saw(title(&answer));
            }
            Outcome::Looks(Box::new(move || {
                Box::pin(async move { Outcome::Saw(title(&approval_callback::handle(&ports, request(Method::GET, "")).await)) })
            }))
        })
    }

    fn watches_over(&self, generation: u32) -> Task {
        let ports = approval_watch::Ports {
            approvals: self.approvals.clone(),
            tasks: self.tasks.clone(),
            watches: self.watches.clone(),
            clock: self.clock.clone(),
        };
        Box::pin(async move {
            match approval_watch::handle(&ports, Watch { approval_id: id(), generation }).await {
                Ok(round) => Outcome::Saw(format!("{round:?}")),
                Err(error) => Outcome::Saw(error.to_string()),
            }
        })
    }

    fn record(&self) -> Approval {
        self.approvals.stored(&id()).unwrap()
    }

    fn wait(&self) -> Wait {
        self.tasks.outcome(&self.token).unwrap()
    }

    fn choices(&self, scenario: &Scenario) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (actor, task) in self.running.iter().enumerate() {
            if task.is_none() {
                continue;
            }
            choices.push(Choice::Call(actor, Fate::Works));
            // The second attempt's own faults end the night: they are the definition's business, not the record's.
            if self.faults == scenario.faults || self.retry == Some(actor) {
                continue;
            }
            let fates: &[_] = match self.next[actor] {
                Some("Approvals.replace" | "Tasks.succeed") => &[Fate::FailsBefore, Fate::FailsAfter],
                // Whether it was done before it failed, nobody can tell.
                Some("Approvals.read" | "Tasks.beat") => &[Fate::FailsBefore],
                // Nothing hangs on it.
                _ => continue,
            };
            choices.extend(fates.iter().map(|fate| Choice::Call(actor, *fate)));
            choices.push(Choice::Crash(actor));
        }
        // A click looks at the clock when it has read the record, and at no other time.
        if !self.late && self.next.iter().zip(&self.running).any(|(next, task)| task.is_some() && *next == Some("Approvals.read")) {
            choices.push(Choice::DeadlinePasses);
        }
        // A task waits longer than the function that asks may run.
        let asking = self.retry.is_some_and(|actor| self.running[actor].is_some());
        if self.ending.is_none() && !asking {
            match self.wait() {
                Wait::Waiting(_) => {
                    choices.push(Choice::TaskTimesOut);
                    if scenario.retried && self.retry.is_none() {
                        choices.push(Choice::TaskFails);
                    }
                }
                Wait::Answered(_) | Wait::Over => choices.push(Choice::Settle),
            }
        }
        choices
    }

    fn take(&mut self, choice: Choice) {
        match choice {
            Choice::Call(actor, fate) => {
                if fate != Fate::Works {
                    self.faults += 1;
                    self.gate.plan_next(fate);
                }
                let call = self.next[actor].unwrap();
                let found = if call.starts_with("Approvals") { self.recorded() } else { self.waited() };
                self.traces[actor].push(format!("{call} {fate:?} {found} {}", self.late));
                self.advance(actor);
                // Mails and schedules decide nothing: their calls are made in the same breath.
                while self.running[actor].is_some()
                    && !["Approvals", "Tasks"].iter().any(|port| self.next[actor].unwrap().starts_with(port))
                {
                    self.advance(actor);
                }
            }
            Choice::Crash(actor) => {
                self.faults += 1;
                self.running[actor] = None;
                self.traces[actor].clear();
            }
            Choice::DeadlinePasses => {
                self.late = true;
                self.clock.advance(SignedDuration::from_hours(1));
            }
            Choice::TaskTimesOut => {
                self.tasks.time_out(&self.token);
            }
            Choice::Settle => self.ending = Some(self.settle()),
            Choice::TaskFails => {
                self.tasks.time_out(&self.token);
                self.token = token(2);
                self.tasks.wait(&self.token);
                self.retry = Some(self.running.len());
                self.clock.advance(SignedDuration::from_secs(2));
                let task = self.asks();
                self.run(task);
            }
        }
    }

    /// The actor makes its call, and comes to its next one or to its end.
    fn advance(&mut self, actor: usize) {
        let task = self.running[actor].as_mut().unwrap();
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => self.next[actor] = self.gate.stopped_at(),
            Poll::Ready(Outcome::Saw(said)) => {
                self.running[actor] = None;
                self.traces[actor].clear();
                self.seen[actor] = Some(said);
            }
            Poll::Ready(Outcome::Looks(look)) => {
                self.running[actor] = Some(look());
                self.traces[actor].clear();
                self.advance(actor);
            }
        }
    }

    /// What the definition does once the wait is over: it goes by the answer, else by the record, which it expires if nobody has decided.
    fn settle(&self) -> Ending {
        let ruling = match self.wait() {
            Wait::Answered(output) => serde_json::from_str::<Verdict>(&output).unwrap().decision,
            _ => match self.approvals.expire(&id(), "2026-11-21T03:24:00Z".parse().unwrap()).unwrap().status {
                ApprovalStatus::Decided { verdict, .. } => verdict.decision,
                ApprovalStatus::Expired { .. } => return Ending::Expired,
                ApprovalStatus::Pending => unreachable!("it was just settled"),
            },
        };
        match ruling {
            Ruling::Approved => Ending::Published,
            Ruling::Rejected => Ending::Rejected,
        }
    }

    /// What a call to the store can find.
    fn recorded(&self) -> String {
        let record = self.record();
        format!("{} {} {} {:?} {:?}", record.generation, record.revision, record.task_token.expose(), record.status, record.approvers)
    }

    /// What a call to Step Functions can find.
    fn waited(&self) -> String {
        let outcome = |attempt| match self.tasks.outcome(&token(attempt)) {
            Some(Wait::Waiting(_)) => "waits".to_owned(),
            other => format!("{other:?}"),
        };
        outcome(1) + &outcome(2)
    }

    /// All that can matter from here on, and all that was said.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let alive: Vec<_> = self.running.iter().map(Option::is_some).collect();
        (self.recorded(), self.waited(), &self.traces, &self.next, &self.seen, alive, self.faults, self.late, self.retry, self.ending)
            .hash(&mut hasher);
        hasher.finish()
    }

    /// Everybody is gone, the answer is recorded and the night still waits: one round of the watch must bring it.
    fn is_healed_by_the_watch(&self, history: &[Choice]) {
        let record = self.record();
        if self.ending.is_some() || self.running.iter().any(Option::is_some) || record.undelivered().is_none() {
            return;
        }
        let waited = matches!(self.wait(), Wait::Waiting(_));
        let Outcome::Saw(round) = finish(self.watches_over(record.generation)) else { unreachable!("a watch looks at no page") };
        assert!(self.record().undelivered().is_none(), "{round} left the verdict: {history:?}");
        assert_eq!(waited, matches!(self.wait(), Wait::Answered(_)) && waited, "{round}: {history:?}");
    }

    /// Nobody can do anything any more: what happened must agree with what is recorded and with what was said.
    fn judge(&self, history: &[Choice]) {
        let record = self.record();
        let ending = self.ending.expect("the definition always ends");
        let agreed = match record.status.name() {
            "APPROVED" => ending == Ending::Published,
            "REJECTED" => ending == Ending::Rejected,
            "EXPIRED" => ending == Ending::Expired,
            _ => false,
        };
        assert!(agreed, "the record says {} and the night {ending:?}: {history:?}", record.status.name());
        for said in self.seen.iter().flatten() {
            let true_now = if said.contains("approved the build") {
                ending == Ending::Published
            } else if said.contains("rejected") {
                ending == Ending::Rejected
            } else if said.contains("nswer") && said.ends_with("is recorded") {
                matches!(ending, Ending::Published | Ending::Rejected)
            } else {
                true
            };
            assert!(true_now, "somebody was told «{said}» and the night {ending:?}: {history:?}");
        }
    }
}

fn stage(objects: &MemoryObjects) {
    objects.put(&evidence().staged_uri.join("_summary.json"), serde_json::to_vec(&evidence().summary).unwrap());
}

fn token(attempt: u32) -> TaskToken {
    format!("token-{attempt}").try_into().unwrap()
}

fn finish<Output>(task: impl Future<Output = Output>) -> Output {
    let mut task = std::pin::pin!(task);
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn title(answer: &Response<Body>) -> String {
    let page = String::from_utf8_lossy(answer.body().as_ref()).into_owned();
    page.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.replace('\u{a0}', " ")
}

/// Follows every history of the scenario, and prints their number.
fn explore(scenario: &Scenario) {
    fn follow(scenario: &Scenario, digest: &EvidenceDigest, history: &mut Vec<Choice>, known: &mut HashMap<u64, u128>) -> u128 {
        let mut world = World::begin(scenario, digest);
        for choice in &*history {
            world.take(*choice);
        }
        let here = world.fingerprint();
        if let Some(histories) = known.get(&here) {
            return *histories;
        }
        let choices = world.choices(scenario);
        if choices.is_empty() {
            world.judge(history);
        } else {
            world.is_healed_by_the_watch(history);
        }
        let mut histories = u128::from(choices.is_empty());
        for choice in choices {
            history.push(choice);
            histories += follow(scenario, digest, history, known);
            history.pop();
        }
        known.insert(here, histories);
        histories
    }
    let staged = MemoryObjects::default();
    stage(&staged);
    let listing = finish(staged.list(&evidence().staged_uri));
    let digest = EvidenceDigest::of(&evidence().staged_uri, &listing.unwrap());
    let mut known = HashMap::new();
    let histories = follow(scenario, &digest, &mut Vec::new(), &mut known);
    println!("{histories} histories through {} worlds agree", known.len());
    assert!(histories > 1000, "a scenario without histories proves nothing");
}

#[test]
fn two_people_agree_with_the_clock_whatever_crashes_or_fails() {
    let actors = vec![Actor::Clicks(0, APPROVE), Actor::Clicks(1, REJECT)];
    explore(&Scenario { required: 1, actors, faults: 1, retried: false });
}

#[test]
fn two_approvals_that_are_both_needed_agree_with_the_clock() {
    let actors = vec![Actor::Clicks(0, APPROVE), Actor::Clicks(1, APPROVE)];
    explore(&Scenario { required: 2, actors, faults: 1, retried: false });
}

#[test]
fn the_watch_delivers_what_a_crash_left() {
    let actors = vec![Actor::Clicks(0, APPROVE), Actor::Watches];
    explore(&Scenario { required: 1, actors, faults: 1, retried: false });
}

#[test]
fn a_step_that_is_tried_again_keeps_the_answer_or_asks_anew() {
    let actors = vec![Actor::Clicks(0, APPROVE)];
    explore(&Scenario { required: 1, actors, faults: 1, retried: true });
}

#[test]
#[ignore = "takes minutes"]
fn three_clicks_and_the_clock_agree_on_what_happened() {
    let actors = vec![Actor::Clicks(0, APPROVE), Actor::Clicks(0, REJECT), Actor::Clicks(1, REJECT)];
    explore(&Scenario { required: 1, actors, faults: 0, retried: false });
}

#[test]
#[ignore = "takes minutes"]
fn two_faults_change_nothing() {
    let clicks = vec![Actor::Clicks(0, APPROVE), Actor::Clicks(1, REJECT)];
    explore(&Scenario { required: 1, actors: clicks, faults: 2, retried: false });
    let healed = vec![Actor::Clicks(0, APPROVE), Actor::Watches];
    explore(&Scenario { required: 1, actors: healed, faults: 2, retried: true });
}
