//! A dataset, by the names of what belongs to it: its state machine and its topic are both called `<stack>-dataset-<name>`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a dataset is called: a lower-case letter, then up to 23 lower-case letters, digits and underscores (`dataset.yaml`, `Name`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatasetName(String);

/// Text that is no dataset's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("«{text}» is no dataset's name: a lower-case letter, then up to 23 lower-case letters, digits and underscores")]
pub struct InvalidDatasetName {
    text: String,
}

impl DatasetName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatasetName {
    type Err = InvalidDatasetName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
        let is_name = plain && text.len() <= 24 && text.starts_with(|letter: char| letter.is_ascii_lowercase());
        is_name.then(|| Self(text.to_owned())).ok_or_else(|| InvalidDatasetName { text: text.to_owned() })
    }
}

impl TryFrom<String> for DatasetName {
    type Error = InvalidDatasetName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DatasetName> for String {
    fn from(name: DatasetName) -> Self {
        name.0
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The dataset that an execution builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// What it is called.
    pub name: DatasetName,
    /// The ARN of the topic of those who are told of it.
    pub topic_arn: String,
}

impl Dataset {
    /// What the execution's ARN says; `None` for an execution of another state machine. A dataset's name has no hyphen, so that no other
    /// machine of the stack is mistaken for a dataset's, whatever the stack is called.
    pub fn of_execution(execution_arn: &str) -> Option<Self> {
        let parts: Vec<_> = execution_arn.split(':').collect();
        let ["arn", partition, "states", region, account, "execution", machine, _run] = parts.as_slice() else { return None };
        let (_stack, name) = machine.rsplit_once("-dataset-")?;
        let name = name.parse().ok()?;
        Some(Self { name, topic_arn: ["arn", partition, "sns", region, account, machine].join(":") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_a_datasets_by_the_name_of_its_machine() {
        for (machine, name) in [
            ("nightly-prod-dataset-orders", Some("orders")),
            ("nightly-prod-dataset-returned_items2", Some("returned_items2")),
            ("my-dataset-stack-dataset-orders", Some("orders")),
            ("nightly-prod-night", None),
            ("my-dataset-stack-night", None),
            ("nightly-prod-dataset-", None),
            ("nightly-prod-dataset-Orders", None),
        ] {
            let arn = format!("arn:aws-cn:states:cn-north-1:111122223333:execution:{machine}:a1");
            let dataset = Dataset::of_execution(&arn);
            assert_eq!(dataset.as_ref().map(|dataset| dataset.name.as_str()), name, "{machine}");
            let topic = dataset.map(|dataset| dataset.topic_arn);
            assert_eq!(topic, name.map(|_| format!("arn:aws-cn:sns:cn-north-1:111122223333:{machine}")), "{machine}");
        }
        for text in ["", "arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-prod-dataset-orders", "arn:of:another"] {
            assert_eq!(Dataset::of_execution(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_those_that_the_template_takes() {
        for (text, is_name) in
            [("orders", true), ("o", true), ("a_1", true), ("", false), ("1a", false), ("or-ders", false), ("../x", false)]
        {
            assert_eq!(text.parse::<DatasetName>().is_ok(), is_name, "{text}");
        }
        assert!("a".repeat(24).parse::<DatasetName>().is_ok() && "a".repeat(25).parse::<DatasetName>().is_err());
    }
}
