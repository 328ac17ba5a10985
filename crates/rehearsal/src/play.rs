//! One night as it happens: everything that is due, in its order, until nothing is due any more.

mod calls;
mod integrations;
mod persons;

use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use nightly_asl::{Command, Execution, Failure, Instant, Start, Status, Stimulus, TaskId};
use nightly_domain::ObjectUri;
use nightly_domain::history::ExecutionEnd;
use nightly_domain::memory::calls::{ByCalls, Call, Reply};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::deployment::{JOB_UNITS, NOTICE_RECEIVES, NOTICE_VISIBILITY_SECONDS, RAW, WATCH_MINUTES};
use crate::described::{identity, outcome};
use crate::faults::{Fault, Faults};
use crate::functions::{Answer, Event, Function, House, Invocation};
use crate::line::Line;
use crate::people::{Deed, Mind};
use crate::queue::Queue;
use crate::story::{Begun, Story, When, WithOthers};
use crate::warehouse::Warehouse;
use crate::world::{Fate, Message, World, timestamp};
use crate::{Happening, Injected, Night, Violation, invariants, timeline};

/// 01:00 UTC, when the schedule starts the night.
const STARTS_AT: &str = "2026-11-21T01:00:00Z";
pub(crate) const RUN_DATE: &str = "2026-11-20";

/// A question about many dates, and who has put it.
pub(crate) const QUESTION: &str = "backfill-1";
pub(crate) const QUESTION_ARN: &str = "arn:aws:states:eu-central-1:111122223333:execution:nightly-question:backfill-1";
pub(crate) const BACKFILLED_BY: &str = "ops@nordvik.example";

/// Nothing in a night is due later than this after its start: an execution ends within twelve hours, and each redrive has as many.
const HORIZON_MILLIS: i64 = 3 * 24 * 3600 * 1000;

/// One night that is being played.
pub(crate) struct Play<'house> {
    pub(crate) warehouse: &'house Warehouse,
    pub(crate) seed: u64,
    pub(crate) chance: Chance,
    pub(crate) story: Story,
    faults: Faults,
    queue: Queue<Due>,
    pub(crate) world: World,
    pub(crate) runs: Vec<Run>,
    callers: Vec<Option<Caller>>,
    pub(crate) jobs: Vec<JobRun>,
    pub(crate) quality_runs: Vec<QualityRun>,
    queries: Vec<(String, u64)>,
    house: House,
    minds: Vec<Mind>,
    pub(crate) injected: Vec<Injected>,
    happened: Vec<Happening>,
    pub(crate) broken: Vec<Violation>,
    rates_asked: u32,
    /// When the first mail was sent.
    first_mail: Option<Instant>,
    messages_refused: u32,
    dpu_millis: f64,
}

/// An execution, and what it waits for.
pub(crate) struct Run {
    pub(crate) execution: Execution,
    pub(crate) arn: String,
    pub(crate) id: String,
    input: String,
    /// What each of its tasks is.
    doing: HashMap<TaskId, Doing>,
    tokens: Vec<(Rc<str>, TaskId)>,
    /// When it ended, each time that it did.
    pub(crate) ends: Vec<Instant>,
    pub(crate) redriven: Vec<Instant>,
    redrives_left: u8,
    /// Whether its input says so.
    pub(crate) forced: bool,
    /// When it looked last how another execution stands: whose, and whether that ran.
    pub(crate) looked: Option<Look>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) at: usize,
    pub(crate) ran: bool,
}

#[derive(Debug, Clone, Copy)]
enum Doing {
    Job(usize),
    Other,
}

/// A run of a Glue job.
pub(crate) struct JobRun {
    pub(crate) job: String,
    id: String,
    pub(crate) run: usize,
    task: TaskId,
    /// Whether Step Functions has heard of it.
    pub(crate) known: bool,
    arguments: Value,
    pub(crate) began: Instant,
    pub(crate) over: Option<Instant>,
    stopping: bool,
    destiny: Destiny,
    publishing: Option<usize>,
}

/// How a job run ends, if nobody stops it and it finds what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destiny {
    Succeeds,
    Fails,
    IsCutOff,
}

/// A run of the quality rules.
pub(crate) struct QualityRun {
    pub(crate) run: usize,
    token: String,
    began: Instant,
    takes_millis: i64,
    pub(crate) read: Option<Instant>,
}

/// An invocation that is under way.
struct Caller {
    function: Function,
    invocation: Invocation,
    line: Line,
    why: Why,
    begun: Instant,
    /// The call of this number is never answered.
    hangs: bool,
}

/// Who waits for an invocation.
#[derive(Debug, Clone)]
enum Why {
    /// A task; with the answer, or until a token comes back.
    Task(usize, TaskId, bool),
    /// Somebody who has stopped waiting, or never has.
    Nobody,
    /// The queue of notices.
    Notice(usize),
    /// A person, or their mail program.
    Person(usize, Deed, Instant),
}

enum Due {
    /// With force or without.
    Start(bool),
    Tell(usize, Stimulus),
    Invoke(Function, Box<Event>, Why),
    Effect(usize, u32, Call, Option<Fault>),
    Answer(usize, u32, Reply),
    CutOff(usize),
    Crash(usize),
    Writes(usize),
    JobEnds(usize),
    JobIsStopped(usize),
    Round(usize),
    Receive(usize),
    Does(usize, Deed),
    Stop,
    Redrive(usize),
    Tamper,
}

impl<'house> Play<'house> {
    pub(crate) fn begin(warehouse: &'house Warehouse, seed: u64, story: Story, faults: Faults) -> Self {
        let chance = Chance::new(seed);
        let starts_at = Instant(STARTS_AT.parse::<jiff::Timestamp>().expect("an instant").as_millisecond());
        let addresses = |deputy: bool| -> Vec<&str> {
            story.people.iter().filter(|person| person.deputy == deputy).map(|person| person.address).collect()
        };
        let house = House::new(&addresses(false), &addresses(true), story.required);
        let mut objects = warehouse.past.clone();
        if story.day.orders {
            objects.put(&ObjectUri::new(RAW, format!("orders/order_date={RUN_DATE}/orders.csv")), &b"order_id,line_number\n"[..]);
        }
        if story.day.inventory {
            objects.put(&ObjectUri::new(RAW, format!("inventory/snapshot_date={RUN_DATE}/inventory.csv")), &b"item_id\n"[..]);
        }
        let minds = vec![Mind::default(); story.people.len()];
        let mut play = Self {
            warehouse,
            seed,
            faults,
            queue: Queue::new(starts_at, chance.of("ties")),
            world: World::new(objects),
            runs: Vec::new(),
            callers: Vec::new(),
            jobs: Vec::new(),
            quality_runs: Vec::new(),
            queries: Vec::new(),
            house,
            minds,
            injected: Vec::new(),
            happened: Vec::new(),
            broken: Vec::new(),
            rates_asked: 0,
            first_mail: None,
            messages_refused: 0,
            dpu_millis: 0.0,
            chance,
            story,
        };
        play.queue.after_millis(0, Due::Start(false));
        for again in &play.story.again {
            if let When::After(millis) = again.when {
                play.queue.after_millis(millis, Due::Start(again.force));
            }
        }
        play.queue.after_millis(0, Due::Invoke(Function::ApproverCheck, Box::new(Event::Payload(json!({}))), Why::Nobody));
        if let Some(after) = play.story.stopped_after_millis {
            play.queue.after_millis(after, Due::Stop);
        }
        play
    }

    /// Plays it to its end, and judges it.
    pub(crate) fn play(mut self) -> (Night, Faults) {
        let started = self.queue.now();
        self.run_through();
        invariants::judge(&mut self);
        let told = &self.runs[self.owner().unwrap_or(0)];
        let events = told.execution.history().to_vec();
        let timeline = timeline::read(&events);
        let night = Night {
            seed: self.seed,
            outcome: outcome(told.execution.status()),
            executions: self.runs.iter().map(|run| outcome(run.execution.status())).collect(),
            started: events.first().map_or(started, |event| event.at),
            ended: told.ends.last().copied().unwrap_or(self.queue.now()),
            approval_wait_millis: timeline.token_wait_millis,
            timeline: timeline.visits,
            transitions: timeline.transitions,
            dpu_hours: self.dpu_millis / 3_600_000.0,
            faults: self.injected,
            events,
            story: self.happened,
            violations: self.broken,
        };
        (night, self.faults)
    }

    /// Plays it until nothing is due any more.
    pub(crate) fn run_through(&mut self) {
        let started = self.queue.now();
        while let Some(due) = self.queue.next() {
            if self.queue.now().0 - started.0 > HORIZON_MILLIS {
                self.violate("every_night_ends", "something goes on for ever".to_owned());
                break;
            }
            self.handle(due);
            self.obey();
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.queue.now()
    }

    pub(crate) fn violate(&mut self, invariant: &'static str, what: String) {
        self.broken.push(Violation { invariant, what });
    }

    fn tell(&mut self, who: &str, what: String) {
        self.happened.push(Happening { at: self.queue.now(), who: who.to_owned(), what });
    }

    /// What goes wrong here, if anything.
    fn fault(&mut self, who: &str, call: &'static str, possible: impl FnOnce() -> Vec<Fault>) -> Option<Fault> {
        let fault = self.faults.at(who, call, possible)?;
        let called = if call.is_empty() { who.to_owned() } else { format!("{who} {call}") };
        self.injected.push(Injected { at: self.queue.now(), call: called, fault: fault.to_string() });
        Some(fault)
    }

    /// A duration in milliseconds, in whole grains.
    fn grains(&self, chance: &mut Chance, least: i64, most: i64) -> i64 {
        let grain = self.story.grain_millis;
        chance.between(least, most).div_euclid(grain).max(1) * grain
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Start(force) => self.start(force),
            Due::Tell(run, stimulus) => {
                // What comes too late is over, and nobody hears of it.
                let _ = self.runs[run].execution.apply(stimulus, self.queue.now());
            }
            Due::Invoke(function, event, why) => self.invoke(function, *event, why),
            Due::Effect(caller, number, call, fault) => self.take_effect(caller, number, &call, fault.as_ref()),
            Due::Answer(caller, number, reply) => self.answer(caller, number, reply),
            Due::CutOff(caller) => self.cut_off(caller),
            Due::Crash(caller) => self.crash(caller),
            Due::Writes(job) => self.begin_publishing(job),
            Due::JobEnds(job) => self.job_ends(job),
            Due::JobIsStopped(job) => self.job_is_over(job, "STOPPED"),
            Due::Round(schedule) => self.round(schedule),
            Due::Receive(message) => self.receive(message),
            Due::Does(person, deed) => self.does(person, deed),
            Due::Stop => self.stop(),
            Due::Redrive(run) => self.redrive(run),
            Due::Tamper => self.tamper(),
        }
    }

    fn start(&mut self, force: bool) {
        let number = self.runs.len();
        let with_others = self.story.with_others.filter(|_| number == 0);
        let id = match with_others {
            Some(WithOthers::AnotherNight) | None => format!("{:x}-{number}", self.seed),
            Some(_) => format!("{RUN_DATE}-{QUESTION}"),
        };
        let identity = identity(&id);
        let arn = identity.execution_arn.clone();
        let mut input = match self.story.begun {
            Begun::BySchedule => json!({"scheduledTime": STARTS_AT}),
            Begun::By(person) => json!({"runDate": RUN_DATE, "startedBy": self.story.people[person].address}),
            Begun::ByNobodyKnown => json!({"runDate": RUN_DATE}),
        };
        if with_others.is_some() {
            input = json!({"runDate": RUN_DATE, "startedBy": BACKFILLED_BY, "batchApproval": QUESTION_ARN});
        }
        if force {
            input["force"] = true.into();
        }
        for flag in &self.story.left_out {
            input[flag.name()] = true.into();
        }
        let seed = self.chance.of(("execution", number as u64)).bits();
        let written = input.to_string();
        let start = Start { identity, input: input.into(), at: self.queue.now(), seed };
        let execution = Execution::start(&self.warehouse.machine, start);
        self.tell("schedule", format!("starts {id}"));
        self.runs.push(Run {
            execution,
            arn,
            id,
            input: written,
            doing: HashMap::new(),
            tokens: Vec::new(),
            ends: Vec::new(),
            redriven: Vec::new(),
            redrives_left: self.story.redrives,
            forced: force,
            looked: None,
        });
    }

    /// Does what the executions want, until they want nothing more.
    fn obey(&mut self) {
        for run in 0..self.runs.len() {
            loop {
                let commands = self.runs[run].execution.commands();
                if commands.is_empty() {
                    break;
                }
                for command in commands {
                    match command {
                        Command::Start(task) => self.call(run, &task),
                        Command::Cancel(task) => self.cancel(run, task),
                        Command::Wake { timer, at } => self.queue.at(at, Due::Tell(run, Stimulus::Wake(timer))),
                    }
                }
            }
            let over = *self.runs[run].execution.status() != Status::Running;
            let this = &mut self.runs[run];
            if over && this.ends.len() == this.redriven.len() {
                this.ends.push(self.queue.now());
                let failed = matches!(this.execution.status(), Status::Failed(_) | Status::TimedOut(_) | Status::Aborted(_));
                let first = run == 0 && this.ends.len() == 1;
                if failed && this.redrives_left > 0 {
                    this.redrives_left -= 1;
                    let number = (run * 8 + this.redriven.len()) as u64;
                    let after = self.chance.of(("redrive", number)).between(60_000, 4 * 3_600_000);
                    self.queue.after_millis(after, Due::Redrive(run));
                }
                if failed {
                    self.announce_end(run);
                }
                if first {
                    for again in &self.story.again {
                        if let When::AfterItsEnd(millis) = again.when {
                            self.queue.after_millis(millis, Due::Start(again.force));
                        }
                    }
                }
                self.tell("Step Functions", format!("execution {run} ended {}", outcome(self.runs[run].execution.status()).name()));
            }
        }
    }

    /// The rule hands the end to the queue of notices: at least once, perhaps late.
    fn announce_end(&mut self, run: usize) {
        let status = match self.runs[run].execution.status() {
            Status::TimedOut(_) => "TIMED_OUT",
            Status::Aborted(_) => "ABORTED",
            _ => "FAILED",
        };
        if !self.warehouse.told_endings().contains(&status) {
            return;
        }
        let detail = json!({"executionArn": self.runs[run].arn, "status": status, "redriveCount": self.runs[run].redriven.len()});
        let body = json!({"detail-type": "Step Functions Execution Status Change", "source": "aws.states", "detail": detail}).to_string();
        let fault = self.fault("EventBridge", "stakeholder-notify", || vec![Fault::Twice, Fault::Late]);
        let mut chance = self.chance.of(("ending", run as u64, self.runs[run].ends.len() as u64));
        let after = self.grains(&mut chance, 100, 3_000) + if fault == Some(Fault::Late) { 10 * 60_000 } else { 0 };
        for _ in 0..if fault == Some(Fault::Twice) { 2 } else { 1 } {
            self.world.messages.push(Message { body: body.clone(), received: 0, fate: Fate::Waiting });
            self.queue.after_millis(after, Due::Receive(self.world.messages.len() - 1));
        }
    }

    fn stop(&mut self) {
        if self.runs[0].execution.apply(Stimulus::Stop(Failure::default()), self.queue.now()).is_ok() {
            self.tell("operator", "stops the execution".to_owned());
        }
    }

    /// Whose the night is.
    pub(crate) fn owner(&self) -> Option<usize> {
        let owner = self.world.nights.get(RUN_DATE)?.get("owner")?["S"].as_str()?;
        self.run_of(owner)
    }

    fn redrive(&mut self, run: usize) {
        if self.runs[run].execution.apply(Stimulus::Redrive, self.queue.now()).is_ok() {
            self.runs[run].redriven.push(self.queue.now());
            self.tell("operator", "redrives the execution".to_owned());
        }
    }

    /// Somebody changes what is staged.
    fn tamper(&mut self) {
        let staged =
            ObjectUri::new(crate::deployment::WORK, format!("nightly-warehouse/run_date={RUN_DATE}/{}/apply-fx/", self.runs[0].id));
        self.world.objects.put(&staged.join("part-99999.snappy.parquet"), &b"nobody approved this"[..]);
        self.tell("somebody", format!("changes what is staged at {staged}"));
    }

    /// How an execution has ended, as `DescribeExecution` tells it.
    fn end_of(&self, run: usize) -> Option<ExecutionEnd> {
        match self.runs[run].execution.status() {
            Status::Running => None,
            Status::Succeeded(_) => Some(ExecutionEnd::Succeeded),
            Status::Failed(failure) => {
                Some(ExecutionEnd::Failed { error: failure.error.clone().unwrap_or_else(|| "States.Runtime".to_owned()) })
            }
            Status::TimedOut(_) => Some(ExecutionEnd::TimedOut),
            Status::Aborted(_) => Some(ExecutionEnd::Aborted),
        }
    }

    // Functions.

    fn invoke(&mut self, function: Function, event: Event, why: Why) {
        let caller = self.callers.len();
        let secrets = self.chance.of(("secrets", caller as u64));
        let line = Line::new(timestamp(self.queue.now()), secrets);
        let invocation = function.invoke(event, ByCalls(line.clone()), &self.house, self.warehouse.planted_handler());
        let begun = self.queue.now();
        self.callers.push(Some(Caller { function, invocation, line, why, begun, hangs: false }));
        self.work(caller);
    }

    /// Lets an invocation work until it waits for its calls, or is done.
    fn work(&mut self, caller: usize) {
        let Some(working) = self.callers[caller].as_mut() else { return };
        match working.invocation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => self.is_done(caller, answer),
            Poll::Pending => {
                let (function, made) = (working.function, working.line.made());
                for (number, call) in made {
                    self.makes_call(caller, function, number, call);
                }
            }
        }
    }

    fn makes_call(&mut self, caller: usize, function: Function, number: u32, call: Call) {
        let pauses = matches!(call, Call::Pause(..));
        let writes = call.writes();
        let fault = self.fault(function.name(), call.name(), || {
            let mut possible = vec![Fault::CrashesBefore];
            if !pauses {
                possible.extend([Fault::FailsBefore, Fault::Hangs, Fault::Slow]);
            }
            if writes {
                possible.extend([Fault::FailsAfter, Fault::CrashesAfter]);
            }
            possible
        });
        let mut chance = self.chance.of(("call", caller as u64, u64::from(number)));
        let mut after = self.grains(&mut chance, 2, 40);
        match fault {
            Some(Fault::CrashesBefore) => return self.queue.after_millis(after, Due::Crash(caller)),
            Some(Fault::Slow) => after = self.grains(&mut chance, 1_000, 9_000),
            Some(Fault::Hangs) => {
                let begun = self.callers[caller].as_ref().map_or(self.queue.now(), |caller| caller.begun);
                let cut_off = begun + function.timeout_seconds();
                if let Some(caller) = self.callers[caller].as_mut() {
                    caller.hangs = true;
                }
                return self.queue.at(cut_off, Due::CutOff(caller));
            }
            _ => {}
        }
        self.queue.after_millis(after, Due::Effect(caller, number, call, fault));
    }

    /// The call does its work, or fails before it.
    fn take_effect(&mut self, caller: usize, number: u32, call: &Call, fault: Option<&Fault>) {
        // Who has crashed in the meantime may have sent it all the same; here it has not.
        let Some(calling) = &self.callers[caller] else { return };
        let (function, begun) = (calling.function, calling.begun);
        // Whoever answers a call that hangs answers nobody: the function is cut off at its timeout.
        if self.queue.now() >= begun + function.timeout_seconds() {
            return self.cut_off(caller);
        }
        let reply = match fault {
            Some(Fault::FailsBefore) => Reply::Failed,
            Some(Fault::FailsAfter) => {
                self.effect(function, begun, call);
                Reply::Failed
            }
            Some(Fault::CrashesAfter) => {
                self.effect(function, begun, call);
                return self.crash(caller);
            }
            _ => self.effect(function, begun, call),
        };
        let mut chance = self.chance.of(("reply", caller as u64, u64::from(number)));
        let wait = match (call, &reply) {
            (Call::Pause(shortest, longest), _) => {
                chance.between(i64::try_from(shortest.as_millis()).unwrap_or(0), i64::try_from(longest.as_millis()).unwrap_or(0))
            }
            // The client waits five seconds for an answer.
            (Call::Ask(..), Reply::Quotes(Err(_))) if self.story.rates == crate::story::Rates::TooSlow => 5_000,
            (Call::Ask(..), _) => self.grains(&mut chance, 80, 700),
            _ => self.grains(&mut chance, 1, 20),
        };
        self.queue.after_millis(wait, Due::Answer(caller, number, reply));
    }

    fn answer(&mut self, caller: usize, number: u32, reply: Reply) {
        let now = self.queue.now();
        let Some(calling) = &self.callers[caller] else { return };
        if now >= calling.begun + calling.function.timeout_seconds() {
            return self.cut_off(caller);
        }
        calling.line.reply(number, reply, timestamp(now));
        self.work(caller);
    }

    fn crash(&mut self, caller: usize) {
        if let Some(crashed) = &self.callers[caller] {
            let name = crashed.function.name();
            self.tell(name, "crashes".to_owned());
            self.is_done(caller, Answer::Failed("Runtime.ExitError".to_owned(), "Runtime exited with error: signal: killed".to_owned()));
        }
    }

    /// Lambda ends what takes longer than it may.
    fn cut_off(&mut self, caller: usize) {
        if let Some(slow) = &self.callers[caller] {
            let (name, seconds) = (slow.function.name(), slow.function.timeout_seconds());
            self.tell(name, format!("is cut off after {seconds} s"));
            self.is_done(caller, Answer::Failed("Sandbox.Timedout".to_owned(), format!("Task timed out after {seconds}.00 seconds")));
        }
    }

    /// An invocation has come to its end, whichever it is. What it has left of itself is dropped.
    fn is_done(&mut self, caller: usize, answer: Answer) {
        let Some(Caller { function, why, .. }) = self.callers[caller].take() else { return };
        match why {
            Why::Nobody => {}
            Why::Task(run, task, token) => {
                let stimulus = match answer {
                    Answer::Payload(payload) if token => {
                        let output = json!({"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200});
                        Stimulus::Submitted { task, output: output.into() }
                    }
                    Answer::Payload(payload) => {
                        let output = json!({"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200});
                        Stimulus::Succeeded { task, output: output.into() }
                    }
                    Answer::Failed(error, message) => {
                        self.tell(function.name(), format!("fails with {error}: {message}"));
                        let cause = json!({"errorMessage": message, "errorType": error}).to_string();
                        Stimulus::Failed { task, failure: Failure::new(error, cause) }
                    }
                    Answer::Page { .. } => unreachable!("no task asks for a page"),
                };
                self.queue.after_millis(self.story.grain_millis, Due::Tell(run, stimulus));
            }
            Why::Notice(message) => {
                if matches!(answer, Answer::Payload(_)) {
                    self.world.messages[message].fate = Fate::DealtWith;
                } else {
                    self.queue.after_millis(NOTICE_VISIBILITY_SECONDS * 1000, Due::Receive(message));
                }
            }
            Why::Person(person, deed, since) => self.gets_answer(person, &deed, since, &answer),
        }
    }

    /// Scheduler calls the watch: at least once, perhaps late.
    fn round(&mut self, schedule: usize) {
        let Some(due) = self.world.watches.get(schedule).filter(|due| !due.ended && timestamp(self.queue.now()) <= due.until) else {
            return;
        };
        let payload = serde_json::to_value(&due.watch).expect("a watch is JSON");
        self.queue.after_millis(WATCH_MINUTES * 60_000, Due::Round(schedule));
        let fault = self.fault("Scheduler", "approval-watch", || vec![Fault::Twice, Fault::Lost, Fault::Late]);
        let mut chance = self.chance.of(("round", schedule as u64, self.queue.now().0.unsigned_abs()));
        let after = self.grains(&mut chance, 20, 2_000);
        let invoke = || Due::Invoke(Function::ApprovalWatch, Box::new(Event::Payload(payload.clone())), Why::Nobody);
        match fault {
            Some(Fault::Lost) => {}
            Some(Fault::Late) => self.queue.after_millis(after + 60_000, invoke()),
            Some(Fault::Twice) => {
                self.queue.after_millis(after, invoke());
                let again = self.grains(&mut chance, 1, 3_000);
                self.queue.after_millis(after + again, invoke());
            }
            _ => self.queue.after_millis(after, invoke()),
        }
    }

    /// The queue of notices hands a message to `stakeholder-notify`.
    fn receive(&mut self, number: usize) {
        let message = &mut self.world.messages[number];
        if message.fate != Fate::Waiting {
            return;
        }
        if message.received == NOTICE_RECEIVES {
            message.fate = Fate::DeadLetter;
            return self.tell("notices", "a notice becomes a dead letter".to_owned());
        }
        message.received += 1;
        let event = json!({"Records": [{"messageId": number.to_string(), "body": message.body}]});
        let why = Why::Notice(number);
        self.queue.after_millis(50, Due::Invoke(Function::StakeholderNotify, Box::new(Event::Payload(event)), why));
    }

    fn bill(&mut self, job: usize) {
        let run = &self.jobs[job];
        #[expect(clippy::cast_precision_loss, reason = "a night has few milliseconds")]
        let millis = (run.over.unwrap_or(run.began).0 - run.began.0) as f64;
        self.dpu_millis += millis * JOB_UNITS;
    }
}
