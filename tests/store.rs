//! The contracts of the approvals and of their audit, kept by DynamoDB: what is proven on the in-memory port holds on the real one.
//!
//! `AWS_ENDPOINT_URL=http://127.0.0.1:4566 cargo nextest run -p nightly-tests --run-ignored only store` against a local AWS.

#![expect(clippy::unwrap_used, reason = "what goes wrong in here has failed the test")]

use std::path::Path;

use nightly_aws::Aws;
use nightly_domain::link::ApprovalId;
use nightly_domain::memory::contract;
use nightly_lambda::config;
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "needs a local AWS at AWS_ENDPOINT_URL"]
async fn dynamodb_keeps_the_contract_of_the_store() {
    let endpoint: String = config::required("AWS_ENDPOINT_URL").unwrap();
    let table = format!("approvals-{}", std::process::id());
    call(
        &endpoint,
        "CreateTable",
        &json!({
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "approval_id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "approval_id", "KeyType": "HASH"}],
        }),
    )
    .unwrap();
    let approvals = Aws::from_environment().await.approvals(&table);
    contract::approvals(&approvals, "contract", async |id| expire(&endpoint, &table, id)).await;
    call(&endpoint, "DeleteTable", &json!({"TableName": table})).unwrap();
}

#[tokio::test]
#[ignore = "needs a local AWS at AWS_ENDPOINT_URL"]
async fn dynamodb_keeps_the_contract_of_the_audit() {
    let endpoint: String = config::required("AWS_ENDPOINT_URL").unwrap();
    let table = format!("approvals-audit-{}", std::process::id());
    call(
        &endpoint,
        "CreateTable",
        &json!({
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "approval_id", "AttributeType": "S"},
                {"AttributeName": "sequence", "AttributeType": "N"},
            ],
            "KeySchema": [{"AttributeName": "approval_id", "KeyType": "HASH"}, {"AttributeName": "sequence", "KeyType": "RANGE"}],
        }),
    )
    .unwrap();
    let audit = Aws::from_environment().await.audit(&table);
    contract::audit(&audit, "contract").await;
    assert_eq!(audit.approvals().await.unwrap(), ["contract-e".parse().unwrap()], "each question with a chain is listed");
    call(&endpoint, "DeleteTable", &json!({"TableName": table})).unwrap();
}

/// Sends what the deployed definition's `ExpireApproval` sends, and says whether it wrote.
fn expire(endpoint: &str, table: &str, id: &ApprovalId) -> bool {
    let definition = Path::new(env!("CARGO_MANIFEST_DIR")).join("../statemachine/nightly-warehouse.asl.json");
    let definition: Value = serde_json::from_str(&std::fs::read_to_string(definition).unwrap()).unwrap();
    let mut update = definition["States"]["ExpireApproval"]["Arguments"].clone();
    update["TableName"] = table.into();
    update["Key"]["approval_id"]["S"] = id.as_str().into();
    update["ExpressionAttributeValues"][":now"]["S"] = "2026-11-21T03:24:00.250Z".into();
    match call(endpoint, "UpdateItem", &update) {
        Ok(()) => true,
        Err(error) => {
            assert!(error.contains("ConditionalCheckFailedException"), "{error}");
            false
        }
    }
}

/// One call as DynamoDB's JSON protocol writes it. A local AWS looks at no signature, but at the header's form.
fn call(endpoint: &str, action: &str, input: &Value) -> Result<(), String> {
    let authorization = "AWS4-HMAC-SHA256 Credential=local/20261121/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=none";
    let answer = ureq::post(endpoint)
        .config()
        .http_status_as_error(false)
        .build()
        .header("x-amz-target", format!("DynamoDB_20120810.{action}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", authorization)
        .send(input.to_string());
    let mut answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    if status.is_success() { Ok(()) } else { Err(text) }
}
