//! The stored questions, in DynamoDB: one item each.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::{SignedDuration, Timestamp};
use nightly_domain::approval::{Approval, ApprovalStatus, Handover, TaskToken};
use nightly_domain::link::ApprovalId;
use nightly_domain::people::Starter;
use nightly_domain::ports::{Approvals, BoxError, PortError, Replaced};
use serde::Serialize;
use serde::de::DeserializeOwned;

type Item = HashMap<String, AttributeValue>;

/// How long a link can still say what became of its question.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The questions of one table.
#[derive(Debug, Clone)]
pub struct DynamoApprovals {
    client: Client,
    table: String,
}

impl DynamoApprovals {
    /// The questions in this table.
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }
}

impl Approvals for DynamoApprovals {
    async fn read(&self, id: &ApprovalId) -> Result<Option<Approval>, PortError> {
        let key = AttributeValue::S(id.to_string());
        let read = self.client.get_item().table_name(&self.table).key("approval_id", key).consistent_read(true);
        let answer = read.send().await.map_err(|error| PortError::new(format!("GetItem of approval {id}"), error))?;
        answer.item.as_ref().map(|item| approval(item, id)).transpose()
    }

    async fn replace(&self, seen: Option<&Approval>, next: &Approval) -> Result<Replaced, PortError> {
        let failed = |source: BoxError| PortError::new(format!("PutItem of approval {}", next.id), source);
        let item = item(next).map_err(|error| failed(error.into()))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = match seen {
            None => put.condition_expression("attribute_not_exists(approval_id)"),
            Some(seen) => put
                .condition_expression("revision = :revision AND #status = :status")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":revision", number(&seen.revision))
                .expression_attribute_values(":status", text(seen.status.name())),
        };
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(Replaced::Stored);
        };
        let Some(PutItemError::ConditionalCheckFailedException(lost)) = error.as_service_error() else {
            return Err(failed(error.into()));
        };
        let stored = lost.item.as_ref().map(|item| approval(item, &next.id)).transpose()?;
        // The client repeats a call whose answer was lost: what it then finds in its way may be its own first attempt.
        if stored.as_ref() == Some(next) { Ok(Replaced::Stored) } else { Ok(Replaced::Lost(stored.map(Box::new))) }
    }
}

fn item(approval: &Approval) -> Result<Item, serde_json::Error> {
    let mut item = Item::from([
        ("approval_id".to_owned(), text(approval.id.as_str())),
        ("generation".to_owned(), number(&approval.generation)),
        ("revision".to_owned(), number(&approval.revision)),
        ("status".to_owned(), text(approval.status.name())),
        ("task_token".to_owned(), text(approval.task_token.expose())),
        ("execution_arn".to_owned(), text(&approval.execution_arn)),
        ("evidence".to_owned(), json(&approval.evidence)?),
        ("started_by".to_owned(), text(&String::from(approval.started_by.clone()))),
        ("approvers".to_owned(), json(&approval.approvers)?),
        ("deputies".to_owned(), json(&approval.deputies)?),
        ("superseded".to_owned(), json(&approval.superseded)?),
        ("viewers".to_owned(), json(&approval.viewers)?),
        ("announcement".to_owned(), json(&approval.announcement)?),
        ("required".to_owned(), number(&approval.required)),
        ("asked_at".to_owned(), instant(approval.asked_at)),
        ("expires_at".to_owned(), number(&approval.expires_at.as_second())),
        ("limit_at".to_owned(), number(&approval.limit_at.as_second())),
        ("expire_after".to_owned(), number(&(approval.expires_at + KEPT).as_second())),
    ]);
    let mut put = |name: &str, value| item.insert(name.to_owned(), value);
    if let Some(build) = approval.evidence.build() {
        put("run_date", text(&build.summary.run_date.to_string()));
    }
    if let Some(extension) = &approval.extension {
        put("extension", json(extension)?);
    }
    match &approval.status {
        ApprovalStatus::Pending => {}
        ApprovalStatus::Expired { at } => {
            put("settled_at", instant(*at));
        }
        ApprovalStatus::Cancelled { at, end } => {
            put("cancelled_at", instant(*at));
            put("cancelled_end", json(end)?);
        }
        ApprovalStatus::Decided { verdict, handover } => {
            put("verdict", json(verdict)?);
            match handover {
                Handover::Due => {}
                Handover::Delivered { at } => {
                    put("delivered_at", instant(*at));
                }
                Handover::Closed { at, end } => {
                    put("closed_at", instant(*at));
                    if let Some(end) = end {
                        put("closed_end", json(end)?);
                    }
                }
            }
        }
    }
    Ok(item)
}

fn approval(item: &Item, id: &ApprovalId) -> Result<Approval, PortError> {
    read(item).map_err(|source| PortError::new(format!("reading the record of approval {id}"), source))
}

/// An attribute isn't there, or not as it was written. Its value stays unsaid: it may be secret.
#[derive(Debug, thiserror::Error)]
#[error("the attribute {0} is missing or unreadable")]
struct Unreadable(&'static str);

fn read(item: &Item) -> Result<Approval, Unreadable> {
    let expires_at = item.epoch("expires_at")?;
    let verdict = item.optional_json("verdict")?;
    let status = match (item.text("status")?, verdict) {
        ("PENDING", None) => ApprovalStatus::Pending,
        ("CANCELLED", None) => ApprovalStatus::Cancelled { at: item.instant("cancelled_at")?, end: item.json("cancelled_end")? },
        // The definition writes no verdict, and the watch does.
        ("EXPIRED", None) => ApprovalStatus::Expired { at: item.instant("settled_at")? },
        ("APPROVED" | "REJECTED" | "EXPIRED", Some(verdict)) => ApprovalStatus::Decided { verdict, handover: handover(item)? },
        ("PENDING" | "CANCELLED" | "APPROVED" | "REJECTED", _) => return Err(Unreadable("verdict")),
        _ => return Err(Unreadable("status")),
    };
    if status.name() != item.text("status")? {
        return Err(Unreadable("verdict"));
    }
    Ok(Approval {
        id: item.text("approval_id")?.parse().map_err(|_| Unreadable("approval_id"))?,
        generation: item.count("generation")?,
        revision: item.count("revision")?,
        task_token: TaskToken::try_from(item.text("task_token")?.to_owned()).map_err(|_| Unreadable("task_token"))?,
        execution_arn: item.text("execution_arn")?.to_owned(),
        evidence: item.json("evidence")?,
        started_by: Starter::from(item.text("started_by")?.to_owned()),
        approvers: item.json("approvers")?,
        deputies: item.json("deputies")?,
        required: item.count("required")?,
        asked_at: item.instant("asked_at")?,
        expires_at,
        limit_at: item.epoch("limit_at")?,
        extension: item.optional_json("extension")?,
        status,
        superseded: item.json("superseded")?,
        viewers: item.json("viewers")?,
        announcement: item.json("announcement")?,
    })
}

fn handover(item: &Item) -> Result<Handover, Unreadable> {
    Ok(if item.contains_key("delivered_at") {
        Handover::Delivered { at: item.instant("delivered_at")? }
    } else if item.contains_key("closed_at") {
        Handover::Closed { at: item.instant("closed_at")?, end: item.optional_json("closed_end")? }
    } else {
        Handover::Due
    })
}

trait Attributes {
    fn text(&self, name: &'static str) -> Result<&str, Unreadable>;
    fn integer(&self, name: &'static str) -> Result<i64, Unreadable>;

    fn count<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, Unreadable> {
        T::try_from(self.integer(name)?).map_err(|_| Unreadable(name))
    }

    fn instant(&self, name: &'static str) -> Result<Timestamp, Unreadable> {
        self.text(name)?.parse().map_err(|_| Unreadable(name))
    }

    fn epoch(&self, name: &'static str) -> Result<Timestamp, Unreadable> {
        Timestamp::from_second(self.integer(name)?).map_err(|_| Unreadable(name))
    }

    fn optional_json<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, Unreadable>;

    fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, Unreadable> {
        serde_json::from_str(self.text(name)?).map_err(|_| Unreadable(name))
    }
}

impl Attributes for Item {
    fn optional_json<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, Unreadable> {
        if self.contains_key(name) { self.json(name).map(Some) } else { Ok(None) }
    }

    fn text(&self, name: &'static str) -> Result<&str, Unreadable> {
        self.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or(Unreadable(name))
    }

    fn integer(&self, name: &'static str) -> Result<i64, Unreadable> {
        self.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).ok_or(Unreadable(name))
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: &impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn instant(at: Timestamp) -> AttributeValue {
    AttributeValue::S(at.to_string())
}

fn json(value: &impl Serialize) -> Result<AttributeValue, serde_json::Error> {
    Ok(AttributeValue::S(serde_json::to_string(value)?))
}

#[cfg(test)]
mod tests {
    use nightly_domain::approval::{Click, Decision, Remark};
    use nightly_domain::history::ExecutionEnd;
    use nightly_domain::memory::contract::question;

    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    /// People who look at the table read the date, and DynamoDB reads when to forget.
    const WRITTEN_FOR_OTHERS: [&str; 2] = ["run_date", "expire_after"];

    fn asked() -> Approval {
        question(&"night".parse().unwrap(), &["a.berg@nordvik.example"], 1).first()
    }

    fn rejected() -> Approval {
        let decision = Decision::Reject { reason: Remark::parse("No.").unwrap() };
        let Click::Counts(next) = asked().click(0, decision, asked().asked_at) else { panic!("it counts") };
        *next
    }

    #[test]
    fn the_record_has_the_attributes_that_the_definition_reads() {
        let item = item(&rejected().handed_over(Handover::Delivered { at: asked().expires_at })).unwrap();
        let mut names: Vec<_> = item.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names.join(" "),
            "announcement approval_id approvers asked_at delivered_at deputies evidence execution_arn expire_after expires_at generation \
             limit_at required revision run_date started_by status superseded task_token verdict viewers"
        );
        assert_eq!(item["status"], text("REJECTED"));
        assert_eq!(item["expires_at"], number(&1_795_231_440));
        assert_eq!(item["expire_after"], number(&(1_795_231_440 + 90 * 86_400)));
        let verdict: serde_json::Value = serde_json::from_str(item["verdict"].as_s().unwrap()).unwrap();
        assert_eq!((&verdict["decision"], &verdict["by"], &verdict["reason"]), (&"REJECTED".into(), &"A. Berg".into(), &"No.".into()));
    }

    #[test]
    fn a_record_that_cannot_be_read_names_the_attribute_and_not_its_value() {
        let closed = rejected().handed_over(Handover::Closed { at: asked().expires_at, end: Some(ExecutionEnd::Aborted) });
        let mut names: Vec<_> = item(&closed).unwrap().into_keys().filter(|name| !WRITTEN_FOR_OTHERS.contains(&name.as_str())).collect();
        names.push("extension".to_owned());
        for name in names {
            let mut item = item(&closed).unwrap();
            item.insert(name.clone(), AttributeValue::Bool(true));
            assert_eq!(read(&item).unwrap_err().to_string(), format!("the attribute {name} is missing or unreadable"));
        }
    }

    #[test]
    fn a_status_that_the_verdict_contradicts_is_not_believed() {
        for status in ["APPROVED", "EXPIRED", "PENDING", "CANCELLED"] {
            let mut item = item(&rejected()).unwrap();
            item.insert("status".to_owned(), text(status));
            assert_eq!(read(&item).unwrap_err().to_string(), "the attribute verdict is missing or unreadable", "{status}");
        }
    }

    #[tokio::test]
    async fn a_write_repeated_by_the_client_finds_itself_and_has_won() {
        let (seen, next) = (asked(), rejected());
        let failed = |stored: &Approval| {
            let item: serde_json::Map<_, _> = item(stored)
                .unwrap()
                .into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        AttributeValue::N(number) => serde_json::json!({ "N": number }),
                        other => serde_json::json!({ "S": other.as_s().unwrap() }),
                    };
                    (name, value)
                })
                .collect();
            (400, serde_json::json!({"__type": "ConditionalCheckFailedException", "message": "no", "Item": item}).to_string())
        };
        let server = FakeServer::answering(vec![failed(&next), failed(&seen)]);
        let approvals = Aws::at(&server.address).approvals("approvals");
        assert_eq!(approvals.replace(Some(&seen), &next).await.unwrap(), Replaced::Stored);
        assert_eq!(approvals.replace(Some(&seen), &next).await.unwrap(), Replaced::Lost(Some(Box::new(seen))));
        assert!(server.requests()[0].contains(r#""ReturnValuesOnConditionCheckFailure":"ALL_OLD""#));
    }
}
