use std::sync::Arc;

use nightly_domain::approval::{ApprovalStatus, Bearer, Click, Decision};
use nightly_domain::memory::contract::evidence as built;
use nightly_domain::memory::{
    CountedSecrets, Fate, Gate, ManualClock, MemoryApprovals, MemoryMail, MemoryObjects, MemoryTasks, MemoryWatches, SentMail, Wait,
};
use serde_json::json;

use super::*;

type World = Ports<MemoryObjects, MemoryApprovals, MemoryTasks, MemoryMail, MemoryWatches, CountedSecrets, ManualClock>;

const PEOPLE: [&str; 3] = ["a.berg@nordvik.example", "b.osei@nordvik.example", "c.marchetti@nordvik.example"];

fn world(people: &[&str], required: u32) -> (World, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let ports = Ports {
        objects: MemoryObjects::behind(&gate),
        approvals: MemoryApprovals::behind(&gate),
        tasks: MemoryTasks::behind(&gate),
        mail: MemoryMail::behind(&gate),
        watches: MemoryWatches::behind(&gate),
        secrets: CountedSecrets::default(),
        clock: ManualClock::at("2026-11-21T02:24:00.5Z".parse().unwrap()),
        settings: Settings {
            environment: "prod".to_owned(),
            base_url: "https://approve.nordvik.example".to_owned(),
            panel: Panel::new(people, required).unwrap(),
        },
    };
    ports.objects.put(&staged("_summary.json"), serde_json::to_vec(&built().summary).unwrap());
    ports.objects.put(&staged("part-0.parquet"), "rows");
    (ports, gate)
}

fn staged(name: &str) -> ObjectUri {
    built().staged_uri.join(name)
}

/// What the definition sends, on the attempt with this token.
fn request(token: &str) -> Request {
    serde_json::from_value(json!({
        "taskToken": token,
        "approvalId": "01jd4q8m-2k",
        "executionArn": "arn:aws:states:eu-central-1:111122223333:execution:nightly-warehouse:2026-11-20-a1",
        "runId": "2026-11-20-a1",
        "runDate": "2026-11-20",
        "timeoutSeconds": 3600,
        "stagedUri": "s3://work/nightly-warehouse/run_date=2026-11-20/2026-11-20-a1/apply-fx/",
        "quality": {"score": 1, "ruleset": "orders_curated", "rules": [
            {"name": "Rule_1", "rule": "RowCount > 0", "result": "PASS", "metrics": {"Dataset.*.RowCount": 48212}},
            {"name": "Rule_2", "rule": "IsComplete \"order_id\"", "result": "PASS"},
        ]},
    }))
    .unwrap()
}

fn stored(ports: &World) -> Approval {
    ports.approvals.stored(&"01jd4q8m-2k".parse().unwrap()).unwrap()
}

fn link(mail: &SentMail) -> Link {
    let line = mail.text.lines().find(|line| line.starts_with("https://approve.nordvik.example/")).unwrap();
    Link::from_path(line).unwrap()
}

#[tokio::test]
async fn every_approver_gets_a_link_of_their_own_and_only_its_hash_is_kept() {
    let (ports, gate) = world(&PEOPLE, 2);
    handle(&ports, request("token-1")).await.unwrap();
    let record = stored(&ports);
    assert_eq!((record.status.clone(), record.generation, record.required), (ApprovalStatus::Pending, 1, 2));
    assert_eq!(record.expires_at.to_string(), "2026-11-21T03:24:00Z");
    for (place, mail) in ports.mail.sent().iter().enumerate() {
        assert_eq!(mail.to.as_str(), PEOPLE[place]);
        assert_eq!(record.bearer(&link(mail).secret.hash()), Bearer::Approver(place), "the link is of this question and this person");
    }
    assert_eq!(ports.mail.sent().len(), 3);
    let watch = Watch { approval_id: record.id.clone(), generation: 1 };
    assert_eq!(ports.watches.begun(), [(watch, record.expires_at + WATCHED_AFTER_DEADLINE)]);
    let calls = gate.calls();
    assert_eq!(
        calls,
        ["Objects.list", "Objects.read", "Approvals.read", "Approvals.replace", "Watches.begin", "Mail.send", "Mail.send", "Mail.send"]
    );
}

#[tokio::test]
async fn the_mail_reads_like_a_question() {
    let (ports, _) = world(&PEOPLE, 2);
    handle(&ports, request("token-1")).await.unwrap();
    let mail = &ports.mail.sent()[0];
    assert!(mail.subject.is_ascii() && mail.subject.len() <= 100, "SNS takes no other subject: {}", mail.subject);
    insta::assert_snapshot!("mail", format!("Subject: {}\n\n{}", mail.subject, mail.text));
}

#[tokio::test]
async fn one_approver_alone_is_asked_for_their_own_approval() {
    let (ports, _) = world(&PEOPLE[..1], 1);
    handle(&ports, request("token-1")).await.unwrap();
    assert!(ports.mail.sent()[0].text.contains("\nNeeded: your approval\n"), "{}", ports.mail.sent()[0].text);
}

#[tokio::test]
async fn a_retry_supersedes_the_links_of_the_attempt_before() {
    for (call, mails_before) in [("Mail.send", 0), ("Watches.begin", 0)] {
        let (ports, gate) = world(&PEOPLE[..2], 1);
        gate.plan(call, Fate::FailsBefore);
        let error = handle(&ports, request("token-1")).await.unwrap_err();
        assert_eq!((error.name(), ports.mail.sent().len()), ("ApprovalUndeliverable", mails_before));
        ports.clock.advance(SignedDuration::from_secs(2));
        handle(&ports, request("token-2")).await.unwrap();
        let record = stored(&ports);
        assert_eq!((record.generation, record.task_token.expose(), record.superseded.len()), (2, "token-2", 2));
        assert_eq!(ports.mail.sent().len(), 2);
        assert_eq!(record.bearer(&link(&ports.mail.sent()[1]).secret.hash()), Bearer::Approver(1));
    }
}

#[tokio::test]
async fn an_answer_to_an_attempt_that_had_died_is_handed_to_the_next_one() {
    let (ports, _) = world(&PEOPLE[..1], 1);
    handle(&ports, request("token-1")).await.unwrap();
    let record = stored(&ports);
    let Click::Counts(decided) = record.click(0, Decision::Approve { comment: None }, record.asked_at) else { panic!("it counts") };
    ports.approvals.replace(Some(&record), &decided).await.unwrap();

    let again = request("token-2");
    ports.tasks.wait(&again.task_token);
    ports.clock.advance(SignedDuration::from_secs(2));
    handle(&ports, again).await.unwrap();
    let verdict = serde_json::to_string(decided.undelivered().unwrap()).unwrap();
    assert_eq!(ports.tasks.outcome(&request("token-2").task_token), Some(Wait::Answered(verdict)));
    assert_eq!(ports.mail.sent().len(), 1, "nobody is asked twice for the same build");

    ports.objects.put(&staged("part-0.parquet"), "other rows");
    handle(&ports, request("token-3")).await.unwrap();
    assert_eq!((stored(&ports).status, ports.mail.sent().len()), (ApprovalStatus::Pending, 2), "another build is another question");
}

#[tokio::test]
async fn a_start_that_is_repeated_after_the_answer_asks_nobody() {
    let (ports, _) = world(&PEOPLE[..1], 1);
    handle(&ports, request("token-1")).await.unwrap();
    let record = stored(&ports);
    ports.approvals.expire(&record.id, record.expires_at);
    handle(&ports, request("token-1")).await.unwrap();
    assert_eq!((stored(&ports).status.name(), ports.mail.sent().len()), ("EXPIRED", 1));
}

#[tokio::test]
async fn a_build_that_cannot_be_shown_asks_nobody() {
    let write = |change: fn(&mut Summary)| {
        let (ports, gate) = world(&PEOPLE, 1);
        let mut summary = built().summary;
        change(&mut summary);
        ports.objects.put(&staged("_summary.json"), serde_json::to_vec(&summary).unwrap());
        (ports, gate)
    };
    let garbled = world(&PEOPLE, 1);
    garbled.0.objects.put(&staged("_summary.json"), "{");
    let mut nothing = world(&PEOPLE, 1);
    nothing.0.objects = MemoryObjects::behind(&nothing.1);
    for (world, problem) in [
        (write(|summary| summary.run_date = "2026-11-19".parse().unwrap()), "it is the build of 2026-11-19 by 2026-11-20-a1"),
        (write(|summary| summary.run_id = "another".to_owned()), "it is the build of 2026-11-20 by another"),
        (garbled, "EOF"),
        (nothing, "it has no _summary.json"),
    ] {
        let error = handle(&world.0, request("token-1")).await.unwrap_err();
        assert_eq!(error.name(), "EvidenceUnreadable");
        assert_eq!(error.to_string(), format!("the staged build at {} cannot be shown to anybody", built().staged_uri));
        assert!(std::error::Error::source(&error).unwrap().to_string().contains(problem), "{error:?}");
        assert!(world.0.approvals.stored(&"01jd4q8m-2k".parse().unwrap()).is_none() && world.0.mail.sent().is_empty());
    }
}

#[tokio::test]
async fn nothing_secret_leaves_but_in_the_approvers_own_mail() {
    let (ports, gate) = world(&PEOPLE[..2], 1);
    gate.plan("Mail.send", Fate::Works);
    gate.plan("Mail.send", Fate::FailsAfter);
    let error = handle(&ports, request("canary-token")).await.unwrap_err();
    let secrets: Vec<_> = ports.mail.sent().iter().map(|mail| link(mail).address("").rsplit('/').next().unwrap().to_owned()).collect();
    let shown = format!("{error} {error:?} {:?} {:?} {:?}", stored(&ports), request("canary-token"), ports.watches.begun());
    for hidden in secrets.iter().map(String::as_str).chain(["canary-token", "a.berg"]) {
        assert!(!shown.contains(hidden), "{hidden} is shown: {shown}");
    }
    assert!(!ports.mail.sent()[0].text.contains(&secrets[1]) && !ports.mail.sent()[0].text.contains("canary-token"));
}
