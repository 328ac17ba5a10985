//! The people who are asked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where an approver's mail goes. Its `Debug` is masked, since logs are read by many.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// Text that is no mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an approver is a mail address such as a.berg@example.com")]
pub struct InvalidAddress;

impl Address {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What to call the person, made from the part before the `@`: `a.berg` is "A. Berg".
    pub fn person(&self) -> String {
        let local = self.0.split_once('@').map_or(self.0.as_str(), |(local, _)| local);
        let local = local.split('+').next().unwrap_or_default();
        let words: Vec<_> = local.split(['.', '_', '-']).filter(|word| !word.is_empty()).map(capitalised).collect();
        if words.is_empty() { self.0.clone() } else { words.join(" ") }
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let rest = letters.as_str();
    if rest.is_empty() && first.chars().all(char::is_alphabetic) { format!("{first}.") } else { first + rest }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (local, host) = text.split_once('@').ok_or(InvalidAddress)?;
        let fits = !local.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && text.len() <= 254
            && !text.contains(|character: char| character.is_whitespace() || character.is_control() || "\"<>,;".contains(character));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidAddress) }
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, host) = self.0.split_once('@').unwrap_or_default();
        write!(formatter, "{}…@{host}", local.chars().next().unwrap_or('…'))
    }
}

/// Who is asked, and how many of them must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    addresses: Vec<Address>,
    required: u32,
}

/// A panel that could never agree, or that would ask nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPanel {
    /// One of the approvers has no address.
    #[error("approver {position} of the list cannot be mailed")]
    Address {
        /// Counted from 1. The text itself stays out of the logs.
        position: usize,
        /// What an address looks like.
        #[source]
        source: InvalidAddress,
    },
    /// More approvals are required than people are asked, or none.
    #[error("{required} approvals of {asked} people cannot be had")]
    Quorum {
        /// Approvals.
        required: u32,
        /// Distinct people.
        asked: usize,
    },
}

impl Panel {
    /// Distinct people, in the order of the list: the same address twice, in whatever case, is one person.
    pub fn new(approvers: &[impl AsRef<str>], required: u32) -> Result<Self, InvalidPanel> {
        let mut addresses: Vec<Address> = Vec::new();
        for (index, text) in approvers.iter().enumerate() {
            let address: Address = text.as_ref().parse().map_err(|source| InvalidPanel::Address { position: index + 1, source })?;
            if !addresses.iter().any(|known| known.as_str().eq_ignore_ascii_case(address.as_str())) {
                addresses.push(address);
            }
        }
        let asked = addresses.len();
        let possible = u32::try_from(asked).unwrap_or(u32::MAX);
        if (1..=possible).contains(&required) { Ok(Self { addresses, required }) } else { Err(InvalidPanel::Quorum { required, asked }) }
    }

    /// Everyone who is asked.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// How many must approve.
    pub fn required(&self) -> u32 {
        self.required
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_called_by_their_addresses() {
        for (address, person) in [
            ("a.berg@nordvik.example", "A. Berg"),
            ("anna_maria-lund@nordvik.example", "Anna Maria Lund"),
            ("oncall+nightly@nordvik.example", "Oncall"),
            ("7@nordvik.example", "7"),
            ("ø.ås@nordvik.example", "Ø. Ås"),
            ("...@nordvik.example", "...@nordvik.example"),
        ] {
            assert_eq!(address.parse::<Address>().unwrap().person(), person);
        }
    }

    #[test]
    fn what_cannot_be_mailed_is_no_address() {
        for text in ["", "a.berg", "@nordvik.example", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: x@y", "<a@b>", "a@b,c@d"] {
            assert_eq!(text.parse::<Address>(), Err(InvalidAddress), "{text}");
        }
    }

    #[test]
    fn an_address_is_masked_where_it_is_shown() {
        assert_eq!(format!("{:?}", "a.berg@nordvik.example".parse::<Address>().unwrap()), "a…@nordvik.example");
    }

    #[test]
    fn a_panel_counts_people_and_not_addresses() {
        let panel = Panel::new(&["a@x.example", "b@x.example", "A@X.example"], 2).unwrap();
        assert_eq!(panel.addresses().len(), 2);
        assert_eq!(Panel::new(&["a@x.example", "A@x.example"], 2), Err(InvalidPanel::Quorum { required: 2, asked: 1 }));
        assert_eq!(Panel::new(&["a@x.example"], 0), Err(InvalidPanel::Quorum { required: 0, asked: 1 }));
        assert_eq!(Panel::new(&[] as &[&str], 1), Err(InvalidPanel::Quorum { required: 1, asked: 0 }));
        assert!(matches!(Panel::new(&["a@x.example", "b"], 1), Err(InvalidPanel::Address { position: 2, .. })));
    }
}
