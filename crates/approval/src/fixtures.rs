//! Questions that mails and posts are written about.

use jiff::{SignedDuration, Timestamp};
use nightly_domain::approval::{Approval, Approver, Click, Decision, MailedLink, Notice, Question, Remark};
use nightly_domain::evidence::{CategoryFigures, Evidence, EvidenceDigest, Fact, PublishedNight, Request, Subject};
use nightly_domain::link::Link;
use nightly_domain::memory::contract;
use nightly_domain::people::Starter;

use crate::Site;

pub(crate) const PEOPLE: [&str; 3] = ["a.berg@nordvik.example", "b.osei@nordvik.example", "c.marchetti@nordvik.example"];

pub(crate) fn site() -> Site {
    Site {
        environment: "prod".to_owned(),
        base_url: "https://approve.nordvik.example".to_owned(),
        status_page_url: Some("https://status.nordvik.example/".to_owned()),
    }
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// Asked at 02:24 UTC until 03:09, or 03:24 when somebody extends it. Nobody is mailed yet.
pub(crate) fn asking(people: &[&str], required: u32, evidence: Evidence) -> Question {
    let question = contract::question(&"01jd4q8m-2k".parse().unwrap(), people, required);
    Question {
        approvers: question.approvers.into_iter().map(|approver| Approver::new(approver.address)).collect(),
        deputies: vec!["d.lind@nordvik.example".parse().unwrap()],
        expires_at: question.asked_at + minutes(45),
        evidence,
        ..question
    }
}

pub(crate) fn asked(people: &[&str], required: u32) -> Approval {
    asking(people, required, compared()).first()
}

pub(crate) fn asked_by(started_by: &str, people: &[&str], required: u32) -> Approval {
    Question { started_by: Starter::from(started_by.to_owned()), ..asking(people, required, compared()) }.first()
}

pub(crate) fn link(approval: &Approval) -> Link {
    Link { approval: approval.id.clone(), secret: contract::secret(0) }
}

pub(crate) fn mailed(approval: &Approval, place: usize, notice: Notice, at: Timestamp) -> Approval {
    let mut mailed = approval.clone();
    mailed.approvers[place].links.push(MailedLink { secret_hash: contract::secret(place).hash(), notice, sent_at: Some(at) });
    mailed
}

pub(crate) fn counts(click: Click) -> Approval {
    match click {
        Click::Counts(next) => *next,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn approved(approval: &Approval, place: usize, comment: Option<&str>, after: SignedDuration) -> Approval {
    let comment = comment.map(|comment| Remark::parse(comment).unwrap());
    counts(approval.click(place, Decision::Approve { comment }, approval.asked_at + after))
}

pub(crate) fn rejected(approval: &Approval, place: usize, reason: &str, after: SignedDuration) -> Approval {
    counts(approval.click(place, Decision::Reject { reason: Remark::parse(reason).unwrap() }, approval.asked_at + after))
}

/// The contract's build against twelve published nights.
pub(crate) fn compared() -> Evidence {
    let mut evidence = contract::evidence();
    let Subject::Build(build) = &mut evidence.subject else { unreachable!("the contract's evidence is a build") };
    build.published = (8..20)
        .rev()
        .map(|day: u32| {
            let category = |name: Option<&str>, cents: i64| CategoryFigures {
                category: name.map(str::to_owned),
                order_lines: 100,
                revenue_base: rust_decimal::Decimal::new(cents, 2),
            };
            let wave = i64::from(day % 5) * 1_234_567;
            PublishedNight {
                run_date: format!("2026-11-{day:02}").parse().unwrap(),
                order_lines: 44_000 + u64::from(day % 7) * 700,
                revenue_base: rust_decimal::Decimal::new(118_300_000 + wave, 2),
                categories: vec![
                    category(Some("Electronics"), 51_800_000 + wave),
                    category(Some("Home"), 38_800_000),
                    category(Some("Sports"), 20_300_000),
                    category(Some("Shoes"), 9_700_000),
                    category(Some("Music"), 2_100_000),
                    category(None, 290_000),
                ],
            }
        })
        .collect();
    evidence
}

pub(crate) fn request(question: &str, facts: &[(&str, &str)]) -> Evidence {
    let request = Request {
        question: question.to_owned(),
        consequence: "They are gone for good.".to_owned(),
        facts: facts.iter().map(|(name, value)| Fact { name: (*name).to_owned(), value: (*value).to_owned() }).collect(),
        bound_uri: None,
    };
    Evidence { digest: EvidenceDigest::of_request(&request, &[]), subject: Subject::Request(request) }
}

pub(crate) fn retention() -> Question {
    let facts =
        [("Partitions", "1,204"), ("Oldest partition", "2016-01-01"), ("Newest partition", "2019-12-31"), ("Bytes", "81,204,377,119")];
    Question {
        started_by: Starter::from("retention".to_owned()),
        execution_arn: "arn:aws:states:eu-central-1:111122223333:execution:retention-cleanup:2026-11".to_owned(),
        ..asking(&PEOPLE[..2], 1, request("Delete 1,204 partitions from before 2020?", &facts))
    }
}

/// What somebody might write to be taken for us.
pub(crate) const FORGERY: &str =
    "<!channel> *Approved* :white_check_mark: <https://evil.example|here> & `x`\r\nAnswer by: never\u{2028}\u{202e}evil\u{0}";

/// A request whose every word is a forgery.
pub(crate) fn forged() -> Question {
    let facts: Vec<_> = (0..40).map(|_| (FORGERY, FORGERY)).collect();
    let mut evidence = request(FORGERY, &facts);
    let Subject::Request(request) = &mut evidence.subject else { unreachable!("it is a request") };
    request.consequence = FORGERY.to_owned();
    Question { started_by: Starter::from(FORGERY.to_owned()), ..asking(&PEOPLE[..2], 1, evidence) }
}
