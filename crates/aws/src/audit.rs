//! What happened to the questions, in DynamoDB: one item for each entry of a chain, which nothing overwrites.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use nightly_domain::audit::{Appended, Audit, Entry, EntryHash};
use nightly_domain::link::ApprovalId;
use nightly_domain::ports::{BoxError, PortError};

type Item = HashMap<String, AttributeValue>;

/// The chains of one table.
#[derive(Debug, Clone)]
pub struct DynamoAudit {
    client: Client,
    table: String,
}

impl DynamoAudit {
    /// The chains in this table.
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }

    /// Every question that has a chain, in the order of their names. Reads the whole table, which no function may.
    pub async fn approvals(&self) -> Result<Vec<ApprovalId>, PortError> {
        let failed = |source: BoxError| PortError::new(format!("Scan of {}", self.table), source);
        let scan = self.client.scan().table_name(&self.table).projection_expression("approval_id").consistent_read(true);
        let mut items = scan.into_paginator().items().send();
        let mut approvals = BTreeSet::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| failed(error.into()))?;
            approvals.insert(text(&item, "approval_id").map_err(|error| failed(error.into()))?.to_owned());
        }
        let named = approvals.iter().map(|name| name.parse().map_err(|_| failed(Unreadable("approval_id").into())));
        named.collect()
    }
}

impl Audit for DynamoAudit {
    async fn entries(&self, approval: &ApprovalId) -> Result<Vec<Entry>, PortError> {
        let failed = |source: BoxError| PortError::new(format!("Query of the audit of approval {approval}"), source);
        let query = self.client.query().table_name(&self.table).consistent_read(true).scan_index_forward(true);
        let query = query.key_condition_expression("approval_id = :id").expression_attribute_values(":id", string(approval.as_str()));
        let mut items = query.into_paginator().items().send();
        let mut entries = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| failed(error.into()))?;
            entries.push(entry(&item).map_err(|error| failed(error.into()))?);
        }
        Ok(entries)
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, PortError> {
        let failed = |source: BoxError| {
            let Entry { approval, sequence, .. } = entry;
            PortError::new(format!("PutItem of entry {sequence} of the audit of approval {approval}"), source)
        };
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item(entry)));
        let put = put
            .condition_expression("attribute_not_exists(approval_id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(Appended::Stored);
        };
        let Some(PutItemError::ConditionalCheckFailedException(taken)) = error.as_service_error() else {
            return Err(failed(error.into()));
        };
        // The client repeats a call whose answer was lost: what it then finds in its place may be its own first attempt.
        let standing = taken.item.as_ref().map(self::entry).transpose().map_err(|error| failed(error.into()))?;
        Ok(if standing.as_ref() == Some(entry) { Appended::Stored } else { Appended::Taken })
    }
}

/// An attribute isn't there, or not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("the attribute {0} is missing or unreadable")]
struct Unreadable(&'static str);

fn item(entry: &Entry) -> Item {
    Item::from([
        ("approval_id".to_owned(), string(entry.approval.as_str())),
        ("sequence".to_owned(), AttributeValue::N(entry.sequence.to_string())),
        ("entry".to_owned(), string(&entry.text)),
        ("hash".to_owned(), string(&entry.hash.to_string())),
    ])
}

fn entry(item: &Item) -> Result<Entry, Unreadable> {
    let sequence = item.get("sequence").and_then(|value| value.as_n().ok()?.parse().ok());
    Ok(Entry {
        approval: text(item, "approval_id")?.parse().map_err(|_| Unreadable("approval_id"))?,
        sequence: sequence.ok_or(Unreadable("sequence"))?,
        text: text(item, "entry")?.to_owned(),
        hash: EntryHash::from(text(item, "hash")?.to_owned()),
    })
}

fn text<'item>(item: &'item Item, name: &'static str) -> Result<&'item str, Unreadable> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or(Unreadable(name))
}

fn string(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nightly_domain::audit::{Event, Occurrence, Reader};
    use serde_json::{Value, json};

    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    fn night() -> ApprovalId {
        "night".parse().unwrap()
    }

    fn viewed(chain: &[Entry], reader: Reader) -> Entry {
        let occurrence = Occurrence { at: Timestamp::UNIX_EPOCH, generation: 1, approver: None, event: Event::Viewed { reader } };
        Entry::after(chain, &night(), &occurrence).unwrap()
    }

    fn on_the_wire(entry: &Entry) -> Value {
        json!({
            "approval_id": {"S": entry.approval.as_str()},
            "sequence": {"N": entry.sequence.to_string()},
            "entry": {"S": entry.text},
            "hash": {"S": entry.hash.to_string()},
        })
    }

    #[tokio::test]
    async fn a_chain_of_two_pages_is_read_in_order() {
        let first = viewed(&[], Reader::Person);
        let second = viewed(std::slice::from_ref(&first), Reader::Scanner);
        let key = json!({"approval_id": {"S": "night"}, "sequence": {"N": "1"}});
        let server = FakeServer::answering(vec![
            (200, json!({"Items": [on_the_wire(&first)], "LastEvaluatedKey": key}).to_string()),
            (200, json!({"Items": [on_the_wire(&second)]}).to_string()),
        ]);
        assert_eq!(Aws::at(&server.address).audit("audit").entries(&night()).await.unwrap(), [first, second]);
        let asked = server.requests();
        assert!(asked[0].contains(r#""ConsistentRead":true"#) && asked[0].contains(r#""ScanIndexForward":true"#), "{}", asked[0]);
        assert!(asked[1].contains(r#""ExclusiveStartKey""#), "{}", asked[1]);
    }

    #[tokio::test]
    async fn an_entry_is_put_where_none_stands_and_a_repeated_put_finds_itself() {
        let (mine, rival) = (viewed(&[], Reader::Person), viewed(&[], Reader::Scanner));
        let taken =
            |by: &Entry| (400, json!({"__type": "ConditionalCheckFailedException", "message": "no", "Item": on_the_wire(by)}).to_string());
        let server = FakeServer::answering(vec![(200, "{}".to_owned()), taken(&mine), taken(&rival)]);
        let audit = Aws::at(&server.address).audit("audit");
        for expected in [Appended::Stored, Appended::Stored, Appended::Taken] {
            assert_eq!(audit.append(&mine).await.unwrap(), expected);
        }
        let put = &server.requests()[0];
        assert!(
            put.contains("attribute_not_exists(approval_id)") && put.contains(r#""ReturnValuesOnConditionCheckFailure":"ALL_OLD""#),
            "{put}"
        );
    }

    #[tokio::test]
    async fn each_question_with_a_chain_is_listed_once() {
        let key = |id: &str| json!({"approval_id": {"S": id}});
        let server = FakeServer::answering(vec![
            (200, json!({"Items": [key("b"), key("a")], "LastEvaluatedKey": key("a")}).to_string()),
            (200, json!({"Items": [key("b"), key("c")]}).to_string()),
        ]);
        let listed = Aws::at(&server.address).audit("audit").approvals().await.unwrap();
        assert_eq!(listed.iter().map(ApprovalId::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(server.requests()[0].contains(r#""ProjectionExpression":"approval_id""#), "{}", server.requests()[0]);
    }

    #[tokio::test]
    async fn an_entry_that_cannot_be_read_names_the_attribute() {
        let mut item = on_the_wire(&viewed(&[], Reader::Person));
        item["sequence"] = json!({"S": "1"});
        let server = FakeServer::answering(vec![(200, json!({"Items": [item]}).to_string())]);
        let error = Aws::at(&server.address).audit("audit").entries(&night()).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "the attribute sequence is missing or unreadable");
    }
}
