//! The functions as Lambda runs them: an event goes in, the real handler works down its line, an answer comes out.

use std::pin::Pin;

use lambda_http::{Body, Request};
use nightly_approval::Site;
use nightly_domain::people::Panel;
use nightly_domain::{Named, ObjectUri};
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::deployment::{BASE_CURRENCY, BASE_URL, SITE};
use crate::line::Ports;
use crate::planted::Handler;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    FxFetch,
    ApprovalRequest,
    ApprovalCallback,
    ApprovalWatch,
    ApproverCheck,
    StakeholderNotify,
}

/// What a function is called with.
pub(crate) enum Event {
    Payload(Value),
    Http(Box<Request>),
}

/// What it comes to.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Payload(Value),
    /// The error's name, and what it says.
    Failed(String, String),
    Page {
        status: u16,
        body: String,
    },
}

pub(crate) type Invocation = Pin<Box<dyn Future<Output = Answer>>>;

/// Who can be asked, and where.
#[derive(Debug, Clone)]
pub(crate) struct House {
    pub(crate) panel: Panel,
    pub(crate) site: Site,
}

impl House {
    pub(crate) fn new(people: &[&str], deputies: &[&str], required: u32) -> Self {
        let panel = Panel::new(people, required).and_then(|panel| panel.with_deputies(deputies)).expect("these people can be asked");
        let site = Site { environment: "prod".to_owned(), base_url: BASE_URL.to_owned(), status_page_url: None };
        Self { panel, site }
    }
}

impl Function {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FxFetch => "fx-fetch",
            Self::ApprovalRequest => "approval-request",
            Self::ApprovalCallback => "approval-callback",
            Self::ApprovalWatch => "approval-watch",
            Self::ApproverCheck => "approver-check",
            Self::StakeholderNotify => "stakeholder-notify",
        }
    }

    /// The function that this ARN names.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let all = [Self::FxFetch, Self::ApprovalRequest, Self::StakeholderNotify];
        all.into_iter().find(|function| arn.ends_with(&format!(":function:nightly-{}", function.name())))
    }

    /// After how many seconds Lambda ends it, as `template.yaml` says.
    pub(crate) fn timeout_seconds(self) -> i64 {
        match self {
            Self::FxFetch | Self::ApproverCheck => 30,
            Self::ApprovalCallback => 25,
            Self::ApprovalWatch => 50,
            Self::ApprovalRequest | Self::StakeholderNotify => 60,
        }
    }

    /// Begins an invocation of the real handler, or of the one that was planted in its place.
    pub(crate) fn invoke(self, event: Event, line: Ports, house: &House, planted: Option<Handler>) -> Invocation {
        let House { panel, site } = house.clone();
        if let Some(planted) = planted.filter(|planted| planted.takes_the_place_of(self)) {
            return planted.invoke(event, line, site);
        }
        match (self, event) {
            (Self::ApprovalCallback, Event::Http(request)) => Box::pin(async move {
                let ports = approval_callback::Ports { desk: line, site };
                let response = approval_callback::handle(&ports, *request).await;
                let status = response.status().as_u16();
                let body = match response.into_body() {
                    Body::Text(text) => text,
                    _ => String::new(),
                };
                Answer::Page { status, body }
            }),
            (Self::FxFetch, Event::Payload(payload)) => Box::pin(async move {
                let settings = fx_fetch::Settings {
                    base_currency: BASE_CURRENCY.parse().expect("a currency"),
                    source_name: "frankfurter".to_owned(),
                    maximum_age_days: 5,
                };
                let ports = fx_fetch::Ports { objects: line.clone(), source: line.clone(), pauses: line, settings };
                answer(payload, async |request| fx_fetch::handle(&ports, request).await).await
            }),
            (Self::ApprovalRequest, Event::Payload(payload)) => Box::pin(async move {
                let settings = approval_request::Settings { panel, site, nights: Some(ObjectUri::new(SITE, "nights/")) };
                let ports = approval_request::Ports { objects: line.clone(), desk: line, settings };
                answer(payload, async |request| approval_request::handle(&ports, request).await).await
            }),
            (Self::ApprovalWatch, Event::Payload(payload)) => Box::pin(async move {
                let ports = approval_watch::Ports { desk: line, site };
                answer(payload, async |watch| approval_watch::handle(&ports, watch).await).await
            }),
            (Self::ApproverCheck, Event::Payload(payload)) => Box::pin(async move {
                let settings = approver_check::Settings {
                    environment: "prod".to_owned(),
                    stack: "nightly-prod".to_owned(),
                    panel,
                    topic_arn: "arn:of:topic".to_owned(),
                };
                let metrics = |_: &Value| {};
                let ports =
                    approver_check::Ports { subscriptions: line.clone(), channel: Some(line.clone()), metrics, clock: line, settings };
                answer(payload, async |request| approver_check::handle(&ports, request).await).await
            }),
            (Self::StakeholderNotify, Event::Payload(payload)) => Box::pin(async move {
                let settings = stakeholder_notify::Settings {
                    environment: "prod".to_owned(),
                    stack: "nightly-prod".to_owned(),
                    site_bucket: SITE.to_owned(),
                    status_page_url: None,
                    runbook_url: None,
                    published_by: jiff::civil::time(5, 0, 0, 0),
                    dpu_hour_price: Decimal::new(44, 2),
                };
                let list = line.clone();
                let ports = stakeholder_notify::Ports {
                    objects: line.clone(),
                    histories: line.clone(),
                    registry: line.clone(),
                    channel: Some(line.clone()),
                    mailing_list: Some(line.clone()),
                    list_of_topic: |_: &str| list.clone(),
                    metrics: |_: &Value| {},
                    clock: line,
                    settings,
                };
                answer(payload, async |event| stakeholder_notify::handle(&ports, event).await).await
            }),
            (function, _) => unreachable!("{} is called with something else", function.name()),
        }
    }
}

/// What `nightly_lambda::run` makes of a handler.
async fn answer<In: DeserializeOwned, Out: Serialize, Failure: Named>(
    payload: Value,
    handle: impl AsyncFnOnce(In) -> Result<Out, Failure>,
) -> Answer {
    let input = match serde_json::from_value(payload) {
        Ok(input) => input,
        Err(error) => return Answer::Failed("InvalidInput".to_owned(), format!("the event does not fit this function's input: {error}")),
    };
    match handle(input).await {
        Ok(output) => Answer::Payload(serde_json::to_value(output).expect("an answer is JSON")),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn Named) -> Answer {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Answer::Failed(error.name().to_owned(), message)
}
