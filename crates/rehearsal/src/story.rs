//! What kind of night a seed tells: how the day's data is, how the world outside behaves, who the people are.

use nightly_domain::Flag;

use crate::chance::Chance;

/// One night, before anything has gone wrong in it.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    /// How many must approve.
    pub(crate) required: u32,
    pub(crate) begun: Begun,
    /// What each start's input leaves out.
    pub(crate) left_out: Vec<Flag>,
    /// The first start names a question that was put about many dates.
    pub(crate) with_others: Option<WithOthers>,
    /// The same date is started again.
    pub(crate) again: Vec<Again>,
    pub(crate) people: Vec<Person>,
    pub(crate) day: Day,
    pub(crate) rates: Rates,
    pub(crate) quality: Quality,
    /// Somebody stops the execution, so many milliseconds after its start.
    pub(crate) stopped_after_millis: Option<i64>,
    /// How often somebody has a failed execution go on.
    pub(crate) redrives: u8,
    /// Somebody changes the staged build while people think, so many milliseconds after the first mail.
    pub(crate) tampered_after_millis: Option<i64>,
    /// So many messages find Slack down.
    pub(crate) slack_down_for: u32,
    /// From the first mail on, nobody reaches Step Functions for so long.
    pub(crate) deaf_millis: Option<i64>,
    /// What a port's call takes is a multiple of this: the coarser, the more happens at the same instant.
    pub(crate) grain_millis: i64,
    /// How probable a fault is at each place.
    pub(crate) faults: f64,
}

/// Who began the night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    BySchedule,
    /// The person at this place.
    By(usize),
    ByNobodyKnown,
}

/// Another start of the same date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) when: When,
    /// The input says `force: true`.
    pub(crate) force: bool,
}

/// When it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So many milliseconds after the first.
    After(i64),
    /// So many milliseconds after the first execution has ended, the first time that it does.
    AfterItsEnd(i64),
}

/// What became of a question about many dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithOthers {
    /// It was approved, and counts for this night.
    Approved,
    /// It was rejected.
    Rejected,
    /// It did not show this date.
    OtherDates,
    /// It counts for another execution of this date.
    AnotherNight,
    /// There is no such question.
    Unknown,
}

/// Somebody with a mailbox.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) address: &'static str,
    pub(crate) temper: Temper,
    /// Their mail program opens every link before they do.
    pub(crate) scanner: bool,
    pub(crate) deputy: bool,
}

/// What somebody does with a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    /// Approves within minutes.
    Prompt,
    /// Approves after half of the time.
    Slow,
    /// Reads no mail.
    Absent,
    /// Approves, and presses twice.
    DoubleClicking,
    /// Says no.
    Rejecting,
    /// Answers when the time is over.
    Late,
    /// Hands it on.
    HandingOn,
    /// Asks for more time, and approves in it.
    Extending,
    /// Looks and does nothing.
    Looking,
    /// Approves, and tries to take it back.
    ChangingTheirMind,
}

/// The day's data.
#[derive(Debug, Clone)]
pub(crate) struct Day {
    pub(crate) orders: bool,
    pub(crate) inventory: bool,
    pub(crate) lines: u64,
    pub(crate) currencies: Vec<&'static str>,
}

/// How the source of exchange rates behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rates {
    Good,
    /// The first so many questions find it down.
    DownFor(u32),
    Stale,
    WithoutOne,
    /// It takes longer than anybody waits.
    TooSlow,
    OfAnotherBase,
}

/// What the quality gate finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    Passes,
    /// One rule says this.
    OneRule(&'static str),
    /// No rule is judged: the run ends like this.
    RunEnds(&'static str),
}

pub(crate) const A: &str = "a.berg@nordvik.example";
pub(crate) const B: &str = "b.osei@nordvik.example";
pub(crate) const DEPUTY: &str = "d.lind@nordvik.example";

impl Story {
    /// The night in which all goes well: two are asked, one is needed and approves.
    pub(crate) fn plain() -> Self {
        let person = |address, temper| Person { address, temper, scanner: false, deputy: false };
        Self {
            required: 1,
            begun: Begun::BySchedule,
            left_out: Vec::new(),
            with_others: None,
            again: Vec::new(),
            people: vec![person(A, Temper::Prompt), person(B, Temper::Absent), Person { deputy: true, ..person(DEPUTY, Temper::Prompt) }],
            day: Day { orders: true, inventory: true, lines: 48_212, currencies: vec!["EUR", "GBP", "USD"] },
            rates: Rates::Good,
            quality: Quality::Passes,
            stopped_after_millis: None,
            redrives: 0,
            tampered_after_millis: None,
            slack_down_for: 0,
            deaf_millis: None,
            grain_millis: 1,
            faults: 0.0,
        }
    }

    /// The night of this seed.
    pub(crate) fn of(chance: &Chance) -> Self {
        let mut draw = chance.of("story");
        let mut tempers = chance.of("people");
        let mut person = |address, deputy| Person { address, temper: temper(&mut tempers), scanner: tempers.happens(0.3), deputy };
        let people = vec![person(A, false), person(B, false), person(DEPUTY, true)];
        let begun = match draw.between(0, 19) {
            0 | 1 => Begun::By(usize::from(draw.happens(0.5))),
            2 => Begun::ByNobodyKnown,
            _ => Begun::BySchedule,
        };
        let all = ["CHF", "EUR", "GBP", "JPY", "USD"];
        let mut currencies: Vec<_> = all.into_iter().filter(|code| *code == "EUR" || draw.happens(0.5)).collect();
        if draw.happens(0.1) {
            currencies.retain(|code| *code == "EUR");
        }
        let day =
            Day { orders: !draw.happens(0.01), inventory: !draw.happens(0.01), lines: draw.between(1, 90_000).unsigned_abs(), currencies };
        let rates = match draw.between(0, 39) {
            0 => Rates::DownFor(99),
            1 | 2 => Rates::DownFor(2),
            3 => Rates::DownFor(7),
            4 => Rates::Stale,
            5 => Rates::WithoutOne,
            6 => Rates::TooSlow,
            7 => Rates::OfAnotherBase,
            _ => Rates::Good,
        };
        let quality = match draw.between(0, 39) {
            0 | 1 => Quality::OneRule("FAIL"),
            2 => Quality::OneRule("ERROR"),
            3 => Quality::RunEnds(draw.one_of::<&str>(&["FAILED", "TIMEOUT", "STOPPED"])),
            _ => Quality::Passes,
        };
        Self {
            required: if draw.happens(0.2) { 2 } else { 1 },
            begun,
            left_out: left_out(&mut chance.of("left out")),
            with_others: with_others(&mut chance.of("with others")),
            again: again(&mut chance.of("again")),
            people,
            day,
            rates,
            quality,
            stopped_after_millis: draw.happens(0.06).then(|| draw.between(0, 5_400_000)),
            redrives: if draw.happens(0.3) { u8::try_from(draw.between(1, 2)).unwrap_or(1) } else { 0 },
            tampered_after_millis: draw.happens(0.02).then(|| draw.between(0, 900_000)),
            slack_down_for: if draw.happens(0.05) { u32::try_from(draw.between(1, 40)).unwrap_or(1) } else { 0 },
            deaf_millis: draw.happens(0.03).then(|| draw.between(60_000, 2_700_000)),
            grain_millis: *draw.one_of(&[1, 10, 100]),
            faults: *draw.one_of(&[0.0, 0.01, 0.02, 0.02, 0.04, 0.1]),
        }
    }
}

/// Few nights leave a part out, and some of them more than one.
fn left_out(draw: &mut Chance) -> Vec<Flag> {
    if !draw.happens(0.06) {
        return Vec::new();
    }
    Flag::ALL.into_iter().filter(|_| draw.happens(0.5)).collect()
}

/// A backfill starts few nights, and most of those as it should.
fn with_others(draw: &mut Chance) -> Option<WithOthers> {
    use WithOthers::{AnotherNight, Approved, OtherDates, Rejected, Unknown};
    draw.happens(0.03).then(|| *draw.one_of(&[Approved, Approved, Approved, Approved, Rejected, OtherDates, AnotherNight, Unknown]))
}

/// A start is delivered twice, or somebody starts the date by hand; now and then two do.
fn again(draw: &mut Chance) -> Vec<Again> {
    let mut starts = Vec::new();
    while starts.len() < 2 {
        let (when, force) = match draw.between(0, if starts.is_empty() { 99 } else { 49 }) {
            0 | 1 => (When::After(0), false),
            2..=4 => (When::After(draw.between(0, 90_000)), false),
            5 | 6 => (When::After(draw.between(0, 7_200_000)), draw.happens(0.2)),
            7..=11 => (When::AfterItsEnd(draw.between(0, 3_600_000)), draw.happens(0.4)),
            _ => break,
        };
        starts.push(Again { when, force });
    }
    starts
}

fn temper(draw: &mut Chance) -> Temper {
    match draw.between(0, 19) {
        0..=6 => Temper::Prompt,
        7 | 8 => Temper::Slow,
        9..=11 => Temper::Absent,
        12 => Temper::DoubleClicking,
        13 => Temper::Rejecting,
        14 => Temper::Late,
        15 | 16 => Temper::HandingOn,
        17 => Temper::Extending,
        18 => Temper::Looking,
        _ => Temper::ChangingTheirMind,
    }
}
