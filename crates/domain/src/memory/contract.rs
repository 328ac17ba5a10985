//! What every side of the approvals port must do. Runs on memory and on DynamoDB, so that what is proven on one holds on the other.

use jiff::{SignedDuration, Timestamp};

use crate::approval::{
    Announcement, Answer, Approval, ApprovalStatus, Approver, Click, Decision, Extension, HandedOn, Handover, MailedLink, Notice, Question,
    Remark, Ruling, Said, Verdict,
};
use crate::audit::{self, Appended, Audit, Entry, Event, Occurrence, Reader};
use crate::channel::MessageReference;
use crate::evidence::{AppliedRates, Build, CategoryFigures, Evidence, EvidenceDigest, Quality, RuleResult, RuleVerdict, Subject, Summary};
use crate::history::ExecutionEnd;
use crate::link::{ApprovalId, Secret};
use crate::nights::{Begun, EndedNight, Medium, Nights, NoticeId, Notices, PATIENCE, Standing};
use crate::people::Starter;
use crate::ports::{Approvals, Replaced};
use crate::{Outcome, RunDate};

/// A scheduled night's question about 48,212 order lines to the given people, put and mailed at 02:24 UTC with an hour to answer. The n-th
/// person's secret is made of the byte n, counted from 1.
pub fn question(id: &ApprovalId, people: &[&str], required: u32) -> Question {
    let asked_at: Timestamp = "2026-11-21T02:24:00Z".parse().expect("a timestamp");
    let approver = |(place, address): (usize, &&str)| Approver {
        address: address.parse().expect("an address"),
        links: vec![MailedLink { secret_hash: secret(place).hash(), notice: Notice::Question, sent_at: Some(asked_at) }],
        answer: None,
        handed_on: None,
        in_place_of: None,
    };
    Question {
        id: id.clone(),
        task_token: "token-1".to_owned().try_into().expect("a token"),
        execution_arn: "arn:aws:states:eu-central-1:111122223333:execution:nightly-warehouse:2026-11-20-a1".to_owned(),
        evidence: evidence(),
        started_by: Starter::Schedule,
        deputies: Vec::new(),
        approvers: people.iter().enumerate().map(approver).collect(),
        required,
        asked_at,
        expires_at: asked_at + SignedDuration::from_hours(1),
        limit_at: asked_at + SignedDuration::from_hours(1),
    }
}

/// The secret of the person at this place.
pub fn secret(place: usize) -> Secret {
    Secret::new([u8::try_from(place + 1).expect("few people"); 32])
}

/// What an approver sees of [`build`].
pub fn evidence() -> Evidence {
    let build = build();
    Evidence { digest: EvidenceDigest::of(&build.staged_uri, &[]), subject: Subject::Build(Box::new(build)) }
}

/// A build that passed its gate, with nothing to compare it with.
pub fn build() -> Build {
    let money = |text: &str| text.parse().expect("an amount");
    let category = |name: Option<&str>, order_lines, revenue| CategoryFigures {
        category: name.map(str::to_owned),
        order_lines,
        revenue_base: money(revenue),
    };
    let rule = |place: usize, rule: &str, metric: &str, value: f64| RuleResult {
        name: format!("Rule_{place}"),
        rule: rule.to_owned(),
        result: RuleVerdict::Pass,
        message: None,
        metrics: [(metric.to_owned(), value)].into(),
    };
    let staged_uri = "s3://work/nightly-warehouse/run_date=2026-11-20/2026-11-20-a1/apply-fx/".parse().expect("an address");
    Build {
        staged_uri,
        published: Vec::new(),
        summary: Summary {
            run_date: "2026-11-20".parse().expect("a date"),
            run_id: "2026-11-20-a1".to_owned(),
            base_currency: "EUR".to_owned(),
            orders: 16_021,
            order_lines: 48_212,
            revenue_base: money("1284306.52"),
            unmatched_lines: 37,
            rates: AppliedRates {
                effective_date: "2026-11-19".parse().expect("a date"),
                source: "frankfurter".to_owned(),
                currencies: ["EUR", "GBP", "SEK", "USD"].map(str::to_owned).to_vec(),
            },
            categories: vec![
                category(Some("Electronics"), 9_480, "612940.11"),
                category(Some("Home"), 12_007, "387655.40"),
                category(Some("Sports"), 8_214, "184380.77"),
                category(Some("Shoes"), 11_902, "96418.02"),
                category(None, 37, "2912.22"),
            ],
        },
        quality: Quality {
            score: 1.0,
            ruleset: "orders_curated".to_owned(),
            rules: vec![
                rule(1, "RowCount > 0", "Dataset.*.RowCount", 48_212.0),
                rule(2, "IsPrimaryKey \"order_id\" \"line_number\"", "Multicolumn.order_id,line_number.Uniqueness", 1.0),
                rule(3, "Completeness \"category\" >= 0.98", "Column.category.Completeness", 0.999_233),
            ],
        },
    }
}

/// Checks a store. `expire` does what the definition's `ExpireApproval` does to it, and says whether it wrote; `id` names a record that
/// doesn't exist yet, a different one for each letter that is added to it.
pub async fn approvals<Store: Approvals>(store: &Store, id: &str, expire: impl AsyncFn(&ApprovalId) -> bool) {
    a_record_is_read_back_as_it_was_written(store, &named(id, "a")).await;
    only_one_of_two_writers_wins(store, &named(id, "b")).await;
    the_clock_and_people_exclude_each_other(store, &named(id, "c"), &named(id, "d"), expire).await;
}

fn named(id: &str, letter: &str) -> ApprovalId {
    format!("{id}-{letter}").parse().expect("an approval id")
}

async fn a_record_is_read_back_as_it_was_written(store: &impl Approvals, id: &ApprovalId) {
    assert_eq!(store.read(id).await.expect("a read"), None, "there is no such record yet");
    let mut record = question(id, &["a.berg@nordvik.example", "b.osei@nordvik.example"], 2).first();
    write(store, None, &record).await;
    record = rewritten(store, &record, |next| {
        next.approvers[0].answer = Some(Answer { decision: Decision::Approve { comment: Some(remark("Fine.")) }, at: next.asked_at });
    })
    .await;
    let verdict = Verdict {
        decision: Ruling::Rejected,
        by: "B. Osei".to_owned(),
        at: record.asked_at + SignedDuration::from_secs(1),
        reason: Some("«Wörter» and \"quotes\"\nof two lines".to_owned()),
        comment: None,
        evidence_digest: record.evidence.digest.clone(),
        order_lines: Some(48_212),
        waiver: None,
    };
    record = rewritten(store, &record, |next| {
        let to: crate::people::Address = "d.lind@nordvik.example".parse().expect("an address");
        next.approvers[1].handed_on = Some(HandedOn { to: to.clone(), at: next.asked_at });
        let link = MailedLink { secret_hash: secret(7).hash(), notice: Notice::LastCall, sent_at: None };
        let in_place_of = Some(next.approvers[1].address.clone());
        next.approvers.push(Approver { address: to.clone(), links: vec![link], answer: None, handed_on: None, in_place_of });
        next.deputies = vec![to.clone()];
        next.started_by = Starter::Named("c.marchetti@nordvik.example".to_owned());
        next.extension = Some(Extension { by: to, at: next.asked_at, from: next.expires_at });
        next.limit_at = next.expires_at + SignedDuration::from_mins(15);
        next.viewers = vec![secret(8).hash()];
        let message = Some(MessageReference { channel: "C1".to_owned(), ts: "1795231440.000100".to_owned() });
        next.announcement = Announcement { message, said: Said::Question(1) };
    })
    .await;
    let statuses = [
        ApprovalStatus::Decided { verdict: verdict.clone(), handover: Handover::Due },
        ApprovalStatus::Decided {
            verdict: verdict.clone(),
            handover: Handover::Closed { at: record.asked_at + SignedDuration::from_millis(1_234), end: None },
        },
        ApprovalStatus::Decided {
            verdict: verdict.clone(),
            handover: Handover::Closed { at: record.asked_at, end: Some(ExecutionEnd::Failed { error: "ApprovalRejected".to_owned() }) },
        },
        ApprovalStatus::Decided {
            verdict: Verdict { decision: Ruling::Expired, by: String::new(), reason: None, order_lines: None, ..verdict.clone() },
            handover: Handover::Due,
        },
        ApprovalStatus::Expired { at: record.expires_at },
        ApprovalStatus::Cancelled { at: record.expires_at, end: ExecutionEnd::Aborted },
        ApprovalStatus::Decided { verdict, handover: Handover::Delivered { at: record.expires_at } },
    ];
    for status in statuses {
        record = rewritten(store, &record, |next| next.status = status).await;
    }
}

async fn only_one_of_two_writers_wins(store: &impl Approvals, id: &ApprovalId) {
    let first = question(id, &["a.berg@nordvik.example", "b.osei@nordvik.example"], 2).first();
    write(store, None, &first).await;
    write(store, None, &first).await;
    let another = Approval { required: 1, ..first.clone() };
    assert_eq!(store.replace(None, &another).await.expect("a write"), lost(&first), "a record is created once");

    let by = |approver| clicked(&first, approver);
    let (one, other) = (by(0), by(1));
    write(store, Some(&first), &one).await;
    assert_eq!(store.replace(Some(&first), &other).await.expect("a write"), lost(&one), "the loser is told who won, by the same call");
    assert_eq!(store.read(id).await.expect("a read"), Some(one), "and has changed nothing");

    let gone = Approval { id: named(id.as_str(), "gone"), ..first.clone() };
    assert_eq!(store.replace(Some(&gone), &gone).await.expect("a write"), Replaced::Lost(None), "what is gone is not written again");
}

async fn the_clock_and_people_exclude_each_other(
    store: &impl Approvals,
    late: &ApprovalId,
    early: &ApprovalId,
    expire: impl AsyncFn(&ApprovalId) -> bool,
) {
    let record = question(late, &["a.berg@nordvik.example"], 1).first();
    write(store, None, &record).await;
    assert!(expire(late).await, "the clock settles what is pending");
    let Replaced::Lost(Some(settled)) = store.replace(Some(&record), &clicked(&record, 0)).await.expect("a write") else {
        panic!("an answer after the clock must lose");
    };
    assert_eq!((settled.status.name(), settled.revision), ("EXPIRED", record.revision));
    assert_eq!(store.read(late).await.expect("a read"), Some(*settled), "the clock's word stays");

    let record = question(early, &["a.berg@nordvik.example"], 1).first();
    let decided = clicked(&record, 0);
    write(store, None, &record).await;
    write(store, Some(&record), &decided).await;
    assert!(!expire(early).await, "the clock follows what is decided");
    assert_eq!(store.read(early).await.expect("a read"), Some(decided));
}

fn clicked(record: &Approval, approver: usize) -> Approval {
    match record.click(approver, Decision::Approve { comment: None }, record.asked_at) {
        Click::Counts(next) => *next,
        other => panic!("{other:?}"),
    }
}

async fn rewritten(store: &impl Approvals, seen: &Approval, change: impl FnOnce(&mut Approval)) -> Approval {
    let mut next = seen.clone();
    next.revision += 1;
    change(&mut next);
    write(store, Some(seen), &next).await;
    next
}

async fn write(store: &impl Approvals, seen: Option<&Approval>, next: &Approval) {
    assert_eq!(store.replace(seen, next).await.expect("a write"), Replaced::Stored);
    assert_eq!(store.read(&next.id).await.expect("a read").as_ref(), Some(next), "what was written is what is read");
}

fn lost(to: &Approval) -> Replaced {
    Replaced::Lost(Some(Box::new(to.clone())))
}

fn remark(text: &str) -> Remark {
    Remark::parse(text).expect("a remark")
}

/// Checks an audit. `id` names a question of which nothing is written yet.
pub async fn audit(store: &impl Audit, id: &str) {
    let (one, other) = (named(id, "e"), named(id, "f"));
    let at: Timestamp = "2026-11-21T02:24:00.123Z".parse().expect("a timestamp");
    let viewed = |reader| Occurrence { at, generation: 1, approver: None, event: Event::Viewed { reader } };
    assert_eq!(store.entries(&one).await.expect("a read"), []);

    let first = Entry::after(&[], &one, &viewed(Reader::Person)).expect("an entry");
    let rival = Entry::after(&[], &one, &viewed(Reader::Scanner)).expect("an entry");
    assert_eq!(store.append(&first).await.expect("a write"), Appended::Stored);
    assert_eq!(store.append(&first).await.expect("a write"), Appended::Stored, "a repeated write meets itself");
    assert_eq!(store.append(&rival).await.expect("a write"), Appended::Taken, "nothing that stands is written over");
    assert_eq!(store.entries(&one).await.expect("a read"), [first]);

    let many: Vec<_> = (1..=12).map(|generation| Occurrence { generation, ..viewed(Reader::Scanner) }).collect();
    audit::append(store, &one, &many).await.expect("appended");
    audit::append(store, &one, &many).await.expect("appended again, which changes nothing");
    let chain = store.entries(&one).await.expect("a read");
    assert_eq!(chain.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), (1..=13).collect::<Vec<_>>(), "in the order of their numbers");
    assert_eq!(audit::verify(&chain), Ok(()));
    assert_eq!(chain.last().and_then(Entry::occurrence).as_ref(), many.last());
    assert_eq!(store.entries(&other).await.expect("a read"), [], "each question has a chain of its own");
}

/// A claim, as the definition writes it into the registry.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The execution that holds the night.
    pub owner: &'static str,
    /// `RUNNING`, or `PUBLISHED`.
    pub status: &'static str,
    /// When it was published, where it was.
    pub published_at: Option<Timestamp>,
}

/// Checks a run registry. `claim` puts a row there as the definition would; rows of November 2026 must not exist yet.
pub async fn nights<Registry: Nights>(registry: &Registry, claim: impl AsyncFn(RunDate, Claim)) {
    const OWNER: &str = "arn:aws:states:eu-central-1:111122223333:execution:night:a1";
    let ended_at: Timestamp = "2026-11-21T01:38:56.050Z".parse().expect("a timestamp");
    let published_at: Timestamp = "2026-11-21T03:14:02Z".parse().expect("a timestamp");
    let day = |day: u8| -> RunDate { format!("2026-11-{day:02}").parse().expect("a date") };
    let ended = |date: u8, outcome: Outcome, error: Option<&str>| EndedNight {
        run_date: day(date),
        owner: OWNER.to_owned(),
        outcome,
        ended_at,
        error: error.map(str::to_owned),
    };
    let end = async |night: EndedNight| registry.end(&night).await.expect("a write");
    let failed = || Outcome::Failed { state: "EnrichCurrency".to_owned(), error: "RatesUnavailable".to_owned() };

    assert_eq!(end(ended(1, Outcome::Aborted, None)).await, Standing::Unclaimed, "nobody has claimed it");
    assert_eq!(end(ended(1, Outcome::Aborted, None)).await, Standing::Unclaimed, "ending what nobody has claimed claims nothing");

    claim(day(2), Claim { owner: OWNER, status: "RUNNING", published_at: None }).await;
    assert_eq!(end(ended(2, failed(), Some("RatesUnavailable"))).await, Standing::Ended);
    assert_eq!(end(ended(2, failed(), Some("RatesUnavailable"))).await, Standing::Ended, "the same event twice says the same");
    assert_eq!(end(ended(2, Outcome::TimedOut, None)).await, Standing::Ended, "it was redriven, and ended otherwise");

    claim(day(3), Claim { owner: OWNER, status: "PUBLISHED", published_at: Some(published_at) }).await;
    let standing = end(ended(3, Outcome::Aborted, None)).await;
    assert_eq!(standing, Standing::Published { at: Some(published_at) }, "what is published stays so");

    claim(day(4), Claim { owner: "arn:of:another", status: "RUNNING", published_at: None }).await;
    assert_eq!(end(ended(4, failed(), Some("RatesUnavailable"))).await, Standing::AnothersNight, "somebody has taken over");
    claim(day(5), Claim { owner: "arn:of:another", status: "PUBLISHED", published_at: Some(published_at) }).await;
    assert_eq!(end(ended(5, failed(), Some("RatesUnavailable"))).await, Standing::AnothersNight);
}

/// Checks a store of notices. `id` begins the names of notices that don't exist yet.
pub async fn notices<Store: Notices>(store: &Store, id: &str) {
    let at: Timestamp = "2026-11-21T01:38:57.5Z".parse().expect("a timestamp");
    let notice = NoticeId::ending(id, 0);
    let begin = async |notice: &NoticeId, medium, at| store.begin(notice, medium, at).await.expect("a write");
    assert_eq!(begin(&notice, Medium::Slack, at).await, Begun::Yes);
    assert_eq!(begin(&notice, Medium::Slack, at).await, Begun::UnderWay, "of two at once, one tells");
    assert_eq!(begin(&notice, Medium::Mail, at).await, Begun::Yes, "each medium is told by itself");
    assert_eq!(begin(&NoticeId::ending(id, 1), Medium::Slack, at).await, Begun::Yes, "a redrive that fails again is another ending");
    assert_eq!(begin(&NoticeId::outcome(id, &Outcome::Published), Medium::Slack, at).await, Begun::Yes);

    let later = at + PATIENCE;
    assert_eq!(begin(&notice, Medium::Slack, later - SignedDuration::from_millis(1)).await, Begun::UnderWay);
    assert_eq!(begin(&notice, Medium::Slack, later).await, Begun::Yes, "whoever began has crashed");
    store.give_up(&notice, Medium::Slack, at).await.expect("a write");
    assert_eq!(begin(&notice, Medium::Slack, later).await, Begun::UnderWay, "whoever was too slow gives up nothing of another's");
    store.give_up(&notice, Medium::Slack, later).await.expect("a write");
    assert_eq!(begin(&notice, Medium::Slack, later).await, Begun::Yes, "what was given up can be begun at once");

    store.told(&notice, Medium::Slack, later).await.expect("a write");
    let much_later = later + SignedDuration::from_hours(1);
    assert_eq!(begin(&notice, Medium::Slack, much_later).await, Begun::Told { at: later }, "what is told is told");
    store.give_up(&notice, Medium::Slack, later).await.expect("a write");
    assert_eq!(begin(&notice, Medium::Slack, much_later).await, Begun::Told { at: later });
}
