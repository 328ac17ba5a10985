//! What the approver sent.

use std::borrow::Cow;

use jiff::Timestamp;
use nightly_domain::approval::{Approval, Click, Decision, InvalidRemark, NotPossible, Remark};
use nightly_domain::people::Address;

/// What an approver can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Answer(Decision),
    HandOn(Address),
    Extend,
}

impl Act {
    /// What it does to this question now.
    pub(crate) fn on(&self, approval: &Approval, place: usize, now: Timestamp) -> Click {
        match self {
            Self::Answer(decision) => approval.click(place, decision.clone(), now),
            Self::HandOn(to) => approval.hand_on(place, to, now),
            Self::Extend => approval.extend(place, now),
        }
    }

    /// For the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Answer(_) => "answer",
            Self::HandOn(_) => "hand-on",
            Self::Extend => "extend",
        }
    }
}

/// A form that is no act yet: shown again as it was filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// What is missing, for the approver.
    pub(crate) problem: String,
    pub(crate) comment: String,
    pub(crate) reason: String,
    pub(crate) part: Part,
}

/// The part of the page whose button was pressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Part {
    #[default]
    Approval,
    Rejection,
    HandingOn,
}

/// Reads `decision=approve&seen=yes&comment=…`, `decision=reject&reason=…`, `decision=hand-on&to=…` or `decision=extend`.
pub(crate) fn read(body: &[u8]) -> Result<Act, Draft> {
    let fields: Vec<_> = form_urlencoded::parse(body).collect();
    let field = |name: &str| -> &str {
        let mut values = fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            // A field that is sent twice was not sent by our page: it counts as not sent.
            _ => "",
        }
    };
    // The page's own fields hold no more.
    let kept = |name: &str| -> String { field(name).chars().take(Remark::MAX_CHARACTERS).collect() };
    let draft = |part: Part, problem: Cow<'static, str>| Draft {
        problem: problem.into_owned(),
        comment: if part == Part::Approval { kept("comment") } else { String::new() },
        reason: if part == Part::Rejection { kept("reason") } else { String::new() },
        part,
    };
    let too_long = |what: &str| format!("The {what} is longer than {} characters. Please shorten it.", Remark::MAX_CHARACTERS).into();
    match field("decision") {
        "approve" if field("seen") != "yes" => {
            Err(draft(Part::Approval, "Please tick that you have looked at it: nothing was recorded yet.".into()))
        }
        "approve" => match Remark::parse(field("comment")) {
            Ok(comment) => Ok(Act::Answer(Decision::Approve { comment: Some(comment) })),
            Err(InvalidRemark::Blank) => Ok(Act::Answer(Decision::Approve { comment: None })),
            Err(InvalidRemark::TooLong) => Err(draft(Part::Approval, too_long("comment"))),
        },
        "reject" => match Remark::parse(field("reason")) {
            Ok(reason) => Ok(Act::Answer(Decision::Reject { reason })),
            Err(InvalidRemark::Blank) => {
                Err(draft(Part::Rejection, "Please say why: a rejection needs a reason, and nothing was recorded yet.".into()))
            }
            Err(InvalidRemark::TooLong) => Err(draft(Part::Rejection, too_long("reason"))),
        },
        "hand-on" => match field("to").parse() {
            Ok(to) => Ok(Act::HandOn(to)),
            Err(_) => Err(draft(Part::HandingOn, "Please choose who is asked in your place: nothing was recorded yet.".into())),
        },
        "extend" => Ok(Act::Extend),
        _ => Err(draft(Part::Approval, "Please press one of the buttons: nothing was recorded yet.".into())),
    }
}

/// An act that can't be done, in words for whoever tried.
pub(crate) fn refused(refusal: NotPossible) -> Draft {
    let (part, problem) = match refusal {
        NotPossible::NoDeputy => (Part::HandingOn, "Your answer can’t be handed to them: they are no deputy, or are asked already."),
        NotPossible::Starter => (Part::HandingOn, "Your answer can’t be handed to whoever began this: other eyes are needed."),
        NotPossible::ExtendedAlready => (Part::Approval, "More time was asked for already. It can be asked for once."),
        NotPossible::AtTheLimit => (Part::Approval, "There is no more time: what waits for the answer waits no longer."),
    };
    Draft { problem: format!("{problem} Nothing was recorded."), part, ..Draft::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(text: &str) -> Remark {
        Remark::parse(text).unwrap()
    }

    fn approve(comment: Option<&str>) -> Act {
        Act::Answer(Decision::Approve { comment: comment.map(remark) })
    }

    #[test]
    fn an_approval_needs_the_tick_and_a_rejection_a_reason() {
        assert_eq!(read(b"decision=approve&seen=yes"), Ok(approve(None)));
        assert_eq!(read(b"decision=approve&seen=yes&comment=Seen+%E2%9C%93"), Ok(approve(Some("Seen ✓"))));
        let rejection = Act::Answer(Decision::Reject { reason: remark("Doubled.") });
        assert_eq!(read(b"decision=reject&reason=Doubled.&seen=yes&comment=x"), Ok(rejection));
        for (body, problem) in [
            ("decision=approve", "tick"),
            ("decision=approve&seen=no", "tick"),
            ("decision=approve&seen=yes&seen=yes", "tick"),
            ("decision=reject", "say why"),
            ("decision=reject&reason=+%0A", "say why"),
            ("decision=approve&decision=reject&seen=yes&reason=x", "buttons"),
            ("decision=APPROVE&seen=yes", "buttons"),
            ("", "buttons"),
            ("\u{0}%%%=&&&", "buttons"),
        ] {
            assert!(read(body.as_bytes()).unwrap_err().problem.contains(problem), "{body}");
        }
    }

    #[test]
    fn an_answer_is_handed_to_somebody_who_can_be_mailed() {
        assert_eq!(read(b"decision=hand-on&to=d.lind%40nordvik.example"), Ok(Act::HandOn("d.lind@nordvik.example".parse().unwrap())));
        for body in ["decision=hand-on", "decision=hand-on&to=", "decision=hand-on&to=d.lind", "decision=hand-on&to=a%40b&to=a%40b"] {
            let draft = read(body.as_bytes()).unwrap_err();
            assert_eq!(draft.part, Part::HandingOn, "{body}");
            assert!(draft.problem.contains("choose who"), "{body}");
        }
    }

    #[test]
    fn the_log_names_an_act_and_says_nothing_that_was_written() {
        let hand_on = Act::HandOn("d.lind@nordvik.example".parse().unwrap());
        assert_eq!([approve(Some("Seen")), hand_on, Act::Extend].map(|act| act.name()), ["answer", "hand-on", "extend"]);
    }

    #[test]
    fn more_time_is_asked_for_by_a_press_alone() {
        assert_eq!(read(b"decision=extend"), Ok(Act::Extend));
        assert_eq!(read(b"decision=extend&reason=x"), Ok(Act::Extend));
        assert!(read(b"extend").is_err());
    }

    #[test]
    fn what_was_written_is_kept_for_another_try() {
        let long = "x".repeat(1001);
        let draft = read(format!("decision=reject&reason={long}").as_bytes()).unwrap_err();
        assert_eq!((draft.reason.as_str(), draft.part), (&long[..1000], Part::Rejection), "as much as the page's own field holds");
        assert!(draft.problem.contains("reason is longer than 1000 characters"), "{}", draft.problem);
        let draft = read(format!("decision=approve&seen=yes&comment={long}").as_bytes()).unwrap_err();
        assert_eq!((draft.comment.as_str(), draft.part), (&long[..1000], Part::Approval));
        assert!(draft.problem.contains("comment is longer"), "{}", draft.problem);
        assert_eq!(read(b"decision=approve&comment=Fine").unwrap_err().comment, "Fine");
    }

    #[test]
    fn what_cannot_be_done_is_said_where_it_was_tried() {
        for (refusal, part, says) in [
            (NotPossible::NoDeputy, Part::HandingOn, "no deputy"),
            (NotPossible::Starter, Part::HandingOn, "other eyes"),
            (NotPossible::ExtendedAlready, Part::Approval, "asked for already"),
            (NotPossible::AtTheLimit, Part::Approval, "no more time"),
        ] {
            let draft = refused(refusal);
            assert_eq!(draft.part, part);
            assert!(draft.problem.contains(says) && draft.problem.ends_with("Nothing was recorded."), "{}", draft.problem);
        }
    }
}
