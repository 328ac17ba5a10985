//! An approver's own link: a public id and a secret, of which only the hash is ever stored.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::evidence::hex;

/// Names an approval, in public: it stands in links, logs and schedules. ASCII letters, digits and `-`, 48 at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApprovalId(String);

/// Text that is no approval id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an approval id is 1 to 48 letters, digits and hyphens")]
pub struct InvalidApprovalId;

impl ApprovalId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first part, enough for people to tell two links apart.
    pub fn short(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl FromStr for ApprovalId {
    type Err = InvalidApprovalId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=48).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidApprovalId) }
    }
}

impl TryFrom<String> for ApprovalId {
    type Error = InvalidApprovalId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ApprovalId> for String {
    fn from(id: ApprovalId) -> Self {
        id.0
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What makes a link one approver's own: 256 random bits. Never stored, never logged; it leaves in the approver's mail and nowhere else.
#[derive(Clone)]
pub struct Secret([u8; 32]);

/// Text that is no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a link's secret is 43 characters of base64url")]
pub struct InvalidSecret;

impl Secret {
    /// The secret made of these random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// What may be stored. A fast hash is enough: nobody guesses 256 bits.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }

    fn written(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The engine refuses padding, other alphabets and stray last bits, so that a secret is written in exactly one way.
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(InvalidSecret),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// The SHA-256 of a [`Secret`].
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other)
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(…)")
    }
}

/// Text that is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret's hash is 64 hexadecimal digits")]
pub struct InvalidSecretHash;

impl TryFrom<String> for SecretHash {
    type Error = InvalidSecretHash;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(InvalidSecretHash);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidSecretHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidSecretHash)?;
        }
        Ok(Self(bytes))
    }
}

impl From<SecretHash> for String {
    fn from(hash: SecretHash) -> Self {
        hex(&hash.0)
    }
}

/// One approver's way to one question.
#[derive(Debug, Clone)]
pub struct Link {
    /// Which question.
    pub approval: ApprovalId,
    /// Whose.
    pub secret: Secret,
}

impl Link {
    /// The link in the path `…/approvals/<id>/<secret>`, or `None` where the path leads to no question. The path may have a prefix: an API
    /// behind a stage or a mapped domain sees one.
    pub fn from_path(path: &str) -> Option<Self> {
        let mut parts = path.rsplit('/');
        let (secret, approval, room) = (parts.next()?, parts.next()?, parts.next()?);
        (room == "approvals").then_some(())?;
        Some(Self { approval: approval.parse().ok()?, secret: secret.parse().ok()? })
    }

    /// The address that the approver opens. `base_url` has no slash at its end.
    pub fn address(&self, base_url: &str) -> String {
        format!("{base_url}/approvals/{}/{}", self.approval, self.secret.written())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link() -> Link {
        Link {
            approval: "01jd4q8m-2k".parse().unwrap(),
            secret: Secret::new(std::array::from_fn(|index| u8::try_from(index).unwrap() * 7)),
        }
    }

    #[test]
    fn a_link_is_read_from_its_own_address() {
        let address = link().address("https://approve.example");
        assert_eq!(address, "https://approve.example/approvals/01jd4q8m-2k/AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK-2vcTL0tk");
        for prefix in ["", "/prod", "/_aws/execute-api/abc"] {
            let read = Link::from_path(&format!("{prefix}{}", address.strip_prefix("https://approve.example").unwrap())).unwrap();
            assert_eq!(read.approval, link().approval);
            assert_eq!(read.secret.hash(), link().secret.hash());
        }
    }

    #[test]
    fn an_approval_id_is_written_as_it_was_read() {
        let id: ApprovalId = "01jd4q8m-2k".parse().unwrap();
        assert_eq!((id.as_str(), id.short(), id.to_string().as_str()), ("01jd4q8m-2k", "01jd4q8m", "01jd4q8m-2k"));
        let stored = serde_json::to_string(&id).unwrap();
        assert_eq!(stored, r#""01jd4q8m-2k""#);
        assert_eq!(serde_json::from_str::<ApprovalId>(&stored).unwrap(), id);
    }

    #[test]
    fn an_approval_id_is_1_to_48_letters_digits_and_hyphens() {
        for text in ["a", "-", "Z9", &"x".repeat(48)] {
            assert_eq!(text.parse::<ApprovalId>().unwrap().as_str(), text);
        }
        for text in ["", "a_b", "a/b", "a b", "é", &"x".repeat(49)] {
            assert_eq!(text.parse::<ApprovalId>(), Err(InvalidApprovalId), "{text}");
        }
    }

    #[test]
    fn a_cut_lengthened_or_otherwise_written_secret_is_none() {
        let address = link().address("");
        for path in [
            &address[..address.len() - 1],
            &format!("{address}A"),
            &format!("{address}="),
            &format!("{address}/"),
            // The last character carries two bits that mean nothing: only zeros are accepted.
            &format!("{}l", &address[..address.len() - 1]),
            &address.replace('-', "+"),
            &address.replace("/approvals/", "/approval/"),
            &address.replace("01jd4q8m", "01jd%34q8m"),
            "/approvals//",
            "/approvals",
            "",
        ] {
            assert!(Link::from_path(path).is_none(), "{path}");
        }
    }

    #[test]
    fn nothing_about_a_secret_is_shown() {
        let link = link();
        let shown = format!("{link:?} {:?} {:?}", link.secret, link.secret.hash());
        assert_eq!(shown, r#"Link { approval: ApprovalId("01jd4q8m-2k"), secret: Secret(…) } Secret(…) SecretHash(…)"#);
    }

    #[test]
    fn a_hash_survives_being_stored() {
        let hash = link().secret.hash();
        let stored = serde_json::to_string(&hash).unwrap();
        assert_eq!(stored.len(), 66);
        assert_eq!(serde_json::from_str::<SecretHash>(&stored).unwrap(), hash);
        assert_ne!(Secret::new([0; 32]).hash(), hash);
        for text in ["\"\"", "\"zz\"", &stored.replace(&stored[1..3], "+f")] {
            assert!(serde_json::from_str::<SecretHash>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_secret_is_read_back_and_no_other_matches(bytes: [u8; 32], other: [u8; 32]) {
            let secret = Secret::new(bytes);
            prop_assert_eq!(secret.written().parse::<Secret>().unwrap().hash(), secret.hash());
            prop_assert_eq!(Secret::new(other).hash().matches(&secret.hash()), bytes == other);
        }

        #[test]
        fn any_path_is_read_without_a_panic(path in ".{0,200}") {
            let _ = Link::from_path(&path);
        }
    }
}
