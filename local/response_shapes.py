"""Writes what the services answer, for the local TestState to hold mocked results against: `python -m local.response_shapes`.

The names, types and limits come from the public models of the AWS SDK for Python, in `botocore==1.41.0`: that is how the services
were when TestState learnt to check (November 2025), and limits have grown since. Run it again for another call, or for a later
version where AWS checks by that. The file is kept in the repository, so that nothing else needs this.
"""

import json
from pathlib import Path
from typing import Any

import botocore.loaders

# By the SDK's name of a service: what Step Functions calls it, optimised and as `aws-sdk`, and the calls to know.
SERVICES: dict[str, tuple[list[str], list[str]]] = {
    "athena": (
        ["athena", "aws-sdk:athena"],
        ["StartQueryExecution", "StopQueryExecution", "GetQueryExecution", "GetQueryResults"],
    ),
    "batch": (["batch", "aws-sdk:batch"], ["SubmitJob", "TerminateJob"]),
    "dynamodb": (
        ["dynamodb", "aws-sdk:dynamodb"],
        ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem", "TransactWriteItems"],
    ),
    "ecs": (["ecs", "aws-sdk:ecs"], ["RunTask", "StopTask", "DescribeTasks"]),
    "events": (["events", "aws-sdk:eventbridge"], ["PutEvents", "PutRule", "PutTargets", "DescribeRule", "ListRules"]),
    "glue": (
        ["glue", "aws-sdk:glue"],
        [
            "StartJobRun",
            "GetJobRun",
            "GetJobRuns",
            "BatchStopJobRun",
            "StartCrawler",
            "GetCrawler",
            "GetTable",
            "CreateTable",
            "CreatePartition",
            "GetPartition",
            "GetPartitions",
            "BatchCreatePartition",
            "StartDataQualityRulesetEvaluationRun",
            "GetDataQualityRulesetEvaluationRun",
            "CancelDataQualityRulesetEvaluationRun",
            "GetDataQualityResult",
        ],
    ),
    "kms": (["aws-sdk:kms"], ["Encrypt", "Decrypt", "GenerateDataKey", "DescribeKey", "Sign", "Verify"]),
    "lambda": (["lambda", "aws-sdk:lambda"], ["Invoke", "GetFunction", "GetFunctionConfiguration", "ListFunctions", "PublishVersion"]),
    "logs": (["aws-sdk:cloudwatchlogs"], ["CreateLogStream", "PutLogEvents", "StartQuery", "GetQueryResults", "DescribeLogGroups"]),
    "s3": (
        ["aws-sdk:s3"],
        ["GetObject", "PutObject", "HeadObject", "DeleteObject", "CopyObject", "ListObjectsV2", "ListBuckets", "GetObjectTagging"],
    ),
    "scheduler": (["aws-sdk:scheduler"], ["CreateSchedule", "GetSchedule", "UpdateSchedule", "DeleteSchedule", "ListSchedules"]),
    "secretsmanager": (["aws-sdk:secretsmanager"], ["GetSecretValue", "PutSecretValue", "DescribeSecret"]),
    "sns": (["sns", "aws-sdk:sns"], ["Publish", "PublishBatch", "ListTopics", "Subscribe"]),
    "sqs": (
        ["sqs", "aws-sdk:sqs"],
        ["SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ListQueues"],
    ),
    "ssm": (["aws-sdk:ssm"], ["GetParameter", "GetParameters", "GetParametersByPath", "PutParameter"]),
    "stepfunctions": (
        ["states", "aws-sdk:sfn"],
        ["StartExecution", "StartSyncExecution", "StopExecution", "DescribeExecution", "ListExecutions", "DescribeStateMachine"],
    ),
}

DESTINATION = Path(__file__).parent.parent / "crates/asl/src/test_state/responses.json"


def main() -> None:
    loader = botocore.loaders.Loader()
    services = {}
    for service, (names, calls) in SERVICES.items():
        model = loader.load_service_model(service, "service-2")
        answers = {call: model["operations"][call].get("output", {}).get("shape") for call in calls}
        services[service] = {
            "names": names,
            "calls": {lower(call): f"@{shape}" if shape else {} for call, shape in answers.items()},
            "shapes": described(model["shapes"], [shape for shape in answers.values() if shape]),
        }
    lines = (f"{json.dumps(name)}: {json.dumps(service)}" for name, service in services.items())
    DESTINATION.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def described(shapes: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    """The named shapes and all that they lead to; whatever has no name of its own in an answer stands where it is used."""
    known: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name in known:
            continue
        shape = shapes[name]
        if shape["type"] == "structure":
            required = shape.get("required", [])
            known[name] = {}
            for member, reference in shape["members"].items():
                known[name][upper(member) + ("!" if member in required else "")] = use(shapes, reference["shape"], wanted)
        else:
            known[name] = "one of " + " ".join(shape["enum"])
    return dict(sorted(known.items()))


def use(shapes: dict[str, Any], name: str, wanted: list[str]) -> Any:
    """How a shape is told where it is used; structures and enumerations are told once, under their names."""
    shape = shapes[name]
    match shape["type"]:
        case "structure":
            wanted.append(name)
            return f"@{name}"
        case "list":
            return [use(shapes, shape["member"]["shape"], wanted)]
        case "map":
            return {"*": use(shapes, shape["value"]["shape"], wanted)}
        case "string" if "enum" in shape:
            wanted.append(name)
            return f"@{name}"
        case "string" | "blob" | "character":
            return "string" + limits(shape)
        case "timestamp":
            return "string"
        case "integer" | "long" | "float" | "double":
            return "number" + limits(shape)
        case "boolean":
            return "boolean"
        case other:
            raise ValueError(f"{name} is a {other}")


def limits(shape: dict[str, Any]) -> str:
    if "min" not in shape and "max" not in shape:
        return ""
    return f" {shape.get('min', '')}..{shape.get('max', '')}"


def upper(name: str) -> str:
    """Step Functions writes every field with a capital."""
    return name[0].upper() + name[1:]


def lower(name: str) -> str:
    """Step Functions writes every call without one."""
    return name[0].lower() + name[1:]


if __name__ == "__main__":
    main()
