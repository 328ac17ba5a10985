//! Calls to the local AWS: plain HTTP on loopback, in the protocols that the services speak.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::Agent;

use crate::process;

/// The region of the local AWS.
pub const REGION: &str = "eu-central-1";
/// The account of the local AWS.
pub const ACCOUNT: &str = "000000000000";

/// Speaks to the local AWS at one address.
#[derive(Clone)]
pub struct Client {
    endpoint: String,
    agent: Agent,
}

impl Client {
    pub fn new(endpoint: impl Into<String>) -> Self {
        let agent = Agent::config_builder().timeout_global(Some(Duration::from_secs(30))).http_status_as_error(false).build().into();
        Self { endpoint: endpoint.into(), agent }
    }

    /// One operation of a service that speaks JSON, such as `AWSStepFunctions.StartExecution`.
    pub fn call(&self, service: &str, operation: &str, input: &Value) -> Result<Value> {
        let version = if service == "states" { "1.0" } else { "1.1" };
        let response = self
            .agent
            .post(&self.endpoint)
            .header("X-Amz-Target", operation)
            .header("Content-Type", format!("application/x-amz-json-{version}"))
            .header("Authorization", authorization(service))
            .send(input.to_string())
            .with_context(|| format!("{operation}: the local AWS does not answer"))?;
        read(operation, response)
    }

    /// Creates a bucket; one that is there already stays as it is.
    pub fn create_bucket(&self, bucket: &str) -> Result<()> {
        let place = format!("<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>");
        self.put(&format!("{}/{bucket}", self.endpoint), place.as_bytes())
    }

    /// Uploads a file.
    pub fn upload(&self, bucket: &str, key: &str, file: &Path) -> Result<()> {
        let body = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.put(&format!("{}/{bucket}/{key}", self.endpoint), &body)
    }

    fn put(&self, url: &str, body: &[u8]) -> Result<()> {
        let response = self
            .agent
            .put(url)
            .header("Authorization", authorization("s3"))
            .send(body)
            .with_context(|| format!("PUT {url}: the local AWS does not answer"))?;
        match response.status().as_u16() {
            200..300 | 409 => Ok(()),
            status => bail!("PUT {url} was answered {status}"),
        }
    }

    /// The outputs of a `CloudFormation` stack.
    pub fn stack_outputs(&self, stack: &str) -> Result<Vec<(String, String)>> {
        let mut response = self
            .agent
            .post(&self.endpoint)
            .header("Authorization", authorization("cloudformation"))
            .send_form([("Action", "DescribeStacks"), ("Version", "2010-05-15"), ("StackName", stack)])
            .context("DescribeStacks: the local AWS does not answer")?;
        let text = response.body_mut().read_to_string()?;
        let document = roxmltree::Document::parse(&text).with_context(|| format!("DescribeStacks answered no XML: {text}"))?;
        let text_of = |node: roxmltree::Node<'_, '_>, name: &str| {
            node.children()
                .find(|child| child.has_tag_name(name) || child.tag_name().name() == name)
                .and_then(|child| child.text())
                .map(str::to_owned)
        };
        Ok(document
            .descendants()
            .filter(|node| node.tag_name().name() == "member")
            .filter_map(|node| Some((text_of(node, "OutputKey")?, text_of(node, "OutputValue").unwrap_or_default())))
            .collect())
    }

    /// The rows of a query, as Athena gives them: the first holds the columns' names.
    pub fn query(&self, work_group: &str, text: &str) -> Result<Vec<Vec<String>>> {
        let call = |operation: &str, input: &Value| self.call("athena", &format!("AmazonAthena.{operation}"), input);
        let started = call("StartQueryExecution", &json!({"QueryString": text, "WorkGroup": work_group}))?;
        let query = json!({"QueryExecutionId": started["QueryExecutionId"]});
        loop {
            let status = call("GetQueryExecution", &query)?["QueryExecution"]["Status"].take();
            match status["State"].as_str() {
                Some("QUEUED" | "RUNNING") => process::pause(Duration::from_millis(100))?,
                Some("SUCCEEDED") => break,
                _ => bail!("{text}: {}", status["StateChangeReason"].as_str().unwrap_or("the query did not succeed")),
            }
        }
        let answer = call("GetQueryResults", &query)?;
        let cells = |row: &Value| -> Vec<String> {
            let cells = row["Data"].as_array().into_iter().flatten();
            cells.map(|cell| cell["VarCharValue"].as_str().unwrap_or_default().to_owned()).collect()
        };
        Ok(answer["ResultSet"]["Rows"].as_array().into_iter().flatten().map(cells).collect())
    }

    /// Posts JSON to one of the servers beside the local AWS.
    pub fn post_json(&self, path: &str, input: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.endpoint);
        let response = self
            .agent
            .post(&url)
            .header("Content-Type", "application/json")
            .send(input.to_string())
            .with_context(|| format!("POST {url}: nobody answers"))?;
        read(&url, response)
    }

    /// Whether a GET of this path is answered with success.
    pub fn answers(&self, path: &str) -> bool {
        self.agent.get(format!("{}{path}", self.endpoint)).call().is_ok_and(|response| response.status().is_success())
    }

    /// Presses a button of a form, and gives the answer: a redirect to the page that shows the outcome, where the press counted.
    pub fn submit_form(url: &str, fields: &[(&str, &str)]) -> Result<(u16, String)> {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut response = agent.post(url).send_form(fields.iter().copied()).context("the approval page does not answer")?;
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }
}

fn read(what: &str, mut response: ureq::http::Response<ureq::Body>) -> Result<Value> {
    let status = response.status();
    let text = response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_string()?;
    if !status.is_success() {
        bail!("{what} was answered {}: {}", status.as_u16(), text.trim());
    }
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("{what} answered no JSON: {text}"))
}

/// The local AWS reads service, region and account from the signature's scope and checks no signature.
fn authorization(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature={}", "0".repeat(64))
}
