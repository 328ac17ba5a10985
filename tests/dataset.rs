//! The template of a dataset: what `dataset.yaml` makes, the datasets that there are, and the four ways to start a build.

use std::collections::BTreeSet;

use dataset_check::{Declaration, Request};
use serde_json::{Value, json};

use crate::asl::{DATASET, Scope, choose, state, states};
use crate::cloudformation::{Template, actions};
use crate::integrations::Integration;
use crate::project;

fn template() -> Template {
    Template::of_file("dataset.yaml")
}

/// The parameters of each dataset of the stack, by its logical name.
fn datasets() -> Vec<(String, Value)> {
    let stack = Template::read();
    let nested = stack.resources("AWS::CloudFormation::Stack");
    nested.into_iter().map(|(name, resource)| (name.to_owned(), resource["Properties"]["Parameters"].clone())).collect()
}

fn event(name: &str) -> Value {
    serde_json::from_str(&project::read(&format!("events/{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_definition_has_the_placeholders_that_the_template_fills_and_no_others() {
    let template = template();
    let properties = template.properties(DATASET.logical_name);
    let filled: BTreeSet<String> = template.substitutions(DATASET.logical_name).keys().cloned().collect();
    assert_eq!(DATASET.placeholders(), filled);
    assert_eq!(properties["DefinitionS3Location"], DATASET.file);
    assert_eq!((&properties["StateMachineType"], &properties["LoggingConfiguration"]["Level"]), (&json!("STANDARD"), &json!("ALL")));
}

#[test]
fn a_build_may_do_what_its_states_do_and_nothing_that_none_needs() {
    let template = template();
    let definition = DATASET.definition();
    let all = states(&definition);
    let needed: BTreeSet<&str> = all
        .iter()
        .filter_map(|state| Integration::of(state.resource()?))
        .flat_map(|(integration, _)| integration.actions)
        .copied()
        .collect();
    let allowed: BTreeSet<&str> =
        template.statements().into_iter().filter(|(name, _)| *name == "BuildRole").flat_map(|(_, statement)| actions(statement)).collect();
    let missing: Vec<_> = needed.difference(&allowed).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Beyond the calls themselves: what a query does in its starter's name, the delivery of logs and traces, and how the role comes about.
    let for_queries = ["glue:GetDatabase", "glue:GetTable", "glue:GetPartition", "glue:GetPartitions", "glue:BatchGetPartition"];
    let excused =
        |action: &str| for_queries.contains(&action) || ["s3:", "logs:", "sts:", "xray:"].iter().any(|prefix| action.starts_with(prefix));
    let beyond: Vec<_> = allowed.difference(&needed).filter(|action| !excused(action)).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

#[test]
fn no_role_of_a_dataset_reaches_another_dataset_or_everything() {
    for (name, statement) in template().statements().into_iter().filter(|(_, statement)| statement["Effect"] == "Allow") {
        let takes_no_resource =
            |action: &&str| action.starts_with("logs:") || action.starts_with("xray:") || **action == *"cloudwatch:PutMetricData";
        let excused = actions(statement).iter().all(takes_no_resource);
        assert!(excused || statement["Resource"] != "*", "{name}: {statement}");
        for action in actions(statement) {
            assert!(!action.contains('*'), "{name} allows {action}");
            let writes =
                ["s3:Put", "s3:Delete", "glue:Create", "glue:Update", "glue:Delete"].iter().any(|prefix| action.starts_with(prefix));
            let named = statement["Resource"].to_string();
            let shared = ["catalog", "athena/*", "database/${Database}"];
            assert!(!writes || named.contains("${Name}") || shared.iter().any(|part| named.contains(part)), "{name}: {statement}");
        }
    }
}

#[test]
fn every_dataset_is_the_same_template_with_a_declaration_that_holds_together() {
    let (template, datasets) = (template(), datasets());
    assert!(datasets.len() >= 2, "a second dataset shows that nothing is copied");
    let stack = Template::read();
    for (logical_name, parameters) in &datasets {
        assert_eq!(stack.properties(logical_name)["TemplateURL"], "dataset.yaml");
        for name in parameters.as_object().expect("they are an object").keys() {
            assert!(template.parameters().contains_key(name), "{logical_name} says {name}");
        }
        for (name, parameter) in template.parameters() {
            assert!(parameter.get("Default").is_some() || parameters.get(name).is_some(), "{logical_name} lacks {name}");
        }
        let declared = json!({
            "columns": parameters["Columns"],
            "keyColumns": parameters["KeyColumns"],
            "partitionColumn": parameters["PartitionColumn"],
            "orderingColumn": parameters["OrderingColumn"],
        });
        serde_json::from_value::<Declaration>(declared).unwrap_or_else(|error| panic!("{logical_name}: {error}"));
        let name = parameters["Name"].as_str().expect("a dataset has a name");
        assert_eq!(parameters["RawPrefix"], format!("datasets/{name}/"));
    }
    let names: BTreeSet<String> = datasets.iter().map(|(_, parameters)| parameters["Name"].to_string()).collect();
    assert_eq!(names.len(), datasets.len(), "each has a name of its own");
}

#[test]
fn every_parameter_is_explained_grouped_and_refuses_what_it_cannot_mean() {
    let template = template();
    let groups = template.section("Metadata")["AWS::CloudFormation::Interface"]["ParameterGroups"].to_string();
    for (name, parameter) in template.parameters() {
        assert!(groups.contains(&format!("\"{name}\"")), "{name} stands in no group");
        assert!(parameter["Description"].as_str().is_some_and(|text| text.ends_with('.')), "{name} has no description");
        let bounded = parameter.get("MinValue").is_some() && parameter.get("MaxValue").is_some();
        let checked = parameter.get("AllowedValues").is_some()
            || (parameter.get("AllowedPattern").is_some() && parameter.get("ConstraintDescription").is_some());
        assert!(if parameter["Type"] == "Number" { bounded } else { checked }, "{name} takes anything");
    }
}

#[test]
fn jobs_and_the_check_give_up_before_their_states_do_and_leave_retries_to_them() {
    let (template, definition) = (template(), DATASET.definition());
    for (task, job, script) in [("IngestRaw", "IngestRawJob", "ingest-raw"), ("BuildCurated", "BuildCuratedJob", "build-curated")] {
        let properties = template.properties(job);
        assert!(
            properties["Timeout"].as_u64().expect("a job is limited") * 60
                < state(&definition, task).fields["TimeoutSeconds"].as_u64().expect("a task is limited")
        );
        assert_eq!((&properties["MaxRetries"], &properties["GlueVersion"]), (&json!(0), &json!("5.1")));
        // Two at once could write one partition.
        assert_eq!(properties["ExecutionProperty"]["MaxConcurrentRuns"], 1);
        assert_eq!(properties["Command"]["ScriptLocation"], format!("glue/jobs/{script}.py"));
        // So another date's build waits until the job is free, through more than one whole run of it.
        let patience = &state(&definition, task).fields["Retry"][0];
        assert_eq!(patience["ErrorEquals"], json!(["Glue.ConcurrentRunsExceededException"]));
        let number = |name: &str| patience[name].as_f64().expect("it is a number");
        // Full jitter takes half of each interval on average.
        let seconds = number("MaxDelaySeconds") * number("MaxAttempts") / 2.0;
        assert!(seconds > 2.0 * 60.0 * properties["Timeout"].as_f64().expect("a job is limited"), "{seconds}");
    }
    let check = state(&definition, "CheckSource").fields["TimeoutSeconds"].as_u64();
    assert!(Template::read().function_timeout("DatasetCheckFunction") < check);
}

#[test]
fn the_check_takes_what_the_definition_sends() {
    let payload = &state(&DATASET.definition(), "CheckSource").fields["Arguments"]["Payload"].clone();
    let sample = event("dataset-check");
    let keys = |value: &Value| value.as_object().expect("it is an object").keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(payload), keys(&sample));
    serde_json::from_value::<Request>(sample).expect("dataset-check takes it");
}

#[test]
fn the_notice_of_a_build_is_what_the_notifier_takes() {
    let definition = DATASET.definition();
    let notice = &state(&definition, "CountAgrees").fields["Choices"][0]["Assign"]["notice"];
    let keys = |value: &Value| value.as_object().expect("it is an object").keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(notice), keys(&event("stakeholder-notify-dataset")));
    let (tell, later) = (state(&definition, "TellBuilt"), state(&definition, "DeferNotice"));
    assert_eq!(tell.fields["Arguments"]["Payload"], "{% $notice %}");
    assert_eq!(later.fields["Arguments"]["MessageBody"], "{% $string($notice) %}", "the queue gets the same");
    let tell = tell.fields["TimeoutSeconds"].as_u64();
    assert!(Template::read().function_timeout("StakeholderNotifyFunction") < tell);
}

#[test]
fn every_bad_end_of_a_build_reaches_the_queue_of_notices_as_it_is() {
    let template = template();
    let rule = template.properties("BadEndings");
    assert_eq!(rule["Name"], json!({"Fn::Sub": "${Stack}-dataset-${Name}-bad-endings"}), "the queue takes what rules of this name send");
    assert_eq!(
        rule["EventPattern"]["detail"],
        json!({"stateMachineArn": [{"Ref": DATASET.logical_name}], "status": ["FAILED", "TIMED_OUT", "ABORTED"]})
    );
    let target = &rule["Targets"][0];
    assert_eq!(
        (&target["Arn"], &target["DeadLetterConfig"]["Arn"]),
        (&json!({"Ref": "NoticeQueueArn"}), &json!({"Ref": "UndeliveredNoticesArn"}))
    );
    assert_eq!((target.get("InputTransformer"), target.get("InputPath")), (None, None));
    for (logical_name, parameters) in datasets() {
        for (name, queue) in [("NoticeQueueArn", "NoticeQueue"), ("UndeliveredNoticesArn", "UndeliveredNotices")] {
            assert_eq!(parameters[name], json!({"Fn::GetAtt": [queue, "Arn"]}), "{logical_name}");
        }
    }
}

#[test]
fn whoever_is_told_is_on_a_topic_called_as_the_state_machine() {
    let template = template();
    assert_eq!(template.properties("Notices")["TopicName"], template.properties(DATASET.logical_name)["StateMachineName"]);
    assert_eq!(template.properties("NoticesSubscription")["TopicArn"], json!({"Ref": "Notices"}));
}

#[test]
fn four_ways_to_start_build_the_same_date() {
    let arrived = transformed(&event("dataset-arrival"));
    let ways = [
        ("schedule", event("scheduler"), Value::Null, "schedule", "CheckSource"),
        ("arrival", arrived.clone(), arrived["source"].clone(), "arrival", "WaitForParts"),
        ("by hand", event("dataset-by-hand"), Value::Null, "a.berg@nordvik.example", "CheckSource"),
        (
            "from an application",
            event("dataset-from-application"),
            event("dataset-from-application")["source"].clone(),
            "arn:aws:states:eu-central-1:111122223333:execution:shop-export:2026-11-20",
            "CheckSource",
        ),
    ];
    let definition = DATASET.deployed(&[]);
    for (way, input, source, starter, next) in ways {
        let context = json!({"Execution": {"Name": "build-1", "StartTime": "2026-11-21T01:00:03.123Z"}});
        let mut scope = Scope::new(json!({"input": input, "context": context}));
        scope.assign(&state(&definition, "ResolveInput").fields["Assign"]).expect(way);
        assert_eq!(choose(state(&definition, "CheckFlags"), &mut scope).expect(way), next, "{way}");
        assert_eq!(scope.variables["processDate"], "2026-11-20", "{way}");
        assert_eq!((&scope.variables["source"], scope.variables["startedBy"].as_str()), (&source, Some(starter)), "{way}");
    }
}

#[test]
fn what_is_no_date_is_left_for_the_check_to_refuse() {
    let definition = DATASET.deployed(&[]);
    let date = |input: Value| {
        let context = json!({"Execution": {"Name": "build-1", "StartTime": "2026-03-01T00:30:00Z"}});
        let mut scope = Scope::new(json!({"input": input, "context": context}));
        scope.assign(&state(&definition, "ResolveInput").fields["Assign"]).expect("it resolves");
        scope.variables["processDate"].clone()
    };
    assert_eq!(date(json!({})), "2026-02-28");
    assert_eq!(date(json!({"processDate": 20_261_120})), "20261120");
    assert_eq!(date(json!({"scheduledTime": "noon"})), "the day before noon");
    assert_eq!(date(json!({"source": "s3://raw/datasets/orders/process_date=today/a.csv"})), "today");
    assert_eq!(date(json!({"source": "s3://raw/other.csv"})), "2026-02-28");
}

#[test]
fn an_arrival_is_of_this_bucket_this_dataset_and_a_file_of_its_suffix() {
    let template = template();
    let detail = &template.properties("Arrival")["EventPattern"]["detail"];
    assert_eq!(detail["bucket"], json!({"name": [{"Ref": "RawBucket"}]}));
    assert_eq!(detail["object"], json!({"key": [{"wildcard": {"Fn::Sub": "${RawPrefix}process_date=*${ArrivalSuffix}"}}]}));
    let stack = Template::read();
    let notified = &stack.properties("RawBucket")["NotificationConfiguration"];
    assert_eq!(notified["EventBridgeConfiguration"]["EventBridgeEnabled"], true, "the bucket tells EventBridge");
}

/// What the arrival's rule makes of an event.
fn transformed(event: &Value) -> Value {
    let template = template();
    let transformer = &template.properties("Arrival")["Targets"][0]["InputTransformer"];
    let mut text = transformer["InputTemplate"].as_str().expect("there is a template").to_owned();
    for (name, path) in transformer["InputPathsMap"].as_object().expect("there are paths") {
        let pointer = path.as_str().expect("a path is text").replace('$', "").replace('.', "/");
        let value = event.pointer(&pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("the event has no {pointer}"));
        text = text.replace(&format!("<{name}>"), value);
    }
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn the_same_files_are_built_once_and_every_claim_has_a_condition() {
    let definition = DATASET.definition();
    for claim in ["ClaimDate", "TakeOverDate", "RecordBuilt"] {
        assert!(state(&definition, claim).fields["Arguments"]["ConditionExpression"].is_string(), "{claim}");
    }
    assert_eq!(state(&definition, "ReadClaim").fields["Arguments"]["ConsistentRead"], true);
    let stands = state(&definition, "ClaimStands");
    let here = json!({"context": {"Execution": {"Id": "me"}}});
    let next = |owner: &str, status: &str, digest: &str, running: &str, built: bool, force: bool| {
        let mut scope = Scope::new(here.clone())
            .with("force", json!(force))
            .with("digest", json!("d1"))
            .with("claimed", json!({"owner": owner, "status": status, "digest": digest, "claim": 1}))
            .with("owner", json!({"status": running, "built": built}));
        choose(stands, &mut scope).expect("it decides")
    };
    assert_eq!(next("other", "BUILT", "d1", "SUCCEEDED", true, false), "AlreadyBuilt");
    assert_eq!(next("other", "RUNNING", "d1", "SUCCEEDED", true, false), "AlreadyBuilt", "its own end says so");
    assert_eq!(next("other", "RUNNING", "d1", "RUNNING", false, false), "AlreadyBuilt", "it builds these very files");
    assert_eq!(next("other", "RUNNING", "d0", "RUNNING", false, false), "WaitForOwner", "it builds other files");
    assert_eq!(next("other", "RUNNING", "d1", "RUNNING", false, true), "WaitForOwner", "nothing takes a date from who builds it");
    assert_eq!(next("other", "BUILT", "d0", "SUCCEEDED", true, false), "TakeOverDate", "these files are new");
    assert_eq!(next("other", "BUILT", "d1", "SUCCEEDED", true, true), "TakeOverDate", "somebody wants it again");
    assert_eq!(next("other", "RUNNING", "d1", "FAILED", false, false), "TakeOverDate");
    assert_eq!(next("other", "RUNNING", "d1", "GONE", false, false), "TakeOverDate");
    assert_eq!(next("me", "RUNNING", "d1", "RUNNING", false, false), "TakeOverDate");
}
