//! The run registry and what was told of each ending, in DynamoDB.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::{SignedDuration, Timestamp};
use nightly_domain::nights::{Begun, EndedNight, Medium, Nights, NoticeId, Notices, PATIENCE, Standing};
use nightly_domain::ports::{BoxError, PortError};

type Item = std::collections::HashMap<String, AttributeValue>;

/// How long it is known what was told: as long as Step Functions remembers an execution.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Both tables of an account and region.
#[derive(Debug, Clone)]
pub struct DynamoNights {
    client: Client,
    nights: String,
    notices: String,
}

impl DynamoNights {
    /// The registry in the table `nights`, and what was told in the table `notices`.
    pub fn new(client: Client, nights: &str, notices: &str) -> Self {
        Self { client, nights: nights.to_owned(), notices: notices.to_owned() }
    }

    fn notice(&self, notice: &NoticeId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.notices).key("notice", text(notice.as_str()))
    }
}

impl Nights for DynamoNights {
    async fn end(&self, night: &EndedNight) -> Result<Standing, PortError> {
        let failed = |source: BoxError| PortError::new(format!("UpdateItem of the night {}", night.run_date), source);
        let update = self.client.update_item().table_name(&self.nights).key("run_date", text(&night.run_date.to_string()));
        let (set, remove) = match &night.error {
            Some(_) => (", #error = :error", ""),
            None => ("", " REMOVE #error"),
        };
        let update = update
            .update_expression(format!("SET #status = :status, ended_at = :ended_at{set}{remove}"))
            .condition_expression("#owner = :owner AND #status <> :published")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#error", "error")
            .expression_attribute_values(":status", text(night.outcome.name()))
            .expression_attribute_values(":ended_at", text(&night.ended_at.to_string()))
            .expression_attribute_values(":owner", text(&night.owner))
            .expression_attribute_values(":published", text("PUBLISHED"));
        let update = match &night.error {
            Some(error) => update.expression_attribute_values(":error", text(error)),
            None => update,
        };
        let Some(row) = refusal(update).await.map_err(failed)? else { return Ok(Standing::Ended) };
        let attribute = |name: &str| row.as_ref().and_then(|row| row.get(name)?.as_s().ok());
        Ok(match attribute("owner") {
            None => Standing::Unclaimed,
            Some(owner) if *owner != night.owner => Standing::AnothersNight,
            Some(_) => Standing::Published { at: attribute("published_at").and_then(|at| at.parse().ok()) },
        })
    }
}

impl Notices for DynamoNights {
    async fn begin(&self, notice: &NoticeId, medium: Medium, now: Timestamp) -> Result<Begun, PortError> {
        let failed = |source: BoxError| PortError::new(format!("UpdateItem of the notice {notice}"), source);
        let [begun, told] = attributes(medium);
        let update = self
            .notice(notice)
            .update_expression("SET #begun = :now, expire_after = :expire_after")
            .condition_expression("attribute_not_exists(#told) AND (attribute_not_exists(#begun) OR #begun <= :crashed)")
            .expression_attribute_names("#begun", begun)
            .expression_attribute_names("#told", &told)
            .expression_attribute_values(":now", milliseconds(now))
            .expression_attribute_values(":crashed", milliseconds(now - PATIENCE))
            .expression_attribute_values(":expire_after", number((now + KEPT).as_second()));
        let Some(item) = refusal(update).await.map_err(failed)? else { return Ok(Begun::Yes) };
        let told_at = item.as_ref().and_then(|item| item.get(&told)?.as_n().ok()?.parse().ok());
        Ok(match told_at.and_then(|at| Timestamp::from_millisecond(at).ok()) {
            Some(at) => Begun::Told { at },
            None => Begun::UnderWay,
        })
    }

    async fn told(&self, notice: &NoticeId, medium: Medium, at: Timestamp) -> Result<(), PortError> {
        let [_, told] = attributes(medium);
        let update = self
            .notice(notice)
            .update_expression("SET #told = :at, expire_after = :expire_after")
            .expression_attribute_names("#told", told)
            .expression_attribute_values(":at", milliseconds(at))
            .expression_attribute_values(":expire_after", number((at + KEPT).as_second()));
        update.send().await.map_err(|error| PortError::new(format!("UpdateItem of the notice {notice}"), error))?;
        Ok(())
    }

    async fn give_up(&self, notice: &NoticeId, medium: Medium, begun_at: Timestamp) -> Result<(), PortError> {
        let [begun, _] = attributes(medium);
        let update = self
            .notice(notice)
            .update_expression("REMOVE #begun")
            .condition_expression("#begun = :begun_at")
            .expression_attribute_names("#begun", begun)
            .expression_attribute_values(":begun_at", milliseconds(begun_at));
        // Refused: somebody else has begun since.
        refusal(update).await.map(drop).map_err(|source| PortError::new(format!("UpdateItem of the notice {notice}"), source))
    }
}

/// Sends the update. `None` where it is done, else the item that its condition didn't hold for, if there is one.
async fn refusal(update: UpdateItemFluentBuilder) -> Result<Option<Option<Item>>, BoxError> {
    let update = update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let Err(error) = update.send().await else { return Ok(None) };
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok(Some(refused.item.clone())),
        _ => Err(error.into()),
    }
}

/// When somebody began, and when it was told.
fn attributes(medium: Medium) -> [String; 2] {
    ["begun_at", "told_at"].map(|name| format!("{}_{name}", medium.name()))
}

fn milliseconds(at: Timestamp) -> AttributeValue {
    number(at.as_millisecond())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[cfg(test)]
mod tests {
    use nightly_domain::Outcome;
    use serde_json::{Value, json};

    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    fn nights(server: &FakeServer) -> DynamoNights {
        Aws::at(&server.address).nights("nights", "notices")
    }

    fn refused(item: &Value) -> (u16, String) {
        let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
        (400, json!({"__type": kind, "message": "The conditional request failed", "Item": item}).to_string())
    }

    fn body(request: &str) -> Value {
        serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    #[tokio::test]
    async fn an_ending_is_written_on_the_condition_that_the_row_is_still_the_executions() {
        let server = FakeServer::answering(vec![
            (200, "{}".to_owned()),
            refused(&json!({"owner": {"S": "arn:a"}, "status": {"S": "PUBLISHED"}, "published_at": {"S": "2026-11-21T03:14:02Z"}})),
            refused(&json!({"owner": {"S": "arn:b"}, "status": {"S": "RUNNING"}})),
            (400, json!({"__type": "ConditionalCheckFailedException", "message": "The conditional request failed"}).to_string()),
        ]);
        let night = EndedNight {
            run_date: "2026-11-20".parse().unwrap(),
            owner: "arn:a".to_owned(),
            outcome: Outcome::TimedOut,
            ended_at: "2026-11-21T13:00:00Z".parse().unwrap(),
            error: None,
        };
        let nights = nights(&server);
        let failed = EndedNight { error: Some("RatesUnavailable".to_owned()), ..night.clone() };
        assert_eq!(nights.end(&failed).await.unwrap(), Standing::Ended);
        let published = Standing::Published { at: Some("2026-11-21T03:14:02Z".parse().unwrap()) };
        assert_eq!(nights.end(&night).await.unwrap(), published);
        assert_eq!(nights.end(&night).await.unwrap(), Standing::AnothersNight);
        assert_eq!(nights.end(&night).await.unwrap(), Standing::Unclaimed);
        let (first, second) = (body(&server.requests()[0]), body(&server.requests()[1]));
        assert_eq!(first["ConditionExpression"], "#owner = :owner AND #status <> :published");
        assert_eq!(first["ExpressionAttributeValues"][":error"]["S"], "RatesUnavailable");
        assert_eq!(second["UpdateExpression"], "SET #status = :status, ended_at = :ended_at REMOVE #error", "an earlier error goes");
    }

    #[tokio::test]
    async fn who_may_tell_is_told_by_the_same_call() {
        let server = FakeServer::answering(vec![
            (200, "{}".to_owned()),
            refused(&json!({"slack_begun_at": {"N": "1795231440000"}})),
            refused(&json!({"slack_begun_at": {"N": "1795231440000"}, "slack_told_at": {"N": "1795231441500"}})),
            (400, json!({"__type": "ResourceNotFoundException", "message": "no such table"}).to_string()),
        ]);
        let nights = nights(&server);
        let notice = NoticeId::ending("arn:a", 1);
        let now = Timestamp::from_millisecond(1_795_231_500_000).unwrap();
        assert_eq!(nights.begin(&notice, Medium::Slack, now).await.unwrap(), Begun::Yes);
        assert_eq!(nights.begin(&notice, Medium::Slack, now).await.unwrap(), Begun::UnderWay);
        let at = Timestamp::from_millisecond(1_795_231_441_500).unwrap();
        assert_eq!(nights.begin(&notice, Medium::Slack, now).await.unwrap(), Begun::Told { at });
        let error = nights.begin(&notice, Medium::Slack, now).await.unwrap_err();
        assert_eq!(error.to_string(), "UpdateItem of the notice arn:a#1 failed");
        let values = &body(&server.requests()[0])["ExpressionAttributeValues"];
        assert_eq!((&values[":now"]["N"], &values[":crashed"]["N"]), (&json!("1795231500000"), &json!("1795231410000")));
    }
}
