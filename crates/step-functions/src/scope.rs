//! The region and the account that a request belongs to, and what is named inside them.

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";
/// What a name must not hold, with white space and control characters (`CreateStateMachine`, name).
const FORBIDDEN: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";

/// Where something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) region: String,
    pub(crate) account: String,
}

impl Scope {
    /// The scope that a request was signed for; the signature itself isn't looked at. An access key of twelve digits is an account.
    pub(crate) fn of_authorization(header: &str) -> Self {
        let credential = header.split("Credential=").nth(1).unwrap_or_default().split(',').next().unwrap_or_default();
        let mut parts = credential.split('/');
        let key = parts.next().unwrap_or_default();
        let region = parts.nth(1).unwrap_or_default();
        let is_account = key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            region: if is_region(region) { region.to_owned() } else { REGION.to_owned() },
            account: if is_account { key.to_owned() } else { ACCOUNT.to_owned() },
        }
    }

    /// The scope of an ARN.
    pub(crate) fn of_arn(arn: &str) -> Self {
        let mut parts = arn.split(':').skip(3);
        let mut part = |otherwise: &str| parts.next().filter(|part| !part.is_empty()).unwrap_or(otherwise).to_owned();
        Self { region: part(REGION), account: part(ACCOUNT) }
    }

    pub(crate) fn machine_arn(&self, name: &str) -> String {
        format!("arn:aws:states:{}:{}:stateMachine:{name}", self.region, self.account)
    }
}

/// The ARN of an execution of a state machine.
pub(crate) fn execution_arn(machine_arn: &str, name: &str) -> String {
    format!("{}:{name}", machine_arn.replacen(":stateMachine:", ":execution:", 1))
}

/// A name that files and ARNs can hold. AWS takes others than ASCII, too, and advises against them.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let fits = (1..=80).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && !FORBIDDEN.as_bytes().contains(&byte));
    if fits { Ok(()) } else { Err(Refusal::new("InvalidName", format!("Invalid Name: '{name}'"))) }
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_belongs_where_it_was_signed_for() {
        let scope = |header| Scope::of_authorization(header);
        let signed = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/states/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(scope(signed), Scope { region: "eu-central-1".to_owned(), account: ACCOUNT.to_owned() });
        assert_eq!(scope("Credential=111122223333/20260101/us-west-2/states/aws4_request").account, "111122223333");
        assert_eq!(scope(""), Scope { region: REGION.to_owned(), account: ACCOUNT.to_owned() });
        assert_eq!(scope("Credential=test/1/../states").region, REGION);
    }

    #[test]
    fn names_that_aws_forbids_are_refused() {
        assert!(check_name("nightly-warehouse_night.1+(a)").is_ok());
        for name in ["", "a b", "a:b", "a/b", "a*", "ä", &"a".repeat(81)] {
            assert_eq!(check_name(name).unwrap_err().name, "InvalidName", "{name}");
        }
    }
}
