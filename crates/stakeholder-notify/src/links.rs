//! Where people look further: the AWS console, the runbook.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::{InvalidStatusPageUrl, is_web_address};

/// The execution's page in the AWS console, where there is one.
pub(crate) fn execution(environment: &str, arn: &str) -> Option<String> {
    let (region, host) = console(environment, arn)?;
    Some(format!("https://{region}.{host}/states/home?region={region}#/v2/executions/details/{arn}"))
}

/// The log of a Glue job's run in the stack of this execution: its driver's and its executors' streams begin with its id.
pub(crate) fn job_log(environment: &str, arn: &str, job_run_id: &str) -> Option<String> {
    let plain = job_run_id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let (region, host) = console(environment, arn).filter(|_| plain)?;
    let machine = arn.split(':').nth(6)?;
    let stack = machine.strip_suffix("-night").or_else(|| Some(machine.rsplit_once("-dataset-")?.0))?;
    // The console writes % as $25, and so on.
    let place = format!("log-groups/log-group/$252Faws-glue$252F{stack}$252Ferror$3FlogStreamNameFilter$3D{job_run_id}");
    Some(format!("https://{region}.{host}/cloudwatch/home?region={region}#logsV2:{place}"))
}

fn console<'arn>(environment: &str, arn: &'arn str) -> Option<(&'arn str, &'static str)> {
    if environment == "local" {
        return None;
    }
    let mut parts = arn.split(':');
    let ("arn", partition, "states", region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?) else { return None };
    let host = match partition {
        "aws" => "console.aws.amazon.com",
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => return None,
    };
    Some((region, host))
}

/// The folder in which the runbook's pages lie, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookUrl(String);

/// The names that have a page. A test holds them against `docs/runbook`.
pub const RUNBOOK: &[&str] = &[
    "ApprovalApproved",
    "ApprovalCancelled",
    "ApprovalClosed",
    "ApprovalExpired",
    "ApprovalRejected",
    "ApprovalSuperseded",
    "ApprovalUndeliverable",
    "ApproversUnreachable",
    "BackfillExpired",
    "BackfillRejected",
    "BatchApprovalInvalid",
    "BuildAborted",
    "BuildTimedOut",
    "CuratedCountMismatch",
    "CurrenciesUnreadable",
    "DateTakenOver",
    "EvidenceUnreadable",
    "FileQuarantined",
    "InvalidBackfill",
    "InvalidConfiguration",
    "InvalidFlag",
    "FlagNotAllowed",
    "InvalidInput",
    "InvalidProcessDate",
    "InvalidRunDate",
    "MailUnavailable",
    "MalformedRow",
    "NightAborted",
    "NightTakenOver",
    "NightTimedOut",
    "NoInventorySnapshot",
    "NoOrdersPartition",
    "NoOtherApprover",
    "NoticeUnderWay",
    "PublishedCountMismatch",
    "QualityFailed",
    "QualityRunFailed",
    "RatesIncomplete",
    "RatesMismatched",
    "RatesStale",
    "RatesUnavailable",
    "SlackRefused",
    "SlackUnavailable",
    "SourceChanged",
    "SourceMissing",
    "SourceNotAllowed",
    "StagedBuildChanged",
    "StatusPageUnavailable",
    "StepFailed",
    "StorageUnavailable",
    "UnknownCurrency",
];

impl RunbookUrl {
    /// The page of this name.
    pub(crate) fn page(&self, name: &str) -> String {
        format!("{}/{name}.md", self.0)
    }
}

impl FromStr for RunbookUrl {
    type Err = InvalidStatusPageUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_web_address(text) { Ok(Self(text.trim_end_matches('/').to_owned())) } else { Err(InvalidStatusPageUrl) }
    }
}

impl Display for RunbookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
