//! What must hold for the template beyond being accepted by CloudFormation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::asl;
use crate::cloudformation::{Template, actions, one_or_many};
use crate::integrations::Integration;
use crate::project;

#[test]
fn the_definition_has_the_placeholders_that_the_template_fills_and_no_others() {
    let template = Template::read();
    let filled =
        template.state_machine()["DefinitionSubstitutions"].as_object().expect("there are substitutions").keys().cloned().collect();
    assert_eq!(asl::placeholders(), filled);
}

#[test]
fn the_state_machine_is_the_definition_that_is_tested() {
    let template = Template::read();
    assert_eq!(template.state_machine()["DefinitionUri"], "statemachine/nightly-warehouse.asl.json");
    assert_eq!(template.state_machine()["Type"], "STANDARD");
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
    let own = text.lines().filter(|line| line.starts_with('`')).filter_map(|line| line.split_once(':'));
    own.flat_map(|(names, list)| {
        let all: BTreeSet<String> = variables(list).union(&shared).cloned().collect();
        project::code_words(names).into_iter().map(|name| (name.to_owned(), all.clone())).collect::<Vec<_>>()
    })
    .collect()
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
fn every_log_group_forgets() {
    let template = Template::read();
    for (name, group) in template.resources("AWS::Logs::LogGroup") {
        assert!(group["Properties"].get("RetentionInDays").is_some(), "{name}");
    }
}

#[test]
fn the_night_may_do_what_its_states_do() {
    let template = Template::read();
    let allowed = allowed_actions(&template, "Night");
    let definition = asl::definition();
    for state in asl::states(&definition) {
        let Some(resource) = state.resource() else { continue };
        let (integration, _) = Integration::of(resource).unwrap_or_else(|| panic!("{} calls {resource}", state.name));
        for action in integration.actions {
            assert!(allowed.contains(*action), "{} needs {action}", state.name);
        }
    }
}

#[test]
fn the_night_may_do_nothing_that_no_state_needs() {
    // Beyond the calls themselves: what a query does in its starter's name, and the delivery of logs.
    let for_queries = ["glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:BatchGetPartition"];
    let definition = asl::definition();
    let states = asl::states(&definition);
    let integrations = states.iter().filter_map(|state| Integration::of(state.resource()?));
    let needed: BTreeSet<&str> = integrations.flat_map(|(integration, _)| integration.actions).copied().chain(for_queries).collect();
    let template = Template::read();
    let allowed = allowed_actions(&template, "Night");
    let beyond: Vec<&str> = allowed
        .iter()
        .map(String::as_str)
        .filter(|action| !needed.contains(action) && !action.starts_with("s3:") && !action.starts_with("logs:"))
        .collect();
    assert_eq!(beyond, Vec::<&str>::new());
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
    for (placeholder, value) in template.state_machine()["DefinitionSubstitutions"].as_object().expect("there are substitutions") {
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
    // The payload of ManualApproval holds the task token; the path of an approval holds the approver's secret.
    assert_eq!(template.state_machine()["Logging"]["IncludeExecutionData"], json!(false));
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
fn an_approver_gets_only_their_own_mail() {
    let template = Template::read();
    let every = &template.section("Resources")["Fn::ForEach::ApproverSubscriptions"];
    assert_eq!(every[1], json!({"Ref": "Approvers"}));
    let subscription = &every[2]["Subscription&{Approver}"]["Properties"];
    assert_eq!(subscription["FilterPolicy"], json!({"approver": [{"Fn::Sub": "${Approver}"}]}));
    assert_eq!(subscription["Endpoint"], json!({"Fn::Sub": "${Approver}"}));
    assert_eq!(subscription["Protocol"], "email");
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

fn allowed_actions(template: &Template, logical_name: &str) -> BTreeSet<String> {
    let own = template.statements().into_iter().filter(|(name, statement)| *name == logical_name && statement["Effect"] == "Allow");
    own.flat_map(|(_, statement)| actions(statement)).map(str::to_owned).collect()
}
