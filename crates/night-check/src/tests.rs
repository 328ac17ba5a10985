use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use nightly_domain::history::{MemoryHistories, read_json};
use nightly_domain::memory::ManualClock;
use nightly_domain::people::Address;

use super::*;

const BERG: &str = "a.berg@nordvik.example";
const OSEI: &str = "b.osei@nordvik.example";
const NIGHT: &str = "arn:aws:states:eu-central-1:111122223333:execution:nightly-night:1";

/// The run registry, or one that can't be read.
struct Rows(Option<BTreeMap<RunDate, Registered>>);

impl Registry for Rows {
    async fn night(&self, run_date: RunDate) -> Result<Option<Registered>, PortError> {
        let rows = self.0.as_ref().ok_or_else(|| PortError::new("GetItem", "a planned fault"))?;
        Ok(rows.get(&run_date).cloned())
    }
}

/// A topic with these confirmed subscriptions.
struct Topic(&'static [&'static str]);

impl Subscriptions for Topic {
    async fn confirmed(&self) -> Result<Vec<Address>, PortError> {
        Ok(self.0.iter().map(|address| address.parse().unwrap()).collect())
    }
}

/// A night, as the registry and Step Functions know it.
struct Stand {
    status: Option<&'static str>,
    published_at: Option<&'static str>,
    history: Vec<HistoryEvent>,
    confirmed: &'static [&'static str],
}

impl Stand {
    fn unclaimed() -> Self {
        Self { status: None, published_at: None, history: Vec::new(), confirmed: &[BERG, OSEI] }
    }

    /// A real history up to the given time of its day, 2026-11-21.
    fn at(history: &str, time: &str) -> Self {
        let until = format!("2026-11-21T{time}Z").parse::<Timestamp>().unwrap();
        let history = read_json(history).unwrap().into_iter().filter(|event| event.at <= until).collect();
        Self { status: Some("RUNNING"), published_at: None, history, confirmed: &[BERG, OSEI] }
    }

    /// What a look at that time of the day comes to, and the metrics that it leaves.
    fn look(self, time: &str) -> (Report, Vec<Value>) {
        let row = |status: &str| Registered {
            owner: NIGHT.to_owned(),
            status: status.to_owned(),
            claimed_at: "2026-11-21T01:00:02Z".parse().unwrap(),
            published_at: self.published_at.map(|at| at.parse().unwrap()),
        };
        let rows = self.status.map(|status| (RunDate::parse("2026-11-20").unwrap(), row(status)));
        let metrics = Mutex::new(Vec::new());
        let histories = MemoryHistories::default().with(NIGHT, self.history);
        let ports = ports(Rows(Some(rows.into_iter().collect())), histories, Topic(self.confirmed), &metrics, time);
        let report = now_or_never(handle(&ports, Request {})).unwrap();
        let lines = metrics.lock().unwrap().clone();
        (report, lines)
    }
}

fn ports<'a>(
    registry: Rows,
    histories: MemoryHistories,
    subscriptions: Topic,
    metrics: &'a Mutex<Vec<Value>>,
    time: &str,
) -> Ports<Rows, MemoryHistories, Topic, impl Fn(&Value) + 'a, ManualClock> {
    Ports {
        registry,
        histories,
        subscriptions,
        metrics: |line: &Value| metrics.lock().unwrap().push(line.clone()),
        clock: ManualClock::at(format!("2026-11-21T{time}Z").parse::<Timestamp>().unwrap()),
        settings: Settings {
            stack: "nightly-prod".to_owned(),
            deadlines: Deadlines {
                started: "01:15".parse().unwrap(),
                asked: "03:00".parse().unwrap(),
                published: "05:00".parse().unwrap(),
            },
            panel: Panel::new(&[BERG, OSEI], 2).unwrap(),
        },
    }
}

fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(answer) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else { panic!("nothing here waits") };
    answer
}

const PUBLISHED: &str = include_str!("../../domain/histories/published.json");
const REJECTED: &str = include_str!("../../domain/histories/rejected.json");

#[test]
fn a_night_that_nobody_started_is_late_for_one_thing_after_the_other() {
    use Milestone::{Asked, Published, Started};
    for (time, late) in [
        ("00:00:00", &[][..]),
        ("01:14:59", &[]),
        ("01:15:00", &[Started]),
        ("02:59:59", &[Started]),
        ("03:00:00", &[Started, Asked]),
        ("05:00:00", &[Started, Asked, Published]),
        ("23:59:59", &[Started, Asked, Published]),
    ] {
        assert_eq!(Stand::unclaimed().look(time).0.late, late, "at {time}");
    }
}

#[test]
fn a_night_is_late_only_for_what_it_has_not_reached() {
    use Milestone::{Asked, Published};
    // It asks at 02:23:56, is answered 48 minutes later, and publishes at 03:14.
    for (reached, time, late) in [
        ("02:20:00", "02:59:59", &[][..]),
        ("02:20:00", "03:00:00", &[Asked]),
        ("02:30:00", "03:00:00", &[]),
        ("03:13:00", "04:59:59", &[]),
        ("03:13:00", "05:00:00", &[Published]),
    ] {
        assert_eq!(Stand::at(PUBLISHED, reached).look(time).0.late, late, "at {time}, having come to {reached}");
    }
}

#[test]
fn a_published_night_is_never_late_and_a_night_that_ended_otherwise_is() {
    // Its history may be forgotten by then: the registry says it.
    let published = Stand { status: Some("PUBLISHED"), ..Stand::unclaimed() };
    assert_eq!(published.look("09:00:00").0.late, []);
    let rejected = || Stand { status: Some("REJECTED"), ..Stand::at(REJECTED, "09:00:00") };
    assert_eq!(rejected().look("09:00:00").0.late, [Milestone::Published]);
    let rebuilt = Stand { published_at: Some("2026-11-21T03:14:02Z"), ..rejected() };
    assert_eq!(rebuilt.look("09:00:00").0.late, [], "what was published stays when a forced build after it is rejected");
    let asked_again = Stand { published_at: Some("2026-11-21T03:14:02Z"), confirmed: &[], ..Stand::at(PUBLISHED, "02:30:00") };
    assert!(asked_again.look("03:00:00").0.nobody_to_answer, "a forced build's question needs somebody, too");
}

#[test]
fn from_midnight_on_it_looks_at_the_next_night() {
    assert_eq!(Stand::unclaimed().look("00:00:00").0.run_date.to_string(), "2026-11-20");
    assert_eq!(due(Date::constant(2026, 3, 1)).to_string(), "2026-02-28");
}

#[test]
fn an_open_question_needs_as_many_reachable_approvers_as_must_approve() {
    for (reached, confirmed, expected) in [
        ("02:30:00", &[BERG, OSEI][..], false),
        ("02:30:00", &["A.Berg@Nordvik.example", OSEI], false),
        ("02:30:00", &[BERG], true),
        ("02:30:00", &[], true),
        // Nobody is asked yet, or any more.
        ("02:20:00", &[], false),
        ("03:13:00", &[], false),
    ] {
        let stand = Stand { confirmed, ..Stand::at(PUBLISHED, reached) };
        assert_eq!(stand.look("03:14:00").0.nobody_to_answer, expected, "at {reached} with {confirmed:?}");
    }
    let stopped = read_json(REJECTED).unwrap();
    let asked = stopped.iter().position(|event| event.kind == EventKind::Entered { state: QUESTION.to_owned() }).unwrap();
    let end = EventKind::Ended(nightly_domain::history::ExecutionEnd::Aborted);
    let mut history = stopped[..=asked].to_vec();
    assert!(Question::of(&history).open);
    history.push(HistoryEvent { kind: end, ..history[asked].clone() });
    assert_eq!(Question::of(&history), Question { asked: true, open: false }, "a stopped night waits for nobody");
    history.push(HistoryEvent { kind: EventKind::Redriven, ..history[asked].clone() });
    assert!(Question::of(&history).open, "a redriven one does");
}

#[test]
fn the_figures_are_a_line_that_cloudwatch_reads() {
    let (_, metrics) = Stand { confirmed: &[], ..Stand::at(PUBLISHED, "02:30:00") }.look("05:00:00");
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!("metrics", metrics) });
}

#[test]
fn what_cannot_be_looked_up_is_an_error_and_no_figure() {
    let metrics = Mutex::new(Vec::new());
    let unreadable = ports(Rows(None), MemoryHistories::default(), Topic(&[]), &metrics, "02:00:00");
    let error = now_or_never(handle(&unreadable, Request {})).unwrap_err();
    assert_eq!((error.name(), error.to_string().as_str()), ("StorageUnavailable", "how the night of 2026-11-20 stands is not known"));
    assert!(metrics.lock().unwrap().is_empty());
}
