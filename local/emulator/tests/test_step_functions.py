"""Step Functions is handed over to its own server, whoever asks, and comes back when it dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config

from emulator.tests.conftest import ROLE, Emulator, FakeSparkRunner, Night, client, start_emulator, wait_until
from emulator.tests.stacks import stack

Machine = Callable[..., Night]
Function = Callable[..., str]
PASS = {"Type": "Pass", "End": True}


def definition(**states: Any) -> str:
    """A definition of the given states; the first one starts."""
    return json.dumps({"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states})


def calling(resource: str, arguments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A Task that ends."""
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Arguments": arguments, "End": True, **fields}


def server_of(emulator: Emulator) -> int:
    """The process of the emulator's Step Functions server."""
    children = Path(f"/proc/{emulator.process.pid}/task").glob("*/children")
    for child in " ".join(file.read_text() for file in children).split():
        if Path(f"/proc/{child}/comm").read_text().strip() == "step-functions":
            return int(child)
    raise AssertionError("the emulator has no Step Functions server")


@pytest.fixture
def own(tmp_path: Path, runner: FakeSparkRunner) -> Iterator[Emulator]:
    """An emulator of the test's own."""
    started = start_emulator(tmp_path, runner)
    yield started
    started.process.terminate()
    started.process.wait(10)


def test_an_execution_goes_on_when_its_server_was_killed(own: Emulator) -> None:
    sfn, sqs = own.client("stepfunctions"), own.client("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    ask = calling("sqs:sendMessage.waitForTaskToken", {"QueueUrl": queue, "MessageBody": "{% $states.context.Task.Token %}"})
    arn = sfn.create_state_machine(name="m", definition=definition(Ask=ask), roleArn=ROLE)["stateMachineArn"]
    night = Night(sfn, arn)
    execution = night.start()
    wait_until(lambda: "TaskSubmitted" in night.kinds(execution))
    before = night.events(execution)
    first = server_of(own)
    os.kill(first, signal.SIGKILL)
    # Whoever asks meanwhile waits, and notices nothing.
    assert night.events(execution) == before
    assert server_of(own) != first
    token = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]["Body"]
    sfn.send_task_success(taskToken=token, output='"yes"')
    assert night.end_of(execution)["output"] == "yes"
    assert "the Step Functions server ended (-9); it is started again" in (own.folder / "emulator.log").read_text()


def test_executions_survive_the_end_of_the_emulator(tmp_path: Path, runner: FakeSparkRunner) -> None:
    first = start_emulator(tmp_path, runner)
    sfn = first.client("stepfunctions")
    wait = {"Type": "Wait", "Seconds": 3, "Output": "{% $states.context.Execution.Name %}", "End": True}
    arn = sfn.create_state_machine(name="m", definition=definition(Wait=wait), roleArn=ROLE)["stateMachineArn"]
    execution = Night(sfn, arn).start(name="n")
    first.process.kill()
    first.process.wait()
    second = start_emulator(tmp_path, runner)
    try:
        assert Night(second.client("stepfunctions"), arn).end_of(execution)["output"] == "n"
    finally:
        second.process.terminate()
        second.process.wait(10)


def test_a_server_that_cannot_start_ends_the_emulator_with_one_line(tmp_path: Path) -> None:
    environment = {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PATH": os.environ["PATH"],
        "GATEWAY_PORT": "1",
        "SPARK_RUNNER_URL": "http://127.0.0.1:1",
        "STEP_FUNCTIONS": "/bin/false",
    }
    folders = {name: str(tmp_path / name) for name in ("S3_DATA_DIR", "INBOX_DIR", "LOG_DIR", "EXECUTIONS_DIR")}
    ended = subprocess.run([sys.executable, "-m", "emulator"], env={**environment, **folders}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "emulator: the Step Functions server can't be started: it ended without a word\n"


def test_a_template_makes_changes_and_deletes_a_state_machine(emulator: Emulator, name: str) -> None:
    sfn = emulator.client("stepfunctions")

    def resource(number: int, **others: Any) -> dict[str, Any]:
        properties = {
            "StateMachineName": name,
            "RoleArn": ROLE,
            "DefinitionString": definition(Only={**PASS, "Output": "${Number}"}),
            "DefinitionSubstitutions": {"Number": str(number)},
            **others,
        }
        return {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}

    def own_tags(arn: str) -> list[dict[str, str]]:
        tags = sfn.list_tags_for_resource(resourceArn=arn)["tags"]
        return [tag for tag in tags if not tag["key"].startswith("aws:")]

    outputs = {"Arn": {"Value": {"Ref": "Machine"}}, "Name": {"Value": {"Fn::GetAtt": ["Machine", "Name"]}}}
    tag = {"Key": "team", "Value": "warehouse"}
    with stack(emulator, name, resource(1, Tags=[tag]), Outputs=outputs) as made:
        arn = made.outputs()["Arn"]
        assert made.outputs()["Name"] == name
        night = Night(sfn, arn)
        assert night.run()["output"] == "1"
        assert own_tags(arn) == [{"key": "team", "value": "warehouse"}]
        made.apply(resource(2), Outputs=outputs)
        assert night.run()["output"] == "2"
        assert own_tags(arn) == []
    wait_until(lambda: all(one["stateMachineArn"] != arn for one in sfn.list_state_machines(maxResults=1000)["stateMachines"]))


def test_a_rule_starts_an_execution(emulator: Emulator, machine: Machine, name: str) -> None:
    events = emulator.client("events")
    night = machine({"Only": {**PASS, "Output": "{% $states.input.detail %}"}})
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": night.arn, "RoleArn": ROLE}])
    events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": '{"n": 1}'}])
    (started,) = wait_until(lambda: night.sfn.list_executions(stateMachineArn=night.arn)["executions"])
    assert night.end_of(started["executionArn"])["output"] == {"n": 1}


def test_an_sdk_integration_speaks_the_names_of_the_sdk(emulator: Emulator, machine: Machine, name: str) -> None:
    emulator.client("s3").create_bucket(Bucket=name)
    emulator.client("sqs").create_queue(QueueName=name)
    url = emulator.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    body = {"QueueUrl": url, "MessageBody": "m"}
    put = {"Bucket": name, "Key": "k", "Body": "text"}
    assert "ETag" in machine({"Put": calling("aws-sdk:s3:putObject", put)}).run()["output"]
    read = machine({"Get": calling("aws-sdk:s3:getObject", {"Bucket": name, "Key": "k"})}).run()["output"]
    assert read["Body"] == "text" and read["LastModified"].endswith("Z")
    missing = machine({"Get": calling("aws-sdk:s3:getObject", {"Bucket": name, "Key": "nothing"})}).run()
    assert missing["error"] == "S3.NoSuchKeyException"
    assert "(Service: S3, Status Code: 404, Request ID: " in missing["cause"]
    assert "Md5OfMessageBody" in machine({"Send": calling("aws-sdk:sqs:sendMessage", body)}).run()["output"]
    assert "MD5OfMessageBody" in machine({"Send": calling("sqs:sendMessage", body)}).run()["output"]


@pytest.mark.parametrize(
    ("resource", "error", "service"),
    [
        ("dynamodb:getItem", "DynamoDB.ResourceNotFoundException", "Service: AmazonDynamoDBv2; Status Code: 400; Error Code: "),
        ("aws-sdk:dynamodb:getItem", "DynamoDb.ResourceNotFoundException", "Service: DynamoDb, Status Code: 400, Request ID: "),
    ],
)
def test_errors_are_named_as_the_integration_names_them(machine: Machine, resource: str, error: str, service: str) -> None:
    ended = machine({"Get": calling(resource, {"TableName": "nothing", "Key": {"id": {"S": "a"}}})}).run()
    assert ended["error"] == error
    assert service in ended["cause"]


def test_an_event_that_is_refused_fails_the_task(machine: Machine) -> None:
    entries = {"Entries": [{"Source": "mine", "DetailType": "d", "Detail": {"n": 1}}]}
    assert machine({"Put": calling("events:putEvents", entries)}).run()["output"]["FailedEntryCount"] == 0


def test_a_state_is_tried_with_its_task(machine: Machine, function: Function, emulator: Emulator) -> None:
    state = calling("lambda:invoke", {"FunctionName": function('{"got": event}'), "Payload": {"n": "{% $states.input.n %}"}})
    # TestState has a host of its own on AWS, "sync-…".
    sfn = client("stepfunctions", emulator.endpoint, Config(inject_host_prefix=False))
    tried = sfn.test_state(
        definition=json.dumps({"QueryLanguage": "JSONata", **state, "Output": "{% $states.result.Payload.got %}"}),
        roleArn=ROLE,
        input='{"n": 7}',
    )
    assert (tried["status"], json.loads(tried["output"])) == ("SUCCEEDED", {"n": 7})


def test_a_broken_definition_is_refused(emulator: Emulator, name: str) -> None:
    sfn = emulator.client("stepfunctions")
    broken = definition(Only={"Type": "Pass", "Next": "Nowhere"})
    with pytest.raises(sfn.exceptions.InvalidDefinition):
        sfn.create_state_machine(name=name, definition=broken, roleArn=ROLE)
    assert sfn.validate_state_machine_definition(definition=broken)["result"] == "FAIL"
    with pytest.raises(botocore.exceptions.ClientError, match="UnsupportedOperation"):
        sfn.create_activity(name=name)
