//! What the input of a night leaves out of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A part of the night that its input leaves out. On the wire it is the field's name, such as `skipApproval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flag {
    /// Nobody is asked: what passes the quality gate is published.
    SkipApproval,
    /// The night ends after the quality gate: nothing is published, so nobody is asked.
    SkipPublish,
    /// Slack and the mailing list are not told how it ended.
    SkipNotify,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SkipApproval, Self::SkipPublish, Self::SkipNotify];

    /// The field of the input.
    pub fn name(self) -> &'static str {
        match self {
            Self::SkipApproval => "skipApproval",
            Self::SkipPublish => "skipPublish",
            Self::SkipNotify => "skipNotify",
        }
    }

    /// The flags that an execution's input sets, as the definition's `ResolveRun` finds them.
    pub fn of_input(input: &Value) -> Vec<Self> {
        Self::ALL.into_iter().filter(|flag| input.get(flag.name()) == Some(&Value::Bool(true))).collect()
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flag_is_set_by_true_and_by_nothing_else() {
        let input = json!({"skipApproval": true, "skipPublish": "true", "skipNotify": false, "force": true});
        assert_eq!(Flag::of_input(&input), [Flag::SkipApproval]);
        assert_eq!(Flag::of_input(&json!([])), []);
        for flag in Flag::ALL {
            assert_eq!(serde_json::to_value(flag).unwrap(), flag.name());
            assert_eq!(Flag::of_input(&json!({flag.name(): true})), [flag]);
        }
    }
}
