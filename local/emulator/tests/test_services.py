"""What the template relies on and MiniStack has, and how the emulator itself starts and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from emulator.settings import InvalidConfiguration, Settings
from emulator.tests.conftest import ROLE, Emulator, FakeSparkRunner, Night, answers, client, start_emulator, wait_until
from emulator.tests.stacks import stack

Function = Callable[..., str]
Machine = Callable[..., Night]


def log_of(emulator: Emulator, function: str) -> Path:
    """A function's log file."""
    return emulator.folder / "logs" / "functions" / f"{function}.log"


def arn_of(emulator: Emulator, function: str) -> str:
    """A function's ARN."""
    return emulator.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]


def test_a_function_logs_into_a_file_while_it_works(emulator: Emulator, function: Function) -> None:
    slow = function("(print('half', 'way', flush=True), time.sleep(3), {})[2]")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(emulator.client("lambda").invoke, FunctionName=slow, Payload=b'{"n": 1}')
        wait_until(lambda: log_of(emulator, slow).exists() and "half way" in log_of(emulator, slow).read_text())
        assert not answer.done()
        assert 'event {"n": 1}' in log_of(emulator, slow).read_text()


def test_a_function_runs_several_times_at_once_and_finds_the_emulator(emulator: Emulator, function: Function) -> None:
    slow = function("(time.sleep(1), {'pid': os.getpid(), 'endpoint': os.environ['AWS_ENDPOINT_URL']})[1]")
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        replies = list(pool.map(lambda _: emulator.client("lambda").invoke(FunctionName=slow), range(3)))
    assert time.monotonic() - began < 2.9
    answers_given = [json.load(reply["Payload"]) for reply in replies]
    assert len({answer["pid"] for answer in answers_given}) == 3
    assert {answer["endpoint"] for answer in answers_given} == {emulator.endpoint}


def http_api(emulator: Emulator, function: str, **stage: Any) -> dict[str, Any]:
    """An HTTP API whose two routes hand on to a function, as the template has it."""
    target = {"Fn::Sub": "integrations/${Integration}"}
    return {
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": function, "ProtocolType": "HTTP"}},
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": arn_of(emulator, function),
                "PayloadFormatVersion": "2.0",
            },
        },
        **{
            f"Route{method}": {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {"ApiId": {"Ref": "Api"}, "RouteKey": f"{method} /approvals/{{id}}/{{secret}}", "Target": target},
            }
            for method in ("GET", "POST")
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True, **stage},
        },
    }


API_URL = {"Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}, "Id": {"Value": {"Ref": "Api"}}}


def test_an_http_api_hands_requests_to_a_function_at_an_address_that_can_be_opened(
    emulator: Emulator, function: Function, name: str
) -> None:
    shown = function("{'statusCode': 200, 'headers': {'content-type': 'text/html'}, 'body': json.dumps(event)}")
    resources = http_api(emulator, shown, DefaultRouteSettings={"ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10})
    with stack(emulator, name, resources, Outputs=API_URL) as made:
        url = made.outputs()["Url"]
        assert url.startswith(f"{emulator.endpoint}/_aws/execute-api/")
        with urllib.request.urlopen(f"{url}/approvals/one/two?x=1") as response:
            assert response.headers["content-type"] == "text/html"
            event = json.load(response)
        assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/approvals/one/two", "x=1")
        assert event["pathParameters"] == {"id": "one", "secret": "two"}
        assert event["requestContext"]["http"]["method"] == "GET"
        posted = urllib.request.Request(f"{url}/approvals/one/two", b"decision=approve", method="POST")
        with urllib.request.urlopen(posted) as response:
            assert json.load(response)["requestContext"]["http"]["method"] == "POST"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/elsewhere")


def status_of(url: str, body: bytes | None = None) -> int:
    """How a request was answered; a throttled one's text is checked on the way."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body)) as response:
            return response.status
    except urllib.error.HTTPError as refused:
        if refused.code == 429:
            assert (refused.headers["content-type"], refused.read()) == ("application/json", b'{"message":"Too Many Requests"}')
        return refused.code


def test_a_route_takes_no_more_requests_than_its_stage_allows(emulator: Emulator, function: Function, name: str) -> None:
    limits = {
        # So slow that nothing is refilled while the test runs.
        "DefaultRouteSettings": {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 3},
        "RouteSettings": {"POST /approvals/{id}/{secret}": {"ThrottlingRateLimit": 2, "ThrottlingBurstLimit": 1}},
    }
    counted = function("{'statusCode': 200, 'body': 'in'}")
    with stack(emulator, name, http_api(emulator, counted, **limits), Outputs=API_URL) as made:
        url = f"{made.outputs()['Url']}/approvals/one/two"
        (described,) = emulator.client("apigatewayv2").get_stages(ApiId=made.outputs()["Id"])["Items"]
        assert described["DefaultRouteSettings"] == {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 3}

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(lambda _: status_of(url), range(8))) == [200] * 3 + [429] * 5
        assert log_of(emulator, counted).read_text().count("event ") == 3, "a throttled request reaches nobody"
        assert status_of(f"{made.outputs()['Url']}/elsewhere") == 404

        # The other route has limits and a bucket of its own, which fills up again: more get through than ever would by the default.
        for _ in range(5):
            wait_until(lambda: status_of(url, b"decision=approve") == 200)
        assert status_of(url) == 429


def test_a_person_and_their_mail_scanner_get_through_the_templates_throttle(emulator: Emulator, function: Function, name: str) -> None:
    shown = function("{'statusCode': 200, 'body': 'in'}")
    limits = {"ThrottlingRateLimit": 10, "ThrottlingBurstLimit": 20}
    with stack(emulator, name, http_api(emulator, shown, DefaultRouteSettings=limits), Outputs=API_URL) as made:
        url = f"{made.outputs()['Url']}/approvals/one/two"
        assert [status_of(url) for _ in range(20)] == [200] * 20
        assert status_of(url, b"decision=approve") == 200


def test_a_stage_without_limits_takes_what_comes(emulator: Emulator, function: Function, name: str) -> None:
    shown = function("{'statusCode': 200, 'body': 'in'}")
    with stack(emulator, name, http_api(emulator, shown), Outputs=API_URL) as made:
        url = f"{made.outputs()['Url']}/approvals/one/two"
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: status_of(url), range(60))) == {200}


def test_a_queue_calls_a_function_and_keeps_what_it_could_not_handle(emulator: Emulator, function: Function, name: str) -> None:
    taken = function("fail('SlackUnavailable', 'down') if 'bad' in event['Records'][0]['body'] else {'batchItemFailures': []}")
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, "VisibilityTimeout": 1}}
    mapping = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
            "FunctionName": taken,
            "BatchSize": 1,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
    }
    sqs = emulator.client("sqs")
    with stack(emulator, name, {"Queue": queue, "Mapping": mapping}):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody='{"n": "good"}')
        sqs.send_message(QueueUrl=url, MessageBody='{"n": "bad"}')
        wait_until(lambda: log_of(emulator, taken).exists() and log_of(emulator, taken).read_text().count("bad") >= 2, 30)
        assert log_of(emulator, taken).read_text().count("good") == 1


def test_a_conditional_write_tells_the_loser_who_won(emulator: Emulator, name: str) -> None:
    table = emulator.client("dynamodb")
    key = {"approval_id": {"S": "a"}}
    make_table(table, name)
    table.put_item(TableName=name, Item={**key, "status": {"S": "APPROVED"}})
    with pytest.raises(table.exceptions.ConditionalCheckFailedException) as lost:
        table.update_item(
            TableName=name,
            Key=key,
            UpdateExpression="SET #status = :rejected",
            ConditionExpression="#status = :pending",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":rejected": {"S": "REJECTED"}, ":pending": {"S": "PENDING"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert lost.value.response["Item"]["status"] == {"S": "APPROVED"}


def make_table(dynamodb: Any, name: str) -> None:
    """The table of approvals."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "approval_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "approval_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_a_state_machine_settles_with_a_record(emulator: Emulator, machine: Machine, name: str) -> None:
    dynamodb = emulator.client("dynamodb")
    make_table(dynamodb, name)
    dynamodb.put_item(
        TableName=name, Item={"approval_id": {"S": "won"}, "status": {"S": "APPROVED"}, "verdict": {"S": '{"decision": "APPROVED"}'}}
    )
    dynamodb.put_item(TableName=name, Item={"approval_id": {"S": "open"}, "status": {"S": "PENDING"}})
    key = {"approval_id": {"S": "{% $states.input.id %}"}}
    expire = {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:updateItem",
        "Arguments": {
            "TableName": name,
            "Key": key,
            "UpdateExpression": "SET #status = :expired",
            "ConditionExpression": "#status = :pending",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":expired": {"S": "EXPIRED"}, ":pending": {"S": "PENDING"}},
        },
        "Catch": [{"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "Output": "{% $states.input %}", "Next": "Read"}],
        "Output": "expired",
        "End": True,
    }
    read = {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:getItem",
        "Arguments": {"TableName": name, "Key": key, "ConsistentRead": True},
        "Output": "{% $exists($states.result.Item.verdict) ? $parse($states.result.Item.verdict.S).decision : 'NONE' %}",
        "End": True,
    }
    night = machine({"Expire": expire, "Read": read})
    assert night.run({"id": "won"})["output"] == "APPROVED"
    assert night.run({"id": "open"})["output"] == "expired"
    assert night.run({"id": "open"})["output"] == "NONE"


def test_a_state_machine_registers_a_partition_once(emulator: Emulator, machine: Machine, name: str) -> None:
    glue = emulator.client("glue")
    glue.create_database(DatabaseInput={"Name": name})
    glue.create_table(DatabaseName=name, TableInput={"Name": "staged", "PartitionKeys": [{"Name": "run_id", "Type": "string"}]})
    register = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:glue:createPartition",
        "Arguments": {
            "DatabaseName": name,
            "TableName": "staged",
            "PartitionInput": {
                "Values": ["{% $states.input.id %}"],
                "StorageDescriptor": {"Location": "s3://w/x/", "SerdeInfo": {"SerializationLibrary": "parquet"}},
            },
        },
        "Catch": [{"ErrorEquals": ["Glue.AlreadyExistsException"], "Output": "again", "Next": "End"}],
        "Output": "first",
        "Next": "End",
    }
    night = machine({"Register": register, "End": {"Type": "Succeed"}})
    assert [night.run({"id": "a"})["output"] for _ in range(2)] == ["first", "again"]
    (partition,) = glue.get_partitions(DatabaseName=name, TableName="staged")["Partitions"]
    assert (partition["Values"], partition["StorageDescriptor"]["Location"]) == (["a"], "s3://w/x/")


def test_a_state_machine_sends_a_message_as_json(emulator: Emulator, machine: Machine, name: str) -> None:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arguments = {"QueueUrl": url, "MessageBody": "{% $states.input %}"}
    send = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Arguments": arguments, "End": True}
    assert machine({"Send": send}).run({"outcome": "PUBLISHED"})["status"] == "SUCCEEDED"
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"]) == {"outcome": "PUBLISHED"}


def test_a_function_at_its_limit_is_throttled_by_name(emulator: Emulator, machine: Machine, function: Function) -> None:
    closed = function("{}")
    emulator.client("lambda").put_function_concurrency(FunctionName=closed, ReservedConcurrentExecutions=0)
    arguments = {"FunctionName": closed, "Payload": {}}
    call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments, "End": True}
    assert machine({"Call": call}).run()["error"] == "Lambda.TooManyRequestsException"


def test_a_secret_can_be_read(emulator: Emulator, name: str) -> None:
    secrets = emulator.client("secretsmanager")
    secrets.create_secret(Name=name, SecretString="https://hooks.example.com/T/B/x")
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "https://hooks.example.com/T/B/x"
    with pytest.raises(botocore.exceptions.ClientError, match="ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=f"{name}-missing")


def test_it_listens_on_this_machine_only(emulator: Emulator) -> None:
    listening = [line.split() for line in Path(f"/proc/{emulator.process.pid}/net/tcp").read_text().splitlines()[1:]]
    addresses = {
        local.split(":")[0] for _, local, _, state, *_ in listening if state == "0A" and int(local.split(":")[1], 16) == emulator.port
    }
    assert addresses == {"0100007F"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_everything_it_started(tmp_path: Path, runner: FakeSparkRunner, number: int, function: Function) -> None:
    assert function
    started = start_emulator(tmp_path, runner)
    child = _busy_function(started)
    began = time.monotonic()
    started.process.send_signal(number)
    assert started.process.wait(5) == 0
    assert time.monotonic() - began < 2
    wait_until(lambda: not _is_alive(child), 2)


def test_it_ends_when_the_process_that_started_it_does(tmp_path: Path, runner: FakeSparkRunner) -> None:
    parent = (sys.executable, "-c", "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)")
    started = start_emulator(tmp_path, runner, wrapped_in=parent)
    child = _busy_function(started)
    os.kill(started.process.pid, signal.SIGKILL)
    started.process.wait()
    wait_until(lambda: not answers(started.port), 2)
    wait_until(lambda: not _is_alive(child), 2)


def _busy_function(emulator: Emulator) -> int:
    """The process of a function that works and works."""
    from emulator.tests.conftest import _BOOTSTRAP, _zip

    lambda_client = client("lambda", emulator.endpoint)
    code = _zip(_BOOTSTRAP.replace("HANDLER", "(print('pid', os.getpid(), flush=True), time.sleep(60))"))
    lambda_client.create_function(
        FunctionName="busy", Runtime="provided.al2023", Handler="bootstrap", Role=ROLE, Code={"ZipFile": code}, Timeout=60
    )
    lambda_client.invoke(FunctionName="busy", InvocationType="Event")
    log = log_of(emulator, "busy")
    line = wait_until(lambda: log.exists() and [text for text in log.read_text().splitlines() if text.startswith("pid")])
    return int(line[0].split()[1])


def _is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


WHOLE_ENVIRONMENT = {
    "GATEWAY_PORT": "1",
    "S3_DATA_DIR": "/x",
    "INBOX_DIR": "/x",
    "LOG_DIR": "/x",
    "SPARK_RUNNER_URL": "http://127.0.0.1:1",
    "STEP_FUNCTIONS": "/x",
    "EXECUTIONS_DIR": "/x",
}


@pytest.mark.parametrize("missing", sorted(WHOLE_ENVIRONMENT))
def test_a_missing_variable_is_named(missing: str) -> None:
    whole = WHOLE_ENVIRONMENT
    assert Settings.from_environment(whole).port == 1
    with pytest.raises(InvalidConfiguration, match=missing):
        Settings.from_environment({key: value for key, value in whole.items() if key != missing})


def test_a_bad_configuration_ends_it_with_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "emulator"],
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "GATEWAY_PORT": "http"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (2, "emulator: GATEWAY_PORT is 'http', not a port number.\n")
