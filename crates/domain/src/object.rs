//! Where an object is stored, and what a listing says of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `s3://bucket/key`. A key that ends in `/` is a prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectUri {
    bucket: String,
    key: String,
}

/// Text that names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("«{text}» is not an object's address written s3://bucket/key")]
pub struct InvalidObjectUri {
    text: String,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectEntry {
    /// The whole key, without the bucket.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// The entity tag, without quotes.
    pub etag: String,
}

impl ObjectUri {
    /// An address from its two parts.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), key: key.into() }
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key inside the bucket.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The address of `name` below this prefix.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let separator = if self.key.is_empty() || self.key.ends_with('/') { "" } else { "/" };
        Self { bucket: self.bucket.clone(), key: format!("{}{separator}{name}", self.key) }
    }
}

impl fmt::Display for ObjectUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3://{}/{}", self.bucket, self.key)
    }
}

impl FromStr for ObjectUri {
    type Err = InvalidObjectUri;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'))
            .filter(|(bucket, _)| !bucket.is_empty())
            .map(|(bucket, key)| Self::new(bucket, key))
            .ok_or_else(|| InvalidObjectUri { text: text.to_owned() })
    }
}

impl TryFrom<String> for ObjectUri {
    type Error = InvalidObjectUri;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ObjectUri> for String {
    fn from(uri: ObjectUri) -> Self {
        uri.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_back() {
        let uri: ObjectUri = "s3://work/nightly/run_date=2026-11-20/".parse().unwrap();
        assert_eq!((uri.bucket(), uri.key()), ("work", "nightly/run_date=2026-11-20/"));
        assert_eq!(uri.join("_summary.json").to_string(), "s3://work/nightly/run_date=2026-11-20/_summary.json");
    }

    #[test]
    fn what_names_no_object_is_refused_by_name() {
        for text in ["", "work/key", "s3://work", "s3:///key", "https://work/key"] {
            assert!(text.parse::<ObjectUri>().unwrap_err().to_string().contains(text));
        }
    }
}
