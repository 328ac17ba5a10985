use nightly_domain::approval::Question;

use super::*;
use crate::fixtures::{
    FORGERY, PEOPLE, approved, asked, asked_by, asking, counts, forged, link, minutes, rejected, request, retention, site,
};

fn handed(approval: &Approval, handover: Handover) -> Value {
    outcome(&approval.handed_over(handover), &site())
}

#[test]
fn every_post_reads_as_it_should() {
    let night = asked(&PEOPLE, 2);
    let one = approved(&night, 2, Some("Fine."), minutes(17));
    let yes = approved(&one, 0, Some("Electronics is the campaign."), minutes(20));
    let no = rejected(&one, 1, "Shoes are missing: no orders from the shop since noon.", minutes(21));
    let by_hand = asked_by("a.berg@nordvik.example", &PEOPLE[..2], 1);
    let delegated = counts(by_hand.hand_on(1, &"d.lind@nordvik.example".parse().unwrap(), by_hand.asked_at));
    let retention = retention().first();
    let ran_out = one.ran_out(one.expires_at).unwrap();
    let late = night.asked_at + minutes(24);
    let prompt = night.asked_at + minutes(21);
    let aborted = Some(ExecutionEnd::Aborted);
    let ended_so = |error: &str| Some(ExecutionEnd::Failed { error: error.to_owned() });
    let with_status = |approval: &Approval, status| outcome(&Approval { status, ..approval.clone() }, &site());
    let asked = |approval: &Approval| question(approval, &link(approval), &site());
    for (name, post) in [
        ("question", asked(&night)),
        ("question_after_a_yes", asked(&one)),
        ("question_started_by_hand", asked(&delegated)),
        ("question_request", asked(&retention)),
        (
            "question_request_many_facts",
            asked(&Question { evidence: request("Go on?", &[("Step", "one"); 14]), ..asking(&PEOPLE, 1, request("", &[])) }.first()),
        ),
        ("approved", handed(&yes, Handover::Delivered { at: prompt })),
        ("approved_late", handed(&yes, Handover::Delivered { at: late })),
        ("approved_closed_while_it_ran", handed(&yes, Handover::Closed { at: late, end: None })),
        ("approved_closed_stopped", handed(&yes, Handover::Closed { at: late, end: aborted.clone() })),
        ("approved_not_delivered_yet", handed(&yes, Handover::Due)),
        ("rejected", handed(&no, Handover::Delivered { at: prompt })),
        ("rejected_closed_by_itself", handed(&no, Handover::Closed { at: late, end: ended_so("ApprovalRejected") })),
        ("rejected_closed_failed", handed(&no, Handover::Closed { at: late, end: ended_so("StorageUnavailable") })),
        ("expired_by_the_watch", handed(&ran_out, Handover::Delivered { at: one.expires_at + minutes(1) })),
        ("expired_by_the_definition", with_status(&night, ApprovalStatus::Expired { at: night.limit_at })),
        ("expired_with_two_eyes", with_status(&approved(&by_hand, 0, None, minutes(2)), ApprovalStatus::Expired { at: night.limit_at })),
        ("cancelled_stopped", with_status(&one, ApprovalStatus::Cancelled { at: late, end: ExecutionEnd::Aborted })),
        ("cancelled_timed_out", with_status(&night, ApprovalStatus::Cancelled { at: late, end: ExecutionEnd::TimedOut })),
        (
            "request_approved",
            handed(&approved(&retention, 0, None, minutes(3)), Handover::Delivered { at: retention.asked_at + minutes(3) }),
        ),
        ("request_rejected", handed(&rejected(&retention, 0, "Not before the audit.", minutes(3)), Handover::Delivered { at: prompt })),
    ] {
        let text = post.to_string();
        for person in PEOPLE.into_iter().chain(["d.lind@nordvik.example"]) {
            assert!(!text.contains(person), "{name} holds an address");
        }
        insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(name, post) });
    }
}

/// Every text object of a message.
fn texts<'a>(part: &'a Value, into: &mut Vec<(&'a str, &'a str)>) {
    match part {
        Value::Array(parts) => parts.iter().for_each(|part| texts(part, into)),
        Value::Object(fields) => {
            if let (Some(Value::String(kind)), Some(Value::String(text))) = (fields.get("type"), fields.get("text")) {
                into.push((kind, text));
            }
            fields.values().for_each(|part| texts(part, into));
        }
        _ => {}
    }
}

#[test]
fn what_others_wrote_is_only_text() {
    let forged = forged().first();
    let no = rejected(&forged, 0, FORGERY, minutes(1));
    let yes = approved(&forged, 0, Some(FORGERY), minutes(1));
    let delivered = Handover::Delivered { at: forged.asked_at };
    let mut category = crate::fixtures::compared();
    let Subject::Build(build) = &mut category.subject else { panic!("it is a build") };
    build.summary.categories[0].category = Some(FORGERY.to_owned());
    let night = asking(&PEOPLE, 1, category).first();
    for post in [
        question(&forged, &link(&forged), &site()),
        question(&night, &link(&night), &site()),
        handed(&no, delivered.clone()),
        handed(&yes, delivered.clone()),
        handed(&yes, Handover::Closed { at: forged.asked_at, end: Some(ExecutionEnd::Failed { error: FORGERY.to_owned() }) }),
    ] {
        let mut all = Vec::new();
        texts(&post, &mut all);
        for (kind, text) in &all {
            let ours = text.replace("<!date^", "").replace("<https://status.nordvik.example/|", "");
            assert!(!ours.contains("<!") && !ours.contains("<http") && !ours.contains("\u{202e}") && !ours.contains('\0'), "{text}");
            assert!(*kind == "plain_text" || !text.contains("*Approved* :white") || text.contains("had failed with"), "{text}");
        }
        let fallback = post["text"].as_str().unwrap();
        assert!(!fallback.contains(['<', '>', '\n']), "{fallback}");
    }
}

#[test]
fn the_longest_words_fit_into_what_slack_takes() {
    let long = "&".repeat(5_000);
    let facts = [(long.as_str(), long.as_str()); 40];
    let mut evidence = request(&long, &facts);
    let Subject::Request(request) = &mut evidence.subject else { panic!("it is a request") };
    request.consequence.clone_from(&long);
    let approval = asking(&PEOPLE, 1, evidence).first();
    let remark = "&".repeat(1_000);
    for post in [question(&approval, &link(&approval), &site()), handed(&rejected(&approval, 0, &remark, minutes(1)), Handover::Due)] {
        for block in post["blocks"].as_array().unwrap() {
            let text = |object: &Value| object["text"].as_str().unwrap().chars().count();
            assert!(block.get("text").is_none_or(|object| text(object) <= 3_000));
            let fields = block["fields"].as_array().cloned().unwrap_or_default();
            assert!(fields.len() <= 10 && fields.iter().all(|field| text(field) <= 2_000));
        }
    }
}
