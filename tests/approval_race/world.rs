//! Everything that there is at one moment of a history, and all that can happen next.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use nightly_domain::approval::{Approval, ApprovalStatus, Ruling, TaskToken, Verdict};
use nightly_domain::audit::Audit as _;
use nightly_domain::channel::MessageReference;
use nightly_domain::history::{ExecutionEnd, Executions as _};
use nightly_domain::memory::calls::{Call, Reply};
use nightly_domain::memory::{Fate, Gate, MemoryDesk, Wait};
use nightly_domain::ports::{Approvals as _, Mail as _, PortError, Tasks as _, Watch, Watches as _};

use super::actors::{Errand, Next, Outcome, Place, Ways, hashed, id, token};
use super::judge::endings;
use super::stepping::decides;
use super::weaker::Protocol;
use super::{Act, EXECUTION, Letter, Scenario, begins_at, finish, record_digest};

/// One thing that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// A caller's next call, and what becomes of it.
    Call(usize, Fate),
    /// The caller is gone, before its next call.
    Crash(usize),
    /// It is later, by everybody's clock.
    Later,
    /// Step Functions ends the wait.
    TaskTimesOut,
    /// The definition goes by the answer, or settles with the record.
    Settle,
    /// The step fails while it waits; the definition tries it again.
    TaskFails,
    /// Somebody stops the execution.
    Stop,
}

/// How the execution ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    Published,
    Rejected,
    Expired,
    Stopped,
}

impl Ending {
    /// As Step Functions tells it.
    pub(super) fn execution_end(self) -> ExecutionEnd {
        let failed = |error: &str| ExecutionEnd::Failed { error: error.to_owned() };
        match self {
            Self::Published => ExecutionEnd::Succeeded,
            Self::Rejected => failed("ApprovalRejected"),
            Self::Expired => failed("ApprovalExpired"),
            Self::Stopped => ExecutionEnd::Aborted,
        }
    }
}

impl From<Ruling> for Ending {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Approved => Self::Published,
            Ruling::Rejected => Self::Rejected,
            Ruling::Expired => Self::Expired,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Asleep,
    At(Place),
    Gone,
}

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    ways: &'a Ways,
    pub(super) desk: MemoryDesk,
    /// Who got which link by mail.
    pub(super) letters: Vec<(Rc<str>, Rc<str>)>,
    /// What stands in the channel, as it was written.
    pub(super) posts: Vec<Rc<str>>,
    callers: Vec<Caller>,
    /// What each caller came to be told; what a crash hid is not told.
    pub(super) told: Vec<Option<Rc<str>>>,
    pub(super) attempt: u32,
    pub(super) ending: Option<Ending>,
    /// The first answer of people that was recorded.
    pub(super) verdict: Option<Verdict>,
    faults: usize,
    moment: usize,
    /// Everything that was noted, mailed and posted, in one number each.
    audited: u64,
    mailed: u64,
    posted: u64,
    /// The record, in one number, and its generation.
    recorded: (u64, u32),
}

impl<'a> World<'a> {
    /// Nothing has happened yet, or the question was just put to everybody.
    pub(super) fn begin(scenario: &'a Scenario, ways: &'a Ways) -> Self {
        let desk = MemoryDesk { channel: None, ..MemoryDesk::behind(Gate::default(), begins_at()) };
        desk.tasks.wait(&token(1));
        let mut world = Self {
            scenario,
            ways,
            desk,
            letters: Vec::new(),
            posts: Vec::new(),
            callers: vec![Caller::Asleep; scenario.acts.len()],
            told: vec![None; scenario.acts.len()],
            attempt: 1,
            ending: None,
            verdict: None,
            faults: 0,
            moment: 0,
            audited: 0,
            mailed: 0,
            posted: 0,
            recorded: (0, 0),
        };
        if !scenario.acts.contains(&Act::Asks(1)) {
            assert_eq!(&*world.run(Self::SETTING_UP, &Errand::Asks(1)), "asked");
            world.advance_to(begins_at() + SignedDuration::from_secs(scenario.moments[0]));
        }
        world
    }

    /// Numbers of callers that are in no scenario.
    const SETTING_UP: usize = 11;
    pub(super) const AFTERWARDS: usize = 12;

    /// The same world, to go another way.
    pub(super) fn fork(&self) -> Self {
        Self {
            desk: self.desk.fork(),
            letters: self.letters.clone(),
            posts: self.posts.clone(),
            callers: self.callers.clone(),
            told: self.told.clone(),
            verdict: self.verdict.clone(),
            ..*self
        }
    }

    pub(super) fn record(&self) -> Option<Approval> {
        self.desk.approvals.stored(&id())
    }

    pub(super) fn wait(&self) -> Wait {
        self.desk.tasks.outcome(&token(self.attempt)).expect("an attempt waits by its token")
    }

    fn now(&self) -> Timestamp {
        use nightly_domain::ports::Clock as _;
        self.desk.clock.now()
    }

    pub(super) fn advance_to(&self, moment: Timestamp) {
        self.desk.clock.advance(moment.duration_since(self.now()));
    }

    /// Nobody is in the middle of anything.
    pub(super) fn is_quiet(&self) -> bool {
        !self.callers.iter().any(|caller| matches!(caller, Caller::At(_)))
    }

    pub(super) fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        let mut awake = false;
        for caller in 0..self.callers.len() {
            let Some(place) = self.place(caller) else { continue };
            awake = true;
            choices.push(Choice::Call(caller, Fate::Works));
            let Next::Calls(call) = self.ways.next(place) else { continue };
            // Where the last attempt of asking fails, the execution fails with it: that is the definition's business, not the record's.
            let last_attempt = self.scenario.acts[caller] == Act::Asks(2);
            if last_attempt || self.faults == self.scenario.faults || (self.ways.folded && !decides(&call)) {
                continue;
            }
            choices.push(Choice::Call(caller, Fate::FailsBefore));
            if call.writes() {
                choices.push(Choice::Call(caller, Fate::FailsAfter));
            }
            choices.push(Choice::Crash(caller));
        }
        if awake && self.moment + 1 < self.scenario.moments.len() {
            choices.push(Choice::Later);
        }
        // A task waits longer than the function that asks may run, and where that fails it waits no longer.
        let asks = |act: &Act, told: &Option<Rc<str>>| *act == Act::Asks(self.attempt) && told.as_deref() != Some("asked");
        let asking = self.scenario.acts.iter().zip(&self.told).any(|(act, told)| asks(act, told));
        if self.ending.is_none() {
            match self.wait() {
                Wait::Waiting(_) => {
                    if !asking {
                        choices.push(Choice::TaskTimesOut);
                    }
                    if self.scenario.retried && self.attempt == 1 {
                        choices.push(Choice::TaskFails);
                    }
                }
                Wait::Answered(_) | Wait::Over => choices.push(Choice::Settle),
            }
            if self.scenario.stopped {
                choices.push(Choice::Stop);
            }
        }
        choices
    }

    pub(super) fn take(&mut self, choice: Choice) {
        match choice {
            Choice::Call(caller, fate) => {
                self.faults += usize::from(fate != Fate::Works);
                let place = self.place(caller).expect("only who can act is chosen");
                self.step(caller, place, fate);
            }
            Choice::Crash(caller) => {
                self.faults += 1;
                self.callers[caller] = Caller::Gone;
            }
            Choice::Later => {
                self.moment += 1;
                let moment = begins_at() + SignedDuration::from_secs(self.scenario.moments[self.moment]);
                // Between two attempts some time has passed that nobody planned.
                self.advance_to(moment.max(self.now()));
            }
            Choice::TaskTimesOut => self.desk.tasks.time_out(&token(self.attempt)),
            Choice::Settle => {
                self.ending = Some(self.settle());
                self.note_the_record();
            }
            Choice::TaskFails => {
                self.desk.tasks.time_out(&token(1));
                self.attempt = 2;
                self.desk.tasks.wait(&token(2));
                self.desk.clock.advance(SignedDuration::from_secs(2));
            }
            Choice::Stop => {
                self.desk.tasks.time_out(&token(self.attempt));
                self.ending = Some(Ending::Stopped);
                self.desk.executions.end_with(EXECUTION, ExecutionEnd::Aborted);
            }
        }
    }

    /// Where a caller stands who can act now.
    fn place(&self, caller: usize) -> Option<Place> {
        match self.callers[caller] {
            Caller::Gone => None,
            Caller::At(place) => Some(place),
            Caller::Asleep => self.errand(self.scenario.acts[caller]).map(|errand| self.ways.begin(caller, &errand, self.now())),
        }
    }

    /// What somebody is to do, as soon as they can.
    fn errand(&self, act: Act) -> Option<Errand> {
        match act {
            Act::Clicks(person, letter, form) => self.address(person, letter).map(|address| Errand::Sends(address, form)),
            Act::Watches(generation) => (self.recorded.1 >= generation).then_some(Errand::Watches(generation)),
            Act::Asks(attempt) => (self.attempt == attempt).then_some(Errand::Asks(attempt)),
        }
    }

    /// The link in one of the mails that somebody got.
    pub(super) fn address(&self, person: &str, letter: Letter) -> Option<String> {
        let mut letters = self.letters.iter().filter(|(to, _)| **to == *person);
        let (_, address) = match letter {
            Letter::First => letters.next(),
            Letter::Last => letters.next_back(),
        }?;
        Some(address.to_string())
    }

    /// The caller makes its call, and comes to its next one or to its end.
    fn step(&mut self, caller: usize, place: Place, fate: Fate) {
        let mut place = place;
        let mut fate = fate;
        loop {
            match self.ways.next(place) {
                Next::Calls(call) => {
                    let reply = self.answer(&call, std::mem::replace(&mut fate, Fate::Works));
                    place = self.ways.follow(place, self.now(), reply);
                }
                Next::Ended(_) => {}
            }
            match self.ways.next(place) {
                Next::Calls(call) if self.ways.folded && !decides(&call) => {}
                Next::Calls(_) => {
                    self.callers[caller] = Caller::At(place);
                    return;
                }
                Next::Ended(Outcome::Opens(_)) if !self.scenario.looks => {
                    self.callers[caller] = Caller::Gone;
                    return;
                }
                Next::Ended(Outcome::Opens(address)) => {
                    self.callers[caller] = Caller::At(self.ways.begin(caller, &Errand::Opens(address), self.now()));
                    return;
                }
                Next::Ended(Outcome::Told(told)) => {
                    self.callers[caller] = Caller::Gone;
                    self.told[caller] = Some(told);
                    return;
                }
            }
        }
    }

    /// Does an errand to its end, in one breath and without faults. Answers with what was told.
    pub(super) fn run(&mut self, caller: usize, errand: &Errand) -> Rc<str> {
        let mut place = self.ways.begin(caller, errand, self.now());
        loop {
            match self.ways.next(place) {
                Next::Calls(call) => {
                    let reply = self.answer(&call, Fate::Works);
                    place = self.ways.follow(place, self.now(), reply);
                }
                Next::Ended(Outcome::Opens(address)) => place = self.ways.begin(caller, &Errand::Opens(address), self.now()),
                Next::Ended(Outcome::Told(told)) => return told,
            }
        }
    }

    /// Makes the call at the desk.
    fn answer(&mut self, call: &Call, fate: Fate) -> Reply {
        fn reply<T>(outcome: Result<T, PortError>, reply: impl FnOnce(T) -> Reply) -> Reply {
            outcome.map_or(Reply::Failed, reply)
        }
        if fate != Fate::Works && !matches!(call, Call::Post(_) | Call::Update(..)) {
            self.desk.gate.plan_next(fate);
        }
        let desk = &self.desk;
        match call {
            Call::ReadRecord(id) => reply(finish(desk.approvals.read(id)), |record| Reply::Record(record.map(Box::new))),
            Call::Replace(seen, next) => {
                let replaced = reply(finish(desk.approvals.replace(seen.as_deref(), next)), Reply::Replaced);
                self.note_the_record();
                replaced
            }
            Call::Succeed(token, output) => reply(finish(desk.tasks.succeed(token, output)), Reply::Task),
            Call::Beat(token) => reply(finish(desk.tasks.beat(token)), Reply::Task),
            Call::ExecutionEnd(arn) => reply(finish(desk.executions.end(arn)), Reply::End),
            Call::BeginWatch(watch, until) => reply(finish(desk.watches.begin(watch, *until)), |()| Reply::Done),
            Call::EndWatch(watch) => reply(finish(desk.watches.end(watch)), |()| Reply::Done),
            Call::Send(to, subject, text) => {
                let sent = reply(finish(desk.mail.send(to, subject, text)), |()| Reply::Done);
                if fate != Fate::FailsBefore {
                    self.mailed = self.mailed.wrapping_add(hashed(&(to.as_str(), text)));
                    self.letters.push((to.as_str().into(), link(text).expect("every mail has a link").into()));
                }
                sent
            }
            Call::Entries(id) => reply(finish(desk.audit.entries(id)), Reply::Entries),
            Call::Append(entry) => {
                let appended = reply(finish(desk.audit.append(entry)), Reply::Appended);
                // The order in which things were noted is nobody's business, nor is who has looked.
                let chain = desk.audit.chain(&id());
                let noted = chain.iter().filter(|entry| !entry.text.contains(r#""event":"viewed""#));
                self.audited = noted.fold(0, |sum, entry| sum ^ hashed(&entry.text));
                appended
            }
            Call::Post(message) => self.say(None, message, fate),
            Call::Update(posted, message) => self.say(Some(posted), message, fate),
            other => unreachable!("nobody here makes this call: {}", other.name()),
        }
    }

    fn say(&mut self, posted: Option<&MessageReference>, message: &serde_json::Value, fate: Fate) -> Reply {
        if fate == Fate::FailsBefore {
            return Reply::Failed;
        }
        let place = posted.map_or(self.posts.len(), |reference| reference.ts.parse().expect("a reference as it was given"));
        let text = message.to_string().into();
        if place == self.posts.len() {
            self.posts.push(text);
        } else {
            self.posts[place] = text;
        }
        self.posted = hashed(&self.posts);
        match fate {
            Fate::FailsAfter => Reply::Failed,
            _ => Reply::Posted(Some(MessageReference { channel: "channel".to_owned(), ts: place.to_string() })),
        }
    }

    fn note_the_record(&mut self) {
        let Some(record) = self.record() else { return };
        self.recorded = (record_digest(&record), record.generation);
        if let (None, ApprovalStatus::Decided { verdict, .. }) = (&self.verdict, &record.status)
            && verdict.decision != Ruling::Expired
        {
            self.verdict = Some(verdict.clone());
        }
    }

    /// What the definition does once the wait is over: it goes by the answer, else by the record, which it expires if nobody has decided.
    fn settle(&self) -> Ending {
        match self.wait() {
            Wait::Answered(output) => serde_json::from_str::<Verdict>(&output).expect("a verdict").decision.into(),
            _ if self.scenario.protocol != Protocol::Ours => Ending::Expired,
            _ => match self.desk.approvals.expire(&id(), self.now()).map(|record| record.status) {
                Some(ApprovalStatus::Decided { verdict, .. }) => verdict.decision.into(),
                _ => Ending::Expired,
            },
        }
    }

    /// All that can matter from here on, and what was promised to people.
    pub(super) fn fingerprint(&self) -> u64 {
        let standing = |caller: &Caller| match caller {
            Caller::Asleep => 0,
            Caller::Gone => 1,
            Caller::At(place) => self.ways.standing(*place),
        };
        let promised = |told: &Option<Rc<str>>| told.as_ref().map(|told| (endings(told), was_not_asked(told)));
        hashed(&(
            self.outside(),
            self.callers.iter().map(standing).collect::<Vec<_>>(),
            self.told.iter().map(promised).collect::<Vec<_>>(),
            (self.faults, self.moment),
        ))
    }

    /// All that outlives the callers.
    pub(super) fn outside(&self) -> u64 {
        let waits = |token: TaskToken| match self.desk.tasks.outcome(&token) {
            // How often it was beaten for decides nothing.
            Some(Wait::Waiting(_)) => 1,
            Some(Wait::Over) => 2,
            Some(Wait::Answered(output)) => hashed(&output),
            None => 0,
        };
        let watched: Vec<u32> = self.desk.watches.begun().iter().map(|(watch, _)| watch.generation).collect();
        let verdict = self.verdict.as_ref().map(|verdict| format!("{:?}", verdict.decision));
        hashed(&(
            (self.recorded, waits(token(1)), waits(token(2)), self.ending, verdict),
            (self.audited, self.mailed, self.posted, watched, self.now(), self.attempt),
        ))
    }

    /// The schedules that call the watch.
    pub(super) fn watched(&self) -> Vec<Watch> {
        self.desk.watches.begun().into_iter().map(|(watch, _)| watch).collect()
    }
}

/// Whoever asked has seen that it failed.
pub(super) fn was_not_asked(told: &str) -> bool {
    told == "not asked"
}

/// The address of a link in a text.
pub(super) fn link(text: &str) -> Option<&str> {
    let address = &text[text.find("/approvals/")?..];
    let end = address.find(|character: char| !(character.is_ascii_alphanumeric() || "/-_".contains(character)));
    Some(&address[..end.unwrap_or(address.len())])
}
