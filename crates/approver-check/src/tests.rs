use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use nightly_domain::channel::MemoryChannel;
use nightly_domain::memory::ManualClock;

use super::*;

const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:nightly-prod-approvals";
const BERG: &str = "a.berg@nordvik.example";
const OSEI: &str = "b.osei@nordvik.example";
const LIND: &str = "d.lind@nordvik.example";

/// A topic with these confirmed subscriptions, or one that can't be asked.
struct Topic(Option<Vec<Address>>);

impl Subscriptions for Topic {
    async fn confirmed(&self) -> Result<Vec<Address>, PortError> {
        self.0.clone().ok_or_else(|| PortError::new("ListSubscriptionsByTopic", "a planned fault"))
    }
}

/// What one look came to, seen from outside.
struct Looked {
    answer: Result<Report, CheckError>,
    posted: Vec<Value>,
    metrics: Vec<Value>,
}

/// Two approvers and a deputy; `confirmed` have confirmed.
fn look(required: u32, confirmed: Option<&[&str]>, channel: &MemoryChannel) -> Looked {
    let metrics = Mutex::new(Vec::new());
    let ports = Ports {
        subscriptions: Topic(confirmed.map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect())),
        channel: Some(channel.clone()),
        metrics: |line: &Value| metrics.lock().unwrap().push(line.clone()),
        clock: ManualClock::at("2026-11-20T16:00:00.25Z".parse::<Timestamp>().unwrap()),
        settings: Settings {
            environment: "prod".to_owned(),
            stack: "nightly-prod".to_owned(),
            panel: Panel::new(&[BERG, OSEI], required).unwrap().with_deputies(&[LIND]).unwrap(),
            topic_arn: TOPIC.to_owned(),
        },
    };
    let request = serde_json::from_str(include_str!("../../../events/approver-check.json")).unwrap();
    let mut looking = pin!(handle(&ports, request));
    let Poll::Ready(answer) = looking.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { panic!("nothing here waits") };
    let metrics = metrics.lock().unwrap().clone();
    Looked { answer, posted: channel.posted(), metrics }
}

#[test]
fn where_everybody_is_reached_nothing_is_said() {
    // Mail addresses are the same in whatever case.
    let looked = look(2, Some(&["A.Berg@Nordvik.example", OSEI, LIND, "someone.else@nordvik.example"]), &MemoryChannel::default());
    assert_eq!(looked.answer.unwrap(), Report { approvers: 2, deputies: 1, unreachable: Vec::new(), enough: true });
    assert_eq!(looked.posted, Vec::<Value>::new());
    assert_eq!(looked.metrics.len(), 1);
}

#[test]
fn the_figures_are_a_line_that_cloudwatch_reads() {
    let looked = look(1, Some(&[BERG]), &MemoryChannel::default());
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!("metrics", looked.metrics) });
}

#[test]
fn who_is_not_reached_is_named_where_the_others_are_enough() {
    let looked = look(1, Some(&[BERG]), &MemoryChannel::default());
    let unreachable = vec!["B. Osei".to_owned(), "D. Lind".to_owned()];
    assert_eq!(looked.answer.unwrap(), Report { approvers: 2, deputies: 1, unreachable, enough: true });
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!("enough", looked.posted) });
}

#[test]
fn too_few_are_an_error_after_it_was_told() {
    for (required, confirmed) in [(2, [BERG, LIND].as_slice()), (1, &[LIND]), (1, &[])] {
        let looked = look(required, Some(confirmed), &MemoryChannel::default());
        assert_eq!(looked.answer.unwrap_err().name(), "ApproversUnreachable", "a deputy is asked by an approver only");
        assert_eq!((looked.posted.len(), looked.metrics.len()), (1, 1));
    }
    let looked = look(2, Some(&[BERG, LIND]), &MemoryChannel::default());
    assert_eq!(looked.answer.unwrap_err().to_string(), "2 must approve, and 1 of 2 approvers can be mailed");
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!("too-few", looked.posted) });
}

#[test]
fn a_channel_that_is_down_hides_nothing() {
    let down = || MemoryChannel::failing([PostError::NotPosted("no route".into())]);
    let looked = look(1, Some(&[BERG]), &down());
    assert_eq!((looked.answer.unwrap_err().name(), looked.metrics.len()), ("SlackUnavailable", 1));
    let looked = look(2, Some(&[BERG]), &down());
    assert_eq!((looked.answer.unwrap_err().name(), looked.metrics.len()), ("ApproversUnreachable", 1), "the worse of the two is named");
}

#[test]
fn what_cannot_be_looked_up_is_not_reported() {
    let looked = look(1, None, &MemoryChannel::default());
    assert_eq!(looked.answer.unwrap_err().name(), "StorageUnavailable");
    assert!(looked.posted.is_empty() && looked.metrics.is_empty());
}

#[test]
fn no_address_leaves_the_function() {
    for (required, confirmed) in [(1, [BERG].as_slice()), (2, &[]), (2, &[BERG, OSEI, LIND])] {
        let Looked { answer, posted, metrics } = look(required, Some(confirmed), &MemoryChannel::default());
        let said = format!("{answer:?} {posted:?} {metrics:?}");
        assert!(!said.contains("nordvik.example"), "{said}");
    }
    assert_eq!(called(&"...@nordvik.example".parse().unwrap()), ".…@nordvik.example");
}
