//! What a Task may call: the services, their actions, what each waits for and takes.
//!
//! The optimized integrations are those of
//! <https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html>. `actions.txt` lists the actions of the services
//! that can be called through the SDK and are used here, a line each with the arguments, those that are required marked with `!`; it
//! is made by `local/sdk_actions.py`.

use super::fields::nearest;

/// A `Resource`, as far as its text goes. Account, region and partition are not looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    /// A Lambda function's own ARN.
    Function,
    Activity,
    /// `arn:aws:states:::service:action.suffix`; the service is `aws-sdk:glue` for a call through the SDK.
    Integration {
        service: &'a str,
        action: &'a str,
        /// `.sync`, `.sync:2`, `.waitForTaskToken` or nothing.
        suffix: &'a str,
    },
    Unrecognized,
}

impl<'a> Resource<'a> {
    pub(super) fn read(arn: &'a str) -> Self {
        if let Some((_, rest)) = arn.split_once(":states:::").filter(|(before, _)| before.starts_with("arn:")) {
            let (service, action) = match rest.strip_prefix("aws-sdk:").and_then(|call| call.split_once(':')) {
                Some((service, action)) => (&rest[..service.len() + "aws-sdk:".len()], action),
                None => rest.split_once(':').unwrap_or((rest, "")),
            };
            let split = action.find('.').unwrap_or(action.len());
            return Self::Integration { service, action: &action[..split], suffix: &action[split..] };
        }
        if arn.contains(":lambda:") || arn.contains(":function:") {
            Self::Function
        } else if arn.contains("activity") {
            Self::Activity
        } else {
            Self::Unrecognized
        }
    }
}

/// When a task is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    RequestResponse,
    Sync,
    TaskToken,
}

impl Pattern {
    pub(super) fn of(suffix: &str) -> Self {
        match suffix {
            ".waitForTaskToken" => Self::TaskToken,
            _ if suffix.starts_with(".sync") => Self::Sync,
            _ => Self::RequestResponse,
        }
    }
}

/// What a call takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) required: Vec<&'static str>,
    /// Every argument; empty where they are not known.
    pub(super) all: Vec<&'static str>,
}

/// Why a call is not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// A service of the SDK that is not listed here.
    Service,
    /// There is no such call.
    Resource { hint: String },
}

/// Looks a call up.
pub(super) fn known(service: &str, action: &str, suffix: &str) -> Result<Arguments, Unknown> {
    let none = |hint: String| Err(Unknown::Resource { hint });
    if let Some(sdk) = service.strip_prefix("aws-sdk:") {
        if !matches!(suffix, "" | ".waitForTaskToken") {
            let hint = format!(
                "Calls through the SDK have no {suffix}: start the job, wait, and read its state in a loop{}.",
                optimized_too(sdk, action)
            );
            return none(hint);
        }
        let mut actions = actions_of(sdk).peekable();
        if actions.peek().is_none() {
            return Err(Unknown::Service);
        }
        return match arguments_of(sdk, action) {
            Some(arguments) => Ok(arguments),
            None if action.starts_with(char::is_uppercase) => {
                let mut marks = action.chars();
                let first = marks.next().map(|mark| mark.to_lowercase().to_string()).unwrap_or_default();
                none(format!("An action begins with a small letter: {first}{}.", marks.as_str()))
            }
            None => match nearest(action, actions) {
                Some(near) => none(format!("Did you mean {service}:{near}?")),
                None => none(format!("{sdk} has no action {action}: look it up in the service's API reference.")),
            },
        };
    }
    let Some((_, actions)) = OPTIMIZED.iter().find(|(name, _)| *name == service) else {
        let hint = match nearest(service, OPTIMIZED.iter().map(|(name, _)| *name)) {
            Some(near) => format!("Did you mean {near}?"),
            None => format!("Call it through the SDK: arn:aws:states:::aws-sdk:{service}:{action}."),
        };
        return none(hint);
    };
    let Some(found) = actions.iter().find(|known| known.name == action) else {
        let names: Vec<&str> = actions.iter().map(|known| known.name).collect();
        if let Some(near) = nearest(action, names.iter().copied()) {
            return none(format!("Did you mean {service}:{near}?"));
        }
        let sdk = sdk_name(service);
        let own = names.join(", ");
        return none(format!(
            "{service} has {own} of its own; everything else goes through the SDK: arn:aws:states:::aws-sdk:{sdk}:{action}."
        ));
    };
    if !suffix.is_empty() && !found.suffixes.contains(&suffix) {
        let can = if found.suffixes.is_empty() { "only answers".to_owned() } else { format!("has {}", found.suffixes.join(", ")) };
        return none(format!("{service}:{action} {can}: it has no {suffix}."));
    }
    let mut arguments = arguments_of(sdk_name(service), action).unwrap_or_default();
    arguments.required = found.required.to_vec();
    Ok(arguments)
}

struct Action {
    name: &'static str,
    suffixes: &'static [&'static str],
    required: &'static [&'static str],
}

const fn action(name: &'static str, suffixes: &'static [&'static str], required: &'static [&'static str]) -> Action {
    Action { name, suffixes, required }
}

const ANSWERS: &[&str] = &[];
const JOB: &[&str] = &[".sync"];
const TOKEN: &[&str] = &[".waitForTaskToken"];
const JOB_OR_TOKEN: &[&str] = &[".sync", ".waitForTaskToken"];

const OPTIMIZED: &[(&str, &[Action])] = &[
    ("apigateway", &[action("invoke", TOKEN, &["ApiEndpoint", "Method"])]),
    (
        "athena",
        &[
            action("startQueryExecution", JOB, &["QueryString"]),
            action("stopQueryExecution", ANSWERS, &["QueryExecutionId"]),
            action("getQueryExecution", ANSWERS, &["QueryExecutionId"]),
            action("getQueryResults", ANSWERS, &["QueryExecutionId"]),
        ],
    ),
    ("batch", &[action("submitJob", JOB, &["JobName", "JobQueue", "JobDefinition"])]),
    ("bedrock", &[action("invokeModel", TOKEN, &["ModelId"]), action("createModelCustomizationJob", JOB, &[])]),
    (
        "codebuild",
        &[
            action("startBuild", JOB, &["ProjectName"]),
            action("stopBuild", ANSWERS, &["Id"]),
            action("batchDeleteBuilds", ANSWERS, &["Ids"]),
            action("batchGetReports", ANSWERS, &["ReportArns"]),
            action("startBuildBatch", JOB, &["ProjectName"]),
            action("stopBuildBatch", ANSWERS, &["Id"]),
            action("retryBuildBatch", JOB, &["Id"]),
            action("deleteBuildBatch", ANSWERS, &["Id"]),
        ],
    ),
    ("databrew", &[action("startJobRun", JOB, &["Name"])]),
    (
        "dynamodb",
        &[
            action("getItem", ANSWERS, &["TableName", "Key"]),
            action("putItem", ANSWERS, &["TableName", "Item"]),
            action("updateItem", ANSWERS, &["TableName", "Key"]),
            action("deleteItem", ANSWERS, &["TableName", "Key"]),
        ],
    ),
    ("ecs", &[action("runTask", JOB_OR_TOKEN, &["TaskDefinition"])]),
    (
        "eks",
        &[
            action("createCluster", JOB, &["Name"]),
            action("deleteCluster", JOB, &["Name"]),
            action("createNodegroup", JOB, &["ClusterName", "NodegroupName"]),
            action("deleteNodegroup", JOB, &["ClusterName", "NodegroupName"]),
            action("createFargateProfile", JOB, &["ClusterName", "FargateProfileName"]),
            action("deleteFargateProfile", JOB, &["ClusterName", "FargateProfileName"]),
            action("runJob", JOB, &["ClusterName"]),
            action("call", ANSWERS, &["ClusterName", "Method", "Path"]),
        ],
    ),
    (
        "elasticmapreduce",
        &[
            action("createCluster", JOB, &["Name"]),
            action("setClusterTerminationProtection", ANSWERS, &["ClusterId", "TerminationProtected"]),
            action("terminateCluster", JOB, &["ClusterId"]),
            action("addStep", JOB, &["ClusterId", "Step"]),
            action("cancelStep", ANSWERS, &["ClusterId", "StepId"]),
            action("modifyInstanceFleetByName", ANSWERS, &["ClusterId", "InstanceFleetName", "InstanceFleet"]),
            action("modifyInstanceGroupByName", ANSWERS, &["ClusterId", "InstanceGroupName", "InstanceGroup"]),
        ],
    ),
    (
        "emr-containers",
        &[
            action("createVirtualCluster", ANSWERS, &["Name", "ContainerProvider"]),
            action("deleteVirtualCluster", JOB, &["Id"]),
            action("startJobRun", JOB, &["VirtualClusterId", "JobDriver"]),
        ],
    ),
    (
        "emr-serverless",
        &[
            action("createApplication", JOB, &["Type", "ReleaseLabel"]),
            action("startApplication", JOB, &["ApplicationId"]),
            action("stopApplication", JOB, &["ApplicationId"]),
            action("deleteApplication", JOB, &["ApplicationId"]),
            action("startJobRun", JOB, &["ApplicationId", "ExecutionRoleArn"]),
            action("cancelJobRun", JOB, &["ApplicationId", "JobRunId"]),
        ],
    ),
    ("events", &[action("putEvents", TOKEN, &["Entries"])]),
    ("glue", &[action("startJobRun", JOB, &["JobName"])]),
    ("http", &[action("invoke", ANSWERS, &["ApiEndpoint", "Method"])]),
    ("lambda", &[action("invoke", TOKEN, &["FunctionName"])]),
    ("mediaconvert", &[action("createJob", JOB, &["Role", "Settings"])]),
    (
        "sagemaker",
        &[
            action("createEndpoint", ANSWERS, &["EndpointName", "EndpointConfigName"]),
            action("createEndpointConfig", ANSWERS, &["EndpointConfigName", "ProductionVariants"]),
            action("createHyperParameterTuningJob", JOB, &["HyperParameterTuningJobName"]),
            action("createLabelingJob", JOB, &["LabelingJobName"]),
            action("createModel", ANSWERS, &["ModelName"]),
            action("createProcessingJob", JOB, &["ProcessingJobName"]),
            action("createTrainingJob", JOB, &["TrainingJobName"]),
            action("createTransformJob", JOB, &["TransformJobName"]),
            action("updateEndpoint", ANSWERS, &["EndpointName", "EndpointConfigName"]),
        ],
    ),
    ("sns", &[action("publish", TOKEN, &["Message"])]),
    ("sqs", &[action("sendMessage", TOKEN, &["QueueUrl", "MessageBody"])]),
    ("states", &[action("startExecution", &[".sync", ".sync:2", ".waitForTaskToken"], &["StateMachineArn"])]),
];

/// What the SDK calls the service of an optimized integration.
fn sdk_name(service: &str) -> &str {
    match service {
        "events" => "eventbridge",
        "states" => "sfn",
        other => other,
    }
}

/// The same call where it can be waited for.
fn optimized_too(sdk: &str, action: &str) -> String {
    let waits = |known: &Action| known.name == action && known.suffixes.contains(&".sync");
    OPTIMIZED
        .iter()
        .find(|(service, actions)| sdk_name(service) == sdk && actions.iter().any(waits))
        .map_or_else(String::new, |(service, _)| format!(", or use arn:aws:states:::{service}:{action}.sync"))
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    include_str!("actions.txt").lines().filter_map(|line| {
        let (call, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let (service, action) = call.split_once(':')?;
        Some((service, action, arguments))
    })
}

fn actions_of(sdk: &str) -> impl Iterator<Item = &'static str> {
    lines().filter(move |(service, ..)| *service == sdk).map(|(_, action, _)| action)
}

fn arguments_of(sdk: &str, action: &str) -> Option<Arguments> {
    let (.., written) = lines().find(|(service, name, _)| *service == sdk && *name == action)?;
    let all: Vec<&str> = written.split_whitespace().map(|argument| argument.trim_end_matches('!')).collect();
    let required = written.split_whitespace().filter_map(|argument| argument.strip_suffix('!')).collect();
    Some(Arguments { required, all })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(service: &str, action: &str, suffix: &str) -> String {
        match known(service, action, suffix) {
            Err(Unknown::Resource { hint }) => hint,
            other => panic!("{service}:{action}{suffix} is {other:?}"),
        }
    }

    #[test]
    fn a_resource_is_read_in_any_partition_and_region() {
        assert_eq!(
            Resource::read("arn:aws-us-gov:states:::aws-sdk:glue:getTable.waitForTaskToken"),
            Resource::Integration { service: "aws-sdk:glue", action: "getTable", suffix: ".waitForTaskToken" }
        );
        assert_eq!(
            Resource::read("arn:aws:states:::states:startExecution.sync:2"),
            Resource::Integration { service: "states", action: "startExecution", suffix: ".sync:2" }
        );
        assert_eq!(Resource::read("arn:aws:lambda:eu-central-1:1:function:f"), Resource::Function);
        assert_eq!(Resource::read("arn:aws:states:eu-central-1:1:activity:wait"), Resource::Activity);
        assert_eq!(Resource::read("SendMail"), Resource::Unrecognized);
    }

    #[test]
    fn every_optimized_call_of_a_listed_service_is_in_the_list_of_its_service() {
        for (service, actions) in OPTIMIZED.iter().filter(|(service, _)| actions_of(sdk_name(service)).next().is_some()) {
            for action in *actions {
                let listed = arguments_of(sdk_name(service), action.name).unwrap_or_else(|| panic!("{service}:{}", action.name));
                for required in action.required {
                    assert!(listed.all.contains(required), "{service}:{} has no {required}", action.name);
                }
            }
        }
    }

    #[test]
    fn a_wrong_call_is_answered_with_what_to_write() {
        assert_eq!(hint("aws-sdk:glue", "getTabel", ""), "Did you mean aws-sdk:glue:getTable?");
        assert_eq!(hint("aws-sdk:glue", "GetTable", ""), "An action begins with a small letter: getTable.");
        assert!(hint("aws-sdk:glue", "startJobRun", ".sync").ends_with("or use arn:aws:states:::glue:startJobRun.sync."));
        assert!(hint("dynamodb", "query", "").ends_with("arn:aws:states:::aws-sdk:dynamodb:query."));
        assert_eq!(hint("lambda", "invoke", ".sync"), "lambda:invoke has .waitForTaskToken: it has no .sync.");
        assert_eq!(known("aws-sdk:wellarchitected", "listLenses", ""), Err(Unknown::Service));
    }
}
