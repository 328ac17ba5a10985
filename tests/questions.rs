//! Questions of other state machines than the night's, on the local AWS. They need no job, and so run beside whole nights.

#![expect(clippy::unwrap_used, reason = "what these tests share fails the test that it serves")]

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::local_aws::{call, end_of, endpoint, eventually, folder, page, press};

const BERG: &str = "a.berg@nordvik.example";

#[test]
#[ignore = "needs the local AWS"]
fn another_state_machine_asks_and_gets_its_answer() {
    let asked = ask(&json!({
        "question": "Delete 1,204 partitions from before 2020?",
        "consequence": "They are gone for good.",
        "facts": [{"name": "Oldest partition", "value": "2016-01-01"}],
        "startedBy": "nightly-tests",
        "requiredApprovals": 1,
        "timeoutSeconds": 600,
    }));
    let link = eventually("nobody was asked", || mails(BERG, "Delete 1,204 partitions").first().and_then(|mail| link(mail)));
    assert!(page(&link).contains("Oldest partition"));
    press(&link, &[("decision", "approve"), ("seen", "yes"), ("comment", "Checked.")]);
    let described = end_of(&endpoint(), &asked);
    assert_eq!(described["status"], "SUCCEEDED", "{described}");
    let verdict = verdict(&described);
    assert_eq!((&verdict["decision"], &verdict["by"], &verdict["comment"]), (&json!("APPROVED"), &json!("A. Berg"), &json!("Checked.")));
}

#[test]
#[ignore = "needs the local AWS"]
fn a_question_that_nobody_answers_is_reminded_of_waits_its_whole_time_and_ends_at_its_deadline() {
    // Four minutes to answer, and three more that nobody asks for: the watch ends it, not the state's own clock. And unless the watch
    // beats, the wait ends after half of both.
    let asked = ask(&json!({
        "question": "Shall the archive of 2015 be thrown away?",
        "consequence": "It is gone for good.",
        "facts": [{"name": "Objects", "value": "1,204"}],
        "startedBy": "nightly-tests",
        "timeoutSeconds": 420,
        "extensionSeconds": 180,
    }));
    let since = Instant::now();
    let describe = || call(&endpoint(), "states", "AWSStepFunctions.DescribeExecution", &json!({"executionArn": asked}));
    while describe()["status"] == "RUNNING" {
        assert!(since.elapsed() < Duration::from_mins(7), "it is still open");
        std::thread::sleep(Duration::from_secs(1));
    }
    let waited = since.elapsed();
    let described = describe();
    assert_eq!((&described["status"], &verdict(&described)["decision"]), (&json!("SUCCEEDED"), &json!("EXPIRED")), "{described}");
    assert!(waited > Duration::from_secs(230), "it ended before its time, after {waited:?}");
    assert!(waited < Duration::from_secs(390), "it ended after {waited:?}");
    let reminders = mails(BERG, "archive of 2015").into_iter().filter(|mail| mail.contains("Reminder")).count();
    assert!(reminders > 0, "nobody was reminded");
}

/// Starts the machine that any deployment has for others, and gives the execution.
fn ask(question: &Value) -> Value {
    let machine = "arn:aws:states:eu-central-1:000000000000:stateMachine:nightly-warehouse-question";
    let start = json!({"stateMachineArn": machine, "input": question.to_string()});
    call(&endpoint(), "states", "AWSStepFunctions.StartExecution", &start)["executionArn"].clone()
}

fn verdict(described: &Value) -> Value {
    described["output"].as_str().map_or(Value::Null, |output| serde_json::from_str(output).unwrap())
}

/// This person's mails with that text.
fn mails(person: &str, text: &str) -> Vec<String> {
    let files = fs::read_dir(folder("inbox").join("mail")).into_iter().flatten().flatten();
    let mails = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    mails.filter(|mail| mail.contains(person) && mail.contains(text)).collect()
}

fn link(mail: &str) -> Option<String> {
    mail.split_whitespace().find(|word| word.contains("/approvals/")).map(str::to_owned)
}
