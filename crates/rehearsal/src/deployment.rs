//! The deployed definition with everything that its deployment fills in, as `template.yaml` says it by default.

use serde_json::Value;

/// As it is deployed.
const DEFINITION: &str = include_str!("../../../statemachine/nightly-warehouse.asl.json");

pub(crate) const RAW: &str = "nightly-raw";
pub(crate) const WORK: &str = "nightly-work";
pub(crate) const WAREHOUSE: &str = "nightly-warehouse";
pub(crate) const SITE: &str = "nightly-site";
/// The table of the nights.
pub(crate) const NIGHTS: &str = "nightly-nights";
pub(crate) const BASE_CURRENCY: &str = "EUR";
pub(crate) const BASE_URL: &str = "https://approve.nordvik.example";

/// Minutes between two rounds of the watch.
pub(crate) const WATCH_MINUTES: i64 = 5;
/// A message that was not dealt with is received again after this.
pub(crate) const NOTICE_VISIBILITY_SECONDS: i64 = 360;
/// A message that was received so often goes to the dead letters.
pub(crate) const NOTICE_RECEIVES: u32 = 12;
/// The bad ends that the rule hands on.
pub(crate) const TOLD_ENDINGS: [&str; 3] = ["FAILED", "TIMED_OUT", "ABORTED"];
/// The state machine that asks for others.
pub(crate) const QUESTION_MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:nightly-question";
/// How many runs of a job Glue takes at once.
pub(crate) const JOB_CONCURRENCY: usize = 1;
/// Two workers of the kind G.1X, one unit each.
pub(crate) const JOB_UNITS: f64 = 2.0;

const SUBSTITUTIONS: &[(&str, &str)] = &[
    ("RawBucket", RAW),
    ("WorkBucket", WORK),
    ("WarehouseBucket", WAREHOUSE),
    ("ExtractOrdersJob", "nightly-extract-orders"),
    ("ExtractInventoryJob", "nightly-extract-inventory"),
    ("TransformOrdersJob", "nightly-transform-orders"),
    ("TransformInventoryJob", "nightly-transform-inventory"),
    ("JoinFactDimJob", "nightly-join-fact-dim"),
    ("ApplyFxJob", "nightly-apply-fx"),
    ("PublishJob", "nightly-publish-to-warehouse"),
    ("FxFetchFunction", "arn:aws:lambda:eu-central-1:111122223333:function:nightly-fx-fetch"),
    ("ApprovalRequestFunction", "arn:aws:lambda:eu-central-1:111122223333:function:nightly-approval-request"),
    ("StakeholderNotifyFunction", "arn:aws:lambda:eu-central-1:111122223333:function:nightly-stakeholder-notify"),
    ("BaseCurrency", BASE_CURRENCY),
    ("Database", "nightly"),
    ("StagedTable", "orders_staged"),
    ("CuratedTable", "orders_curated"),
    ("Ruleset", "nightly-orders"),
    ("QualityRoleArn", "arn:aws:iam::111122223333:role/nightly-quality"),
    ("QualityPollSeconds", "10"),
    ("NightsTable", NIGHTS),
    ("ApprovalsTable", "nightly-approvals"),
    ("ApprovalTimeoutSeconds", "3600"),
    ("ApprovalExtensionSeconds", "900"),
    ("ApprovalWatchMinutes", "5"),
    ("WorkGroup", "nightly"),
    ("AllowedFlags", "skipApproval,skipPublish,skipNotify"),
    ("QuestionStateMachine", QUESTION_MACHINE),
    ("NoticeQueueUrl", "https://sqs.eu-central-1.amazonaws.com/111122223333/nightly-notices"),
];

/// Our night's definition, as it runs once it is deployed.
pub fn definition() -> Value {
    let text = SUBSTITUTIONS.iter().fold(DEFINITION.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
    serde_json::from_str(&text).expect("the definition is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_filled_in_and_nothing_else_is() {
        let definition = definition().to_string();
        assert!(!definition.contains("${"), "{:?}", definition.find("${").map(|at| &definition[at..at + 40]));
        for (name, _) in SUBSTITUTIONS {
            assert!(DEFINITION.contains(&format!("${{{name}}}")), "{name} is not in the definition any more");
        }
    }

    #[test]
    fn the_template_says_the_same() {
        let template = include_str!("../../../template.yaml");
        let default = |parameter: &str, value: &str| {
            let from = template.find(&format!("\n  {parameter}:\n")).unwrap_or_else(|| panic!("{parameter} is no parameter"));
            let block = &template[from..][..600];
            assert!(block.contains(&format!("Default: {value}\n")), "{parameter}: {block}");
        };
        default("ApprovalTimeoutSeconds", "3600");
        default("ApprovalExtensionSeconds", "900");
        default("ApprovalWatchMinutes", &WATCH_MINUTES.to_string());
        default("QualityPollSeconds", "10");
        default("BaseCurrency", BASE_CURRENCY);
        assert!(template.contains(&format!("VisibilityTimeout: {NOTICE_VISIBILITY_SECONDS}\n")));
        assert!(template.contains(&format!("maxReceiveCount: {NOTICE_RECEIVES}\n")));
        assert!(template.contains(&format!("          status: [{}]\n", TOLD_ENDINGS.join(", "))));
        let jobs = template.matches("Type: AWS::Glue::Job\n").count();
        default("NightsAtOnce", &JOB_CONCURRENCY.to_string());
        assert_eq!(template.matches("MaxConcurrentRuns: !Ref NightsAtOnce }").count(), jobs);
        assert_eq!((template.matches("WorkerType: G.1X\n").count(), template.matches("NumberOfWorkers: 2\n").count()), (jobs, jobs));
    }
}
