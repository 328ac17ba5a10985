//! The state machines, and the file that keeps them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nightly_asl::Instant;
use nightly_asl::check::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One state machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateMachine {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) definition: String,
    pub(crate) role_arn: String,
    /// STANDARD or EXPRESS.
    pub(crate) kind: String,
    pub(crate) created_at: Instant,
    pub(crate) updated_at: Instant,
    pub(crate) revision_id: String,
    pub(crate) logging: Value,
    pub(crate) tracing: Value,
    pub(crate) encryption: Value,
    pub(crate) tags: Vec<Tag>,
    /// It goes as soon as its last execution has ended.
    pub(crate) deleting: bool,
}

/// A tag of a state machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// All of them, by ARN.
pub(crate) struct StateMachines {
    path: PathBuf,
    by_arn: BTreeMap<String, StateMachine>,
}

impl StateMachines {
    /// Those that the folder keeps.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join("state-machines.json");
        let by_arn = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, by_arn })
    }

    pub(crate) fn find(&self, arn: &str) -> Option<&StateMachine> {
        self.by_arn.get(arn)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &StateMachine> {
        self.by_arn.values()
    }

    /// Keeps a new or a changed one.
    pub(crate) fn put(&mut self, machine: StateMachine) -> io::Result<()> {
        let mut changed = self.by_arn.clone();
        changed.insert(machine.arn.clone(), machine);
        self.replace(changed)
    }

    pub(crate) fn remove(&mut self, arn: &str) -> io::Result<()> {
        let mut changed = self.by_arn.clone();
        changed.remove(arn);
        self.replace(changed)
    }

    /// The file is never half written: it is there as it was, or as it is.
    fn replace(&mut self, changed: BTreeMap<String, StateMachine>) -> io::Result<()> {
        let unfinished = self.path.with_extension("part");
        fs::write(&unfinished, serde_json::to_vec_pretty(&changed)?)?;
        fs::rename(&unfinished, &self.path)?;
        self.by_arn = changed;
        Ok(())
    }
}

/// What the API calls a type.
pub(crate) fn kind(text: &str) -> Option<Kind> {
    match text {
        "STANDARD" => Some(Kind::Standard),
        "EXPRESS" => Some(Kind::Express),
        _ => None,
    }
}
