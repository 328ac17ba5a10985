//! The run registry, in DynamoDB: one item for each run date.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use nightly_domain::RunDate;
use nightly_domain::ports::{BoxError, PortError};
use nightly_domain::registry::{Registered, Registry};

/// The run dates of one table.
#[derive(Debug, Clone)]
pub struct DynamoRegistry {
    client: Client,
    table: String,
}

impl DynamoRegistry {
    /// The run dates in this table.
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }
}

impl Registry for DynamoRegistry {
    async fn night(&self, run_date: RunDate) -> Result<Option<Registered>, PortError> {
        let failed = |source: BoxError| PortError::new(format!("GetItem of the night of {run_date}"), source);
        let key = AttributeValue::S(run_date.to_string());
        let read = self.client.get_item().table_name(&self.table).key("run_date", key).consistent_read(true);
        let Some(item) = read.send().await.map_err(|error| failed(error.into()))?.item else { return Ok(None) };
        let text = |name: &str| match item.get(name) {
            Some(AttributeValue::S(text)) => Ok(text.clone()),
            _ => Err(failed(format!("the row has no text «{name}»").into())),
        };
        let claimed_at = text("claimed_at")?.parse().map_err(|error: jiff::Error| failed(error.into()))?;
        let published_at = match item.get("published_at") {
            Some(AttributeValue::S(at)) => Some(at.parse().map_err(|error: jiff::Error| failed(error.into()))?),
            _ => None,
        };
        Ok(Some(Registered { owner: text("owner")?, status: text("status")?, claimed_at, published_at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    fn date() -> RunDate {
        RunDate::parse("2026-11-20").unwrap()
    }

    #[tokio::test]
    async fn a_row_is_read_whole() {
        let row = r#"{"Item": {"run_date": {"S": "2026-11-20"}, "owner": {"S": "arn:e"}, "status": {"S": "RUNNING"}, "claim": {"N": "1"},
            "claimed_at": {"S": "2026-11-21T01:00:02.5Z"}, "published_at": {"S": "2026-11-20T05:00:00Z"}}}"#;
        let server = FakeServer::answering(vec![(200, row.to_owned())]);
        let night = Aws::at(&server.address).registry("nights").night(date()).await.unwrap().unwrap();
        let claimed_at = "2026-11-21T01:00:02.5Z".parse().unwrap();
        let published_at = Some("2026-11-20T05:00:00Z".parse().unwrap());
        assert_eq!(night, Registered { owner: "arn:e".to_owned(), status: "RUNNING".to_owned(), claimed_at, published_at });
        assert!(night.is_published() && !night.owner_published(), "an earlier execution has published it");
    }

    #[tokio::test]
    async fn what_nobody_claimed_is_nothing_and_what_cannot_be_read_is_an_error() {
        let broken = r#"{"Item": {"run_date": {"S": "2026-11-20"}, "owner": {"S": "arn:e"}, "status": {"S": "RUNNING"}}}"#;
        let server = FakeServer::answering(vec![(200, "{}".to_owned()), (200, broken.to_owned())]);
        let registry = Aws::at(&server.address).registry("nights");
        assert_eq!(registry.night(date()).await.unwrap(), None);
        let error = registry.night(date()).await.unwrap_err();
        assert!(format!("{error:?}").contains("the row has no text «claimed_at»"), "{error:?}");
    }
}
