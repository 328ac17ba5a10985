//! What the approver sent.

use std::borrow::Cow;

use nightly_domain::approval::{Decision, InvalidRemark, Remark};

/// A form that is no answer yet: shown again as it was filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// What is missing, for the approver.
    pub(crate) problem: String,
    pub(crate) comment: String,
    pub(crate) reason: String,
    /// They were about to reject.
    pub(crate) rejecting: bool,
}

/// Reads `decision=approve&seen=yes&comment=…` or `decision=reject&reason=…`.
pub(crate) fn read(body: &[u8]) -> Result<Decision, Draft> {
    let fields: Vec<_> = form_urlencoded::parse(body).collect();
    let field = |name: &str| -> &str {
        let mut values = fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            // A field that is sent twice was not sent by our page: it counts as not sent.
            _ => "",
        }
    };
    let draft = |problem: Cow<'static, str>| Draft {
        problem: problem.into_owned(),
        comment: field("comment").to_owned(),
        reason: field("reason").to_owned(),
        rejecting: field("decision") == "reject",
    };
    let too_long = |what: &str| format!("The {what} is longer than {} characters. Please shorten it.", Remark::MAX_CHARACTERS).into();
    match field("decision") {
        "approve" if field("seen") != "yes" => {
            Err(draft("Please tick that you have looked at the figures: nothing was recorded yet.".into()))
        }
        "approve" => match Remark::parse(field("comment")) {
            Ok(comment) => Ok(Decision::Approve { comment: Some(comment) }),
            Err(InvalidRemark::Blank) => Ok(Decision::Approve { comment: None }),
            Err(InvalidRemark::TooLong) => Err(draft(too_long("comment"))),
        },
        "reject" => match Remark::parse(field("reason")) {
            Ok(reason) => Ok(Decision::Reject { reason }),
            Err(InvalidRemark::Blank) => Err(draft("Please say why: a rejection needs a reason, and nothing was recorded yet.".into())),
            Err(InvalidRemark::TooLong) => Err(draft(too_long("reason"))),
        },
        _ => Err(draft("Please press one of the two buttons: nothing was recorded yet.".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(text: &str) -> Remark {
        Remark::parse(text).unwrap()
    }

    #[test]
    fn an_approval_needs_the_tick_and_a_rejection_a_reason() {
        assert_eq!(read(b"decision=approve&seen=yes"), Ok(Decision::Approve { comment: None }));
        assert_eq!(read(b"decision=approve&seen=yes&comment=Seen+%E2%9C%93"), Ok(Decision::Approve { comment: Some(remark("Seen ✓")) }));
        assert_eq!(read(b"decision=reject&reason=Doubled.&seen=yes&comment=x"), Ok(Decision::Reject { reason: remark("Doubled.") }));
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
    fn what_was_written_is_kept_for_another_try() {
        let long = "x".repeat(1001);
        let draft = read(format!("decision=reject&reason={long}").as_bytes()).unwrap_err();
        assert_eq!((draft.reason, draft.rejecting), (long, true));
        assert!(draft.problem.contains("1000 characters"), "{}", draft.problem);
        assert_eq!(read(b"decision=approve&comment=Fine").unwrap_err().comment, "Fine");
    }
}
