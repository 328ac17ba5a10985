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

    /// Whether both are the same person's, in whatever case they are written.
    pub fn is(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// Whether one of these is the same person's.
    pub fn is_among(&self, others: &[Self]) -> bool {
        others.iter().any(|other| other.is(self))
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

/// Who began an execution. Whoever did so by hand can't be the only one who approves what it built. Its `Debug` names nobody, since logs are
/// read by many.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Starter {
    /// EventBridge Scheduler: nobody's hand.
    Schedule,
    /// Who was named: a person by their mail address, or another application.
    Named(String),
    /// Nobody was named.
    Unnamed,
}

impl Starter {
    const SCHEDULE: &str = "schedule";
    /// A mail address has 254 at most.
    const CHARACTERS: usize = 254;

    /// Whether it was this person.
    pub fn is(&self, person: &Address) -> bool {
        matches!(self, Self::Named(name) if name.eq_ignore_ascii_case(person.as_str()))
    }
}

impl fmt::Debug for Starter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Schedule => "Schedule",
            Self::Named(_) => "Named(…)",
            Self::Unnamed => "Unnamed",
        })
    }
}

impl From<String> for Starter {
    fn from(text: String) -> Self {
        let shown: String = text.chars().filter(|character| !character.is_control()).take(Self::CHARACTERS).collect();
        match shown.trim() {
            "" => Self::Unnamed,
            Self::SCHEDULE => Self::Schedule,
            name => Self::Named(name.to_owned()),
        }
    }
}

impl From<Starter> for String {
    fn from(starter: Starter) -> Self {
        match starter {
            Starter::Schedule => Starter::SCHEDULE.to_owned(),
            Starter::Named(name) => name,
            Starter::Unnamed => Self::new(),
        }
    }
}

/// Who is asked, and how many of them must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    addresses: Vec<Address>,
    deputies: Vec<Address>,
    required: u32,
}

/// A panel that could never agree, or that would ask nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPanel {
    /// One of the people has no address.
    #[error("{role} {position} of the list cannot be mailed")]
    Address {
        /// Approver or deputy.
        role: &'static str,
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
        let addresses = people("approver", approvers)?;
        let asked = addresses.len();
        let possible = u32::try_from(asked).unwrap_or(u32::MAX);
        if (1..=possible).contains(&required) {
            Ok(Self { addresses, deputies: Vec::new(), required })
        } else {
            Err(InvalidPanel::Quorum { required, asked })
        }
    }

    /// The same people, and those who may be asked in their place.
    pub fn with_deputies(mut self, deputies: &[impl AsRef<str>]) -> Result<Self, InvalidPanel> {
        self.deputies = people("deputy", deputies)?;
        self.deputies.retain(|deputy| !deputy.is_among(&self.addresses));
        Ok(self)
    }

    /// Everyone who is asked.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Everyone who may be asked in somebody's place.
    pub fn deputies(&self) -> &[Address] {
        &self.deputies
    }

    /// How many must approve.
    pub fn required(&self) -> u32 {
        self.required
    }

    /// Whether so many approvers could decide.
    pub fn is_enough(&self, approvers: usize) -> bool {
        u32::try_from(approvers).unwrap_or(u32::MAX) >= self.required
    }
}

fn people(role: &'static str, texts: &[impl AsRef<str>]) -> Result<Vec<Address>, InvalidPanel> {
    let mut people: Vec<Address> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let address: Address = text.as_ref().parse().map_err(|source| InvalidPanel::Address { role, position: index + 1, source })?;
        if !address.is_among(&people) {
            people.push(address);
        }
    }
    Ok(people)
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
        assert_eq!((panel.addresses().len(), panel.required()), (2, 2));
        assert_eq!(Panel::new(&["a@x.example", "A@x.example"], 2), Err(InvalidPanel::Quorum { required: 2, asked: 1 }));
        assert_eq!(Panel::new(&["a@x.example"], 0), Err(InvalidPanel::Quorum { required: 0, asked: 1 }));
        assert_eq!(Panel::new(&[] as &[&str], 1), Err(InvalidPanel::Quorum { required: 1, asked: 0 }));
        assert!(matches!(Panel::new(&["a@x.example", "b"], 1), Err(InvalidPanel::Address { position: 2, .. })));
    }

    #[test]
    fn a_deputy_is_somebody_who_is_not_asked_already() {
        let panel = Panel::new(&["a@x.example"], 1).unwrap();
        let deputies = panel.clone().with_deputies(&["A@x.example", "d@x.example", "D@x.example"]).unwrap();
        assert_eq!(deputies.deputies(), &["d@x.example".parse().unwrap()]);
        let error = panel.with_deputies(&["d"]).unwrap_err();
        assert_eq!(error.to_string(), "deputy 1 of the list cannot be mailed");
    }

    #[test]
    fn who_began_an_execution_is_read_from_what_was_written() {
        let read = |text: &str| Starter::from(text.to_owned());
        assert_eq!((read("schedule"), read(" \n"), read("")), (Starter::Schedule, Starter::Unnamed, Starter::Unnamed));
        let address: Address = "a.berg@nordvik.example".parse().unwrap();
        assert!(read(" A.Berg@Nordvik.example\u{0}").is(&address));
        for other in ["schedule", "", "b.osei@nordvik.example", "backfill"] {
            assert!(!read(other).is(&address), "{other}");
        }
        let shown = [read("schedule"), read("a.berg@nordvik.example"), read("")].map(|starter| format!("{starter:?}"));
        assert_eq!(shown, ["Schedule", "Named(…)", "Unnamed"]);
        for text in ["schedule", "", "backfill"] {
            assert_eq!(String::from(read(text)), text);
        }
        assert_eq!(String::from(read(&"x".repeat(300))).len(), 254);
    }
}
