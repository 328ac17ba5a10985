//! What must hold for the template beyond being accepted by CloudFormation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::asl::{self, MACHINES};
use crate::cloudformation::{Template, actions, one_or_many};
use crate::integrations::Integration;
use crate::project;

#[test]
fn the_definition_has_the_placeholders_that_the_template_fills_and_no_others() {
    let template = Template::read();
    for machine in MACHINES {
        let filled: BTreeSet<String> = template.substitutions(machine.logical_name).keys().cloned().collect();
        assert_eq!(machine.placeholders(), filled, "{machine:?}");
    }
}

#[test]
fn the_state_machines_are_the_definitions_that_are_tested() {
    let template = Template::read();
    let deployed: BTreeSet<&str> = template.resources("AWS::Serverless::StateMachine").into_iter().map(|(name, _)| name).collect();
    assert_eq!(deployed, MACHINES.map(|machine| machine.logical_name).into());
    for machine in MACHINES {
        let properties = template.properties(machine.logical_name);
        assert_eq!(properties["DefinitionUri"], machine.file);
        assert_eq!(properties["Type"], "STANDARD");
    }
}

#[test]
fn parameters_and_outputs_are_those_that_others_build_on() {
    let text = project::architecture("### Template");
    let promised = |label: &str| -> BTreeSet<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("ARCHITECTURE.md has no {label}"));
        project::code_words(line).into_iter().filter(|word| word.starts_with(char::is_uppercase)).map(str::to_owned).collect()
    };
    let template = Template::read();
    assert_eq!(template.parameters().keys().cloned().collect::<BTreeSet<_>>(), promised("Parameters:"));
    assert_eq!(template.outputs().keys().cloned().collect::<BTreeSet<_>>(), promised("Outputs:"));
}

#[test]
fn every_parameter_is_explained_grouped_and_refuses_what_it_cannot_mean() {
    let template = Template::read();
    let interface = &template.section("Metadata")["AWS::CloudFormation::Interface"]["ParameterGroups"];
    let grouped: Vec<&str> = one_or_many(interface).flat_map(|group| one_or_many(&group["Parameters"])).filter_map(Value::as_str).collect();
    assert_eq!(grouped.len(), template.parameters().len(), "each parameter stands in one group");
    for (name, parameter) in template.parameters() {
        assert!(grouped.contains(&name.as_str()), "{name} stands in no group");
        assert!(parameter["Description"].as_str().is_some_and(|text| text.ends_with('.')), "{name} has no description");
        let bounded = parameter.get("MinValue").is_some() && parameter.get("MaxValue").is_some();
        let checked = parameter.get("AllowedValues").is_some()
            || (parameter.get("AllowedPattern").is_some() && parameter.get("ConstraintDescription").is_some());
        assert!(if parameter["Type"] == "Number" { bounded } else { checked }, "{name} takes anything");
    }
}

#[test]
fn each_function_has_the_variables_that_it_reads() {
    let template = Template::read();
    let documented = documented_variables();
    let functions = functions(&template);
    assert_eq!(functions.keys().collect::<BTreeSet<_>>(), documented.keys().collect::<BTreeSet<_>>());
    for (binary, logical_name) in functions {
        assert_eq!(template.variables(logical_name), documented[&binary], "{binary}");
    }
}

/// ARCHITECTURE.md's list: function → variables. `RUST_LOG` is for whoever debugs, not for the template.
fn documented_variables() -> BTreeMap<String, BTreeSet<String>> {
    let text = project::architecture("### Environment of the functions");
    let is_variable = |word: &&str| word.len() > 2 && word.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
    let variables = |list: &str| {
        project::code_words(list)
            .into_iter()
            .filter(is_variable)
            .filter(|word| *word != "RUST_LOG")
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let shared = text.lines().find_map(|line| line.strip_prefix("Every function:")).map(variables).expect("some variables are for all");
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (names, list) in text.lines().filter(|line| line.starts_with('`')).filter_map(|line| line.split_once(':')) {
        for name in project::code_words(names) {
            documented.entry(name.to_owned()).or_insert_with(|| shared.clone()).extend(variables(list));
        }
    }
    documented
}

/// Binary → logical name.
fn functions(template: &Template) -> BTreeMap<String, &str> {
    let named = |(logical_name, resource): (_, &Value)| {
        let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str().expect("a function names its binary");
        (binary.to_owned(), logical_name)
    };
    template.resources("AWS::Serverless::Function").into_iter().map(named).collect()
}

#[test]
fn folder_crate_function_and_log_group_have_one_name() {
    let template = Template::read();
    for (binary, logical_name) in functions(&template) {
        assert!(project::root().join("crates").join(&binary).join("src/main.rs").exists(), "{binary}");
        let properties = template.properties(logical_name);
        assert_eq!(properties["FunctionName"], json!({"Fn::Sub": format!("${{AWS::StackName}}-{binary}")}));
        assert_eq!(properties["CodeUri"], ".");
        let group = properties["LoggingConfig"]["LogGroup"]["Ref"].as_str().expect("a function has a log group of its own");
        assert_eq!(template.properties(group)["LogGroupName"], json!({"Fn::Sub": format!("/aws/lambda/${{AWS::StackName}}-{binary}")}));
    }
}

#[test]
fn every_function_machine_and_job_logs_into_a_group_of_the_stack() {
    let template = Template::read();
    let groups: Vec<&Value> =
        template.resources("AWS::Logs::LogGroup").into_iter().map(|(_, group)| &group["Properties"]["LogGroupName"]["Fn::Sub"]).collect();
    let is_ours = |name: &str| groups.iter().any(|group| *group == name);
    for machine in MACHINES {
        let logging = &template.properties(machine.logical_name)["Logging"];
        assert_eq!(logging["Level"], "ALL", "{machine:?}");
        assert!(logging["Destinations"][0]["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"].is_array(), "{machine:?}");
        assert_eq!(template.properties(machine.logical_name)["Tracing"]["Enabled"], json!(true), "{machine:?} is traced");
    }
    for (name, job) in template.resources("AWS::Glue::Job") {
        let prefix = job["Properties"]["DefaultArguments"]["--custom-logGroup-prefix"]["Fn::Sub"].as_str().expect(name);
        assert!(is_ours(&format!("{prefix}/error")) && is_ours(&format!("{prefix}/output")), "{name}: {prefix}");
    }
    for (_, function) in functions(&template) {
        assert_eq!(template.properties(function)["LoggingConfig"]["LogFormat"], "JSON", "{function}");
    }
    assert_eq!(template.section("Globals")["Function"]["Tracing"], "Active", "functions are traced");
}

#[test]
fn every_log_group_forgets() {
    let template = Template::read();
    for (name, group) in template.resources("AWS::Logs::LogGroup") {
        assert!(group["Properties"].get("RetentionInDays").is_some(), "{name}");
    }
}

#[test]
fn a_state_machine_may_do_what_its_states_do() {
    let template = Template::read();
    for machine in MACHINES {
        let allowed = allowed_actions(&template, machine.logical_name);
        let definition = machine.definition();
        for state in asl::states(&definition) {
            let Some(resource) = state.resource() else { continue };
            let (integration, _) = Integration::of(resource).unwrap_or_else(|| panic!("{} calls {resource}", state.name));
            for action in integration.actions {
                assert!(allowed.contains(*action), "{} needs {action}", state.name);
            }
        }
    }
}

#[test]
fn a_state_machine_may_do_nothing_that_no_state_needs() {
    // Beyond the calls themselves: what a query does in its starter's name, and the delivery of logs.
    let for_queries = ["glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:BatchGetPartition"];
    let template = Template::read();
    for machine in MACHINES {
        let definition = machine.definition();
        let states = asl::states(&definition);
        let integrations = states.iter().filter_map(|state| Integration::of(state.resource()?));
        let needed: BTreeSet<&str> = integrations.flat_map(|(integration, _)| integration.actions).copied().chain(for_queries).collect();
        let allowed = allowed_actions(&template, machine.logical_name);
        let beyond: Vec<&str> = allowed
            .iter()
            .map(String::as_str)
            .filter(|action| !needed.contains(action) && !action.starts_with("s3:") && !action.starts_with("logs:"))
            .collect();
        assert_eq!(beyond, Vec::<&str>::new(), "{machine:?}");
    }
}

#[test]
fn the_functions_of_an_approval_may_do_exactly_what_they_do() {
    let template = Template::read();
    let all = [
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "sns:Publish",
        "states:SendTaskSuccess",
        "states:DescribeExecution",
        "secretsmanager:GetSecretValue",
    ];
    let own = [
        ("ApprovalRequestFunction", vec!["s3:GetObject", "s3:ListBucket", "scheduler:CreateSchedule", "iam:PassRole"]),
        ("ApprovalCallbackFunction", vec!["scheduler:DeleteSchedule"]),
        ("ApprovalWatchFunction", vec!["scheduler:DeleteSchedule", "states:SendTaskHeartbeat"]),
    ];
    for (function, own) in own {
        let expected: BTreeSet<String> = all.into_iter().chain(own).map(str::to_owned).collect();
        assert_eq!(function_actions(&template, function), expected, "{function}");
    }
    let check = ["sns:ListSubscriptionsByTopic", "secretsmanager:GetSecretValue"].map(str::to_owned);
    assert_eq!(function_actions(&template, "ApproverCheckFunction"), check.into());
}

#[test]
fn nobody_may_change_or_remove_what_happened() {
    let template = Template::read();
    let audit = json!({"Fn::GetAtt": ["ApprovalsAuditTable", "Arn"]});
    let reached: Vec<_> =
        template.statements().into_iter().filter(|(_, statement)| one_or_many(&statement["Resource"]).any(|arn| *arn == audit)).collect();
    assert_eq!(reached.len(), 1, "one policy reaches the audit");
    for (name, statement) in reached {
        assert_eq!(actions(statement), ["dynamodb:Query", "dynamodb:PutItem"], "{name}");
        assert_eq!(one_or_many(&statement["Resource"]).count(), 1, "{name}");
    }
}

#[test]
fn answers_reach_both_state_machines_and_those_that_are_named() {
    let template = Template::read();
    let arn = |kind: &str, machine: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:{kind}:${{AWS::StackName}}-{machine}")});
    let machines = json!([arn("stateMachine", "night"), arn("stateMachine", "question")]);
    let executions = json!([arn("execution", "night:*"), arn("execution", "question:*")]);
    let others = json!({"Ref": "AskingStateMachineArns"});
    for (action, ours, theirs) in [
        ("states:SendTaskSuccess", &machines, Some(&others)),
        ("states:SendTaskHeartbeat", &machines, Some(&others)),
        ("states:DescribeExecution", &executions, None),
    ] {
        let allowed: Vec<_> = template
            .statements()
            .into_iter()
            .filter(|(name, statement)| *name != "Night" && actions(statement) == [action])
            .map(|(_, one)| &one["Resource"])
            .collect();
        assert_eq!(allowed.len(), 2, "{action}: for ours and for others");
        assert_eq!(allowed[0], ours, "{action}");
        if let Some(theirs) = theirs {
            assert_eq!(allowed[1], theirs, "{action}");
        }
    }
}

#[test]
fn every_job_and_function_of_a_state_is_named_in_the_role() {
    let template = Template::read();
    let resources = |sid: &str| -> Vec<String> {
        let (_, statement) =
            template.statements().into_iter().find(|(name, statement)| *name == "Night" && statement["Sid"] == sid).expect(sid);
        one_or_many(&statement["Resource"]).map(Value::to_string).collect()
    };
    for (job, _) in template.resources("AWS::Glue::Job") {
        assert!(resources("RunJobs").iter().any(|arn| arn.contains(&format!("job/${{{job}}}"))), "{job}");
    }
    for (placeholder, value) in template.substitutions("Night") {
        if placeholder.ends_with("Function") {
            assert!(resources("InvokeFunctions").contains(&value.to_string()), "{placeholder}");
        }
    }
}

#[test]
fn no_role_allows_a_wildcard_of_actions_or_everything_of_a_service() {
    let template = Template::read();
    for (name, statement) in template.statements().into_iter().filter(|(_, statement)| statement["Effect"] == "Allow") {
        for action in actions(statement) {
            assert!(!action.contains('*'), "{name} allows {action}");
        }
        // Log delivery and metrics have no resources that one could name.
        let everything = one_or_many(&statement["Resource"]).any(|resource| resource == "*");
        let excused = actions(statement).iter().all(|action| action.starts_with("logs:") || *action == "cloudwatch:PutMetricData");
        assert!(!everything || excused, "{name}: {statement}");
    }
}

#[test]
fn a_role_is_lent_to_one_service_only() {
    let template = Template::read();
    let lent: Vec<_> = template.statements().into_iter().filter(|(_, statement)| actions(statement).contains(&"iam:PassRole")).collect();
    assert_eq!(lent.len(), 2);
    for (name, statement) in lent {
        assert!(statement["Condition"]["StringEquals"]["iam:PassedToService"].is_string(), "{name}");
        assert!(statement["Resource"]["Fn::GetAtt"].is_array(), "{name}");
    }
}

#[test]
fn nothing_secret_reaches_a_log() {
    let template = Template::read();
    // The payload of whoever asks holds the task token; the path of an approval holds the approver's secret.
    for machine in MACHINES {
        assert_eq!(template.properties(machine.logical_name)["Logging"]["IncludeExecutionData"], json!(false), "{machine:?}");
    }
    let format = template.properties("ApprovalsStage")["AccessLogSettings"]["Format"].as_str().expect("the API has an access log");
    serde_json::from_str::<Value>(format).expect("a line of the access log is JSON");
    let logged: BTreeSet<&str> =
        format.split("$context.").skip(1).map(|rest| rest.split('"').next().expect("split yields one part at least")).collect();
    let harmless = ["requestId", "requestTime", "identity.sourceIp", "routeKey", "status", "responseLatency", "integrationErrorMessage"];
    assert_eq!(logged, BTreeSet::from(harmless));
}

#[test]
fn a_webhook_is_read_from_its_secret_only() {
    let template = Template::read();
    let secret = &template.parameters()["SlackWebhookSecret"];
    let pattern = secret["AllowedPattern"].as_str().expect("it is checked");
    assert!(!pattern.contains(':'), "a URL would pass");
}

#[test]
fn every_bucket_is_private_encrypted_and_reached_over_tls_only() {
    let template = Template::read();
    let buckets = template.resources("AWS::S3::Bucket");
    assert_eq!(buckets.len(), 4);
    let policies = template.resources("AWS::S3::BucketPolicy");
    for (name, bucket) in buckets {
        let properties = &bucket["Properties"];
        let blocked = properties["PublicAccessBlockConfiguration"].as_object().expect(name);
        assert!(blocked.len() == 4 && blocked.values().all(|value| value == true), "{name}");
        assert!(properties["BucketEncryption"].is_object(), "{name}");
        let (_, policy) = policies.iter().find(|(_, policy)| policy["Properties"]["Bucket"]["Ref"] == name).expect(name);
        let statement = &policy["Properties"]["PolicyDocument"]["Statement"][0];
        assert_eq!(
            (&statement["Effect"], &statement["Condition"]),
            (&json!("Deny"), &json!({"Bool": {"aws:SecureTransport": false}})),
            "{name}"
        );
        assert_eq!(one_or_many(&statement["Resource"]).count(), 2, "{name}: the bucket and its objects");
    }
}

#[test]
fn the_approvals_table_forgets_recovers_and_is_encrypted() {
    let template = Template::read();
    let table = template.properties("ApprovalsTable");
    assert_eq!(table["KeySchema"], json!([{"AttributeName": "approval_id", "KeyType": "HASH"}]));
    assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": "expire_after", "Enabled": true}));
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], json!(true));
    assert_eq!(table["SSESpecification"]["SSEEnabled"], json!(true));
}

#[test]
fn the_nights_table_forgets_nothing_and_recovers() {
    let template = Template::read();
    let table = template.properties("NightsTable");
    assert_eq!(table["KeySchema"], json!([{"AttributeName": "run_date", "KeyType": "HASH"}]));
    assert_eq!(table.get("TimeToLiveSpecification"), None);
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], json!(true));
    assert_eq!(table["SSESpecification"]["SSEEnabled"], json!(true));
    assert_eq!(table["DeletionProtectionEnabled"], json!({"Fn::If": ["IsProd", true, false]}));
}

#[test]
fn the_night_asks_only_after_its_own_executions_and_the_jobs_only_mark_its_row() {
    let template = Template::read();
    let of = |owner: &str, sid: &str| {
        let statements = template.statements();
        statements.into_iter().find(|(name, statement)| *name == owner && statement["Sid"] == sid).expect(sid).1.clone()
    };
    let executions = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:${AWS::StackName}-night:*";
    assert_eq!(of("Night", "SeeHowOwnersStand")["Resource"], json!({"Fn::Sub": executions}));
    assert_eq!(of("Night", "SeeBatchApproval")["Resource"], json!({"Fn::Sub": executions.replace("-night:", "-question:")}));
    let table = json!({"Fn::GetAtt": ["NightsTable", "Arn"]});
    let hold = of("JobRole", "HoldClaim");
    assert_eq!((actions(&hold), &hold["Resource"]), (vec!["dynamodb:UpdateItem"], &table));
    assert_eq!(of("Night", "ClaimNight")["Resource"], table);
}

#[test]
fn a_backfill_starts_and_stops_only_nights_and_questions_of_the_stack() {
    let template = Template::read();
    let of = |sid: &str| {
        let statements = template.statements();
        statements.into_iter().find(|(name, statement)| *name == "Backfill" && statement["Sid"] == sid).expect(sid).1.clone()
    };
    assert_eq!(of("StartNightsAndQuestions")["Resource"], json!([{"Ref": "Night"}, {"Ref": "Question"}]));
    let executions = |machine: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:execution:${{AWS::StackName}}-{machine}:*")});
    assert_eq!(of("FollowThem")["Resource"], json!([executions("night"), executions("question")]));
    assert_eq!(of("ReadNights")["Resource"], json!({"Fn::GetAtt": ["NightsTable", "Arn"]}));
    let rule = of("HearOfTheirEnds")["Resource"]["Fn::Sub"].as_str().expect("one rule").to_owned();
    assert!(rule.ends_with(":rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"), "{rule}");
}

#[test]
fn as_many_nights_are_built_at_once_as_their_jobs_may_run() {
    let template = Template::read();
    let at_once = json!({"Ref": "NightsAtOnce"});
    for (name, job) in template.resources("AWS::Glue::Job") {
        assert_eq!(job["Properties"]["ExecutionProperty"]["MaxConcurrentRuns"], at_once, "{name}");
        assert_eq!(job["Properties"]["MaxRetries"], json!(0), "{name}");
    }
    assert_eq!(template.substitutions("Backfill")["NightsAtOnce"], at_once);
}

#[test]
fn an_approver_gets_only_their_own_mail() {
    let template = Template::read();
    let every = &template.section("Resources")["Fn::ForEach::ApproverSubscriptions"];
    assert_eq!(every[1], json!({"Ref": "Approvers"}));
    let subscription = &every[2]["Subscription&{Approver}"]["Properties"];
    assert_eq!(subscription["FilterPolicy"], json!({"approver": [{"Fn::Sub": "${Approver}"}]}));
    assert_eq!(subscription["Endpoint"], json!({"Fn::Sub": "${Approver}"}));
    assert_eq!(subscription["Protocol"], "email");
    let text = every.to_string().replace("ApproverSubscriptions", "DeputySubscriptions");
    let text = text.replace("Approvers", "Deputies").replace("{Approver}", "{Deputy}").replace("\"Approver\"", "\"Deputy\"");
    let mut deputies: Value = serde_json::from_str(&text.replace("Subscription&", "DeputySubscription&")).expect("it is JSON");
    // A list may be empty, and is still gone through once.
    deputies[2]["DeputySubscription&{Deputy}"]["Condition"] = json!("HasDeputies");
    assert_eq!(template.section("Resources")["Fn::ForEach::DeputySubscriptions"], deputies, "a deputy is mailed as an approver is");
}

#[test]
fn the_audit_forgets_nothing_and_recovers() {
    let template = Template::read();
    let table = template.properties("ApprovalsAuditTable");
    let key = json!([{"AttributeName": "approval_id", "KeyType": "HASH"}, {"AttributeName": "sequence", "KeyType": "RANGE"}]);
    assert_eq!(table["KeySchema"], key);
    assert_eq!(table.get("TimeToLiveSpecification"), None);
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], json!(true));
    assert_eq!(table["SSESpecification"]["SSEEnabled"], json!(true));
    assert_eq!(table["DeletionProtectionEnabled"], json!({"Fn::If": ["IsProd", true, false]}));
}

#[test]
fn approvers_are_checked_before_every_night() {
    let template = Template::read();
    let (check, night) = (template.properties("ApproverCheckSchedule"), template.properties("NightlySchedule"));
    let hour = |schedule: &Value| -> u32 {
        let fields: Vec<_> = schedule["ScheduleExpression"].as_str().expect("an expression").split_whitespace().collect();
        assert_eq!((&fields[2..], &schedule["ScheduleExpressionTimezone"]), (&["*", "*", "?", "*)"][..], &json!("UTC")), "daily");
        fields[1].parse().expect("an hour")
    };
    let ahead = (hour(night) + 24 - hour(check)) % 24;
    assert!((6..=12).contains(&ahead), "{ahead} hours are too few to do something, or too many to stay true");
    assert_eq!(check["State"], night["State"]);
    let target = &check["Target"];
    assert_eq!(target["Arn"], json!({"Fn::GetAtt": ["ApproverCheckFunction", "Arn"]}));
    assert!(target["RetryPolicy"]["MaximumRetryAttempts"].as_u64() > Some(0));
    assert_eq!(target["DeadLetterConfig"]["Arn"], json!({"Fn::GetAtt": ["UndeliveredChecks", "Arn"]}));
}

#[test]
fn an_approver_who_cannot_be_reached_raises_an_alarm_and_so_does_silence() {
    let template = Template::read();
    let (unreachable, unchecked) = (template.properties("UnreachableApproversAlarm"), template.properties("UncheckedApproversAlarm"));
    for alarm in [unreachable, unchecked] {
        assert_eq!((&alarm["Namespace"], &alarm["MetricName"]), (&json!("NightlyWarehouse"), &json!("UnreachableApprovers")));
        assert_eq!(alarm["Dimensions"], json!([{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]));
    }
    assert_eq!((&unreachable["ComparisonOperator"], &unreachable["Threshold"]), (&json!("GreaterThanOrEqualToThreshold"), &json!(1)));
    assert_eq!((&unchecked["Statistic"], &unchecked["ComparisonOperator"]), (&json!("SampleCount"), &json!("LessThanThreshold")));
    let silence = unchecked["Period"].as_u64().zip(unchecked["EvaluationPeriods"].as_u64()).map(|(period, periods)| period * periods);
    assert_eq!(silence, Some(36 * 3600), "a day and a half");
    let missing = json!({"Fn::If": ["IsScheduled", "breaching", "notBreaching"]});
    assert_eq!(unchecked["TreatMissingData"], missing, "nobody waits for checks that are switched off");
}

#[test]
fn every_dead_letter_queue_has_an_alarm() {
    let template = Template::read();
    let undelivered = |text: &str| text.strip_prefix("${AWS::StackName}-undelivered-").map(str::to_owned);
    let queues = template.resources("AWS::SQS::Queue").into_iter();
    let queues: BTreeSet<String> =
        queues.filter_map(|(_, queue)| undelivered(queue["Properties"]["QueueName"]["Fn::Sub"].as_str()?)).collect();
    let alarms = &template.section("Resources")["Fn::ForEach::UndeliveredAlarms"];
    let watched: BTreeSet<String> = one_or_many(&alarms[1]).filter_map(Value::as_str).map(str::to_owned).collect();
    assert_eq!(queues, watched);
    let dimension = &alarms[2]["AlarmOfUndelivered${Undelivered}"]["Properties"]["Dimensions"][0];
    assert_eq!(dimension, &json!({"Name": "QueueName", "Value": {"Fn::Sub": "${AWS::StackName}-undelivered-${Undelivered}"}}));
}

#[test]
fn a_page_that_is_waited_for_outlasts_its_function() {
    let template = Template::read();
    let patience = template.properties("ApprovalsIntegration")["TimeoutInMillis"].as_u64().expect("it is limited");
    let limit = template.function_timeout("ApprovalCallbackFunction").expect("it is limited");
    assert!(1000 * limit < patience && patience <= 30_000, "an HTTP API waits for 30 seconds at most");
    let rounds = template.parameters()["ApprovalWatchMinutes"]["MinValue"].as_u64().expect("it is bounded");
    assert!(template.function_timeout("ApprovalWatchFunction") < Some(60 * rounds), "a round ends before the next begins");
}

#[test]
fn the_night_starts_at_one_with_its_scheduled_time() {
    let template = Template::read();
    let schedule = template.properties("NightlySchedule");
    assert_eq!((&schedule["ScheduleExpression"], &schedule["ScheduleExpressionTimezone"]), (&json!("cron(0 1 * * ? *)"), &json!("UTC")));
    let target = &schedule["Target"];
    let input: Value = serde_json::from_str(target["Input"].as_str().expect("the schedule has an input")).expect("the input is JSON");
    assert_eq!(input, json!({"scheduledTime": "<aws.scheduler.scheduled-time>"}));
    assert!(target["RetryPolicy"]["MaximumRetryAttempts"].as_u64() > Some(0) && target["DeadLetterConfig"]["Arn"].is_object());
}

#[test]
fn both_routes_of_an_approval_are_throttled() {
    let template = Template::read();
    let routes: BTreeSet<&str> = template
        .resources("AWS::ApiGatewayV2::Route")
        .into_iter()
        .filter_map(|(_, route)| route["Properties"]["RouteKey"].as_str())
        .collect();
    assert_eq!(routes, BTreeSet::from(["GET /approvals/{id}/{secret}", "POST /approvals/{id}/{secret}"]));
    let limits = &template.properties("ApprovalsStage")["DefaultRouteSettings"];
    assert!(limits["ThrottlingRateLimit"].as_u64() > Some(0) && limits["ThrottlingBurstLimit"].as_u64() > Some(0));
}

#[test]
fn every_bad_end_of_a_night_reaches_the_queue_of_notices() {
    let template = Template::read();
    let rule = template.properties("BadEndings");
    assert_eq!(
        rule["EventPattern"],
        json!({
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"stateMachineArn": [{"Ref": "Night"}], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
        })
    );
    assert_ne!(rule["State"], "DISABLED");
    let target = &rule["Targets"][0];
    let (queue, dead) = (json!({"Fn::GetAtt": ["NoticeQueue", "Arn"]}), json!({"Fn::GetAtt": ["UndeliveredNotices", "Arn"]}));
    assert_eq!((&target["Arn"], &target["DeadLetterConfig"]["Arn"]), (&queue, &dead));
    assert!(target["RetryPolicy"]["MaximumRetryAttempts"].as_u64() > Some(0));
    let access = template.properties("BadEndingsAccess");
    assert_eq!(access["Queues"], json!([{"Ref": "NoticeQueue"}, {"Ref": "UndeliveredNotices"}]));
    let statement = &access["PolicyDocument"]["Statement"][0];
    assert_eq!(statement["Resource"], json!([queue, dead]));
    assert_eq!(
        statement["Condition"],
        json!({"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["BadEndings", "Arn"]}}}),
        "nobody else's rule"
    );
    let datasets = &access["PolicyDocument"]["Statement"][1];
    assert_eq!((&datasets["Principal"], &datasets["Action"]), (&json!({"Service": "events.amazonaws.com"}), &json!("sqs:SendMessage")));
    assert_eq!(datasets["Resource"], json!([queue, dead]));
    let rules = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${AWS::StackName}-dataset-*-bad-endings";
    assert_eq!(datasets["Condition"], json!({"ArnLike": {"aws:SourceArn": {"Fn::Sub": rules}}}), "only the rules of this stack's datasets");
}

#[test]
fn of_topics_and_executions_stakeholder_notify_reaches_those_of_nights_and_datasets_only() {
    let template = Template::read();
    let reached = |action: &str| -> Vec<String> {
        let statements = template.statements().into_iter().filter(|(name, _)| *name == "StakeholderNotifyFunction");
        let with_action = statements.filter(|(_, statement)| actions(statement).contains(&action));
        with_action.flat_map(|(_, statement)| one_or_many(&statement["Resource"]).map(Value::to_string).collect::<Vec<_>>()).collect()
    };
    let of_dataset = |service: &str, kind: &str, rest: &str| {
        json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{kind}${{AWS::StackName}}-dataset-*{rest}")}).to_string()
    };
    assert_eq!(reached("sns:Publish"), [of_dataset("sns", "", ""), json!({"Ref": "StakeholdersTopic"}).to_string()]);
    let night = of_dataset("states", "execution:", ":*").replace("-dataset-*", "-night");
    assert_eq!(reached("states:DescribeExecution"), [night, of_dataset("states", "execution:", ":*")]);
}

#[test]
fn whoever_has_crashed_over_a_notice_is_given_up_before_the_queue_tries_again() {
    let template = Template::read();
    let patience = nightly_domain::nights::PATIENCE.as_secs().unsigned_abs();
    assert!(template.function_timeout("StakeholderNotifyFunction") < Some(patience), "who is still telling is not given up");
    assert!(template.properties("NoticeQueue")["VisibilityTimeout"].as_u64() > Some(patience));
}

#[test]
fn stakeholders_are_all_mailed_and_may_be_nobody() {
    let template = Template::read();
    let every = &template.section("Resources")["Fn::ForEach::StakeholderSubscriptions"];
    assert_eq!(every[1], json!({"Ref": "StakeholderAddresses"}));
    let subscription = &every[2]["StakeholderSubscription&{Stakeholder}"];
    assert_eq!(subscription["Condition"], "HasStakeholders");
    assert_eq!(subscription["Properties"]["TopicArn"], json!({"Ref": "StakeholdersTopic"}));
    assert_eq!(subscription["Properties"].get("FilterPolicy"), None);
}

#[test]
fn stakeholder_notify_may_do_exactly_what_it_does() {
    let template = Template::read();
    let expected = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "states:GetExecutionHistory",
        "states:DescribeExecution",
        "dynamodb:UpdateItem",
        "sns:Publish",
        "secretsmanager:GetSecretValue",
    ];
    assert_eq!(function_actions(&template, "StakeholderNotifyFunction"), expected.map(str::to_owned).into());
}

#[test]
fn the_run_registry_recovers_and_the_notices_are_forgotten() {
    let template = Template::read();
    for (name, key) in [("NightsTable", "run_date"), ("NoticesTable", "notice")] {
        let table = template.properties(name);
        assert_eq!(table["KeySchema"], json!([{"AttributeName": key, "KeyType": "HASH"}]), "{name}");
        assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], json!(true), "{name}");
        assert_eq!(table["SSESpecification"]["SSEEnabled"], json!(true), "{name}");
    }
    assert_eq!(template.properties("NightsTable").get("TimeToLiveSpecification"), None, "a registry forgets nothing");
    let forgets = json!({"AttributeName": "expire_after", "Enabled": true});
    assert_eq!(template.properties("NoticesTable")["TimeToLiveSpecification"], forgets);
}

#[test]
fn a_notice_waits_for_six_timeouts_before_it_is_tried_again() {
    let template = Template::read();
    let queue = template.properties("NoticeQueue");
    assert_eq!(queue["VisibilityTimeout"].as_u64(), template.function_timeout("StakeholderNotifyFunction").map(|seconds| 6 * seconds));
    assert_eq!(queue["RedrivePolicy"]["deadLetterTargetArn"], json!({"Fn::GetAtt": ["UndeliveredNotices", "Arn"]}));
    let event = &template.properties("StakeholderNotifyFunction")["Events"]["DeferredNotice"]["Properties"];
    assert_eq!((&event["Queue"], &event["BatchSize"]), (&json!({"Fn::GetAtt": ["NoticeQueue", "Arn"]}), &json!(1)));
}

#[test]
fn seven_jobs_run_their_own_script_and_leave_retries_to_the_night() {
    let template = Template::read();
    let jobs = template.resources("AWS::Glue::Job");
    assert_eq!(jobs.len(), 7);
    for (name, job) in jobs {
        let properties = &job["Properties"];
        let script = properties["Command"]["ScriptLocation"].as_str().expect(name);
        assert!(project::root().join(script).exists(), "{name}: {script}");
        let folder = script.trim_start_matches("glue/jobs/").trim_end_matches(".py");
        assert_eq!(properties["Name"], json!({"Fn::Sub": format!("${{AWS::StackName}}-{folder}")}));
        assert_eq!((&properties["GlueVersion"], &properties["MaxRetries"]), (&json!("5.1"), &json!(0)), "{name}");
        assert!(properties["Timeout"].is_u64(), "{name}");
    }
}

#[test]
fn the_deployed_rules_are_those_of_the_rules_file() {
    let template = Template::read();
    let deployed = template.properties("Ruleset")["Ruleset"].as_str().expect("the ruleset is text");
    assert_eq!(deployed.trim_end(), project::read("glue/quality/orders_curated.dqdl").trim_end());
    assert_eq!(template.properties("Ruleset")["TargetTable"]["TableName"], json!({"Ref": "StagedTable"}));
}

#[test]
fn the_tables_have_the_columns_that_the_jobs_write() {
    let template = Template::read();
    let catalog: BTreeMap<String, Value> = serde_json::from_str(&project::read("glue/tables.json")).expect("the catalog is JSON");
    assert_eq!(catalog.len(), template.resources("AWS::Glue::Table").len());
    for (name, resource) in template.resources("AWS::Glue::Table") {
        let input = &resource["Properties"]["TableInput"];
        let written = &catalog[input["Name"].as_str().expect(name)];
        assert_eq!(input["StorageDescriptor"]["Columns"], written["columns"], "{name}");
        assert_eq!(input["PartitionKeys"], written["partitionKeys"], "{name}");
    }
}

/// What a function may do: by its own policies, and by the managed ones that it names.
fn function_actions(template: &Template, logical_name: &str) -> BTreeSet<String> {
    let policies = one_or_many(&template.properties(logical_name)["Policies"]);
    let managed = policies.filter_map(|policy| policy["Ref"].as_str().or_else(|| policy["Fn::If"][1]["Ref"].as_str()));
    managed.chain([logical_name]).flat_map(|name| allowed_actions(template, name)).collect()
}

fn allowed_actions(template: &Template, logical_name: &str) -> BTreeSet<String> {
    let own = template.statements().into_iter().filter(|(name, statement)| *name == logical_name && statement["Effect"] == "Allow");
    own.flat_map(|(_, statement)| actions(statement)).map(str::to_owned).collect()
}
