"""The calls of tasks: made on MiniStack by botocore, and answered as Step Functions answers them.

AWS: an optimized integration goes by the SDK for Java 1, an SDK integration by the SDK for Java 2. Their names differ:
`DynamoDB.AmazonDynamoDBException` and `DynamoDb.DynamoDbException`, `MD5OfMessageBody` and `Md5OfMessageBody`; the first
kind shows the response's headers beside its body, and instants as milliseconds.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.model import Shape

from emulator import settings

# Longer than any function may run.
_READ_SECONDS = 1_000
_CONNECTIONS = 256
# What Step Functions calls a service where botocore calls it otherwise.
_BOTOCORE_NAMES = {"cloudwatchlogs": "logs", "eventbridge": "events", "rdsdata": "rds-data", "sfn": "stepfunctions"}
# The answers of these show no headers.
_WITHOUT_METADATA = ("events",)
_session = botocore.session.get_session()
_clients: dict[tuple[str, str, str], Any] = {}
_creating = threading.Lock()


@dataclass(frozen=True)
class Call:
    """A call that a task makes."""

    region: str
    account: str
    integration: str
    service: str
    action: str
    parameters: Mapping[str, Any]

    @property
    def is_optimized(self) -> bool:
        """Whether the SDK for Java 1 would make it."""
        return self.integration == "optimized"


class CallFailed(Exception):
    """The call failed, with the error and the cause that the task fails with."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


def perform(call: Call) -> Any:
    """The result that the task gets. Raises CallFailed."""
    client = _client(call)
    operation = _operation(client, call)
    model = client.meta.service_model.operation_model(operation)
    method = getattr(client, client.meta.method_to_api_mapping_reversed[operation])
    parameters = _request(call.parameters, model.input_shape) if model.input_shape else {}
    try:
        answer = method(**parameters)
    except botocore.exceptions.ClientError as problem:
        raise _failure(call, client, problem.response) from problem
    except botocore.exceptions.ParamValidationError as problem:
        # The service itself would say so.
        response = {"Error": {"Code": "ValidationException", "Message": str(problem).replace("\n", " ")}}
        raise _failure(call, client, response) from problem
    except botocore.exceptions.BotoCoreError as problem:
        raise CallFailed(f"{_names(call, client).prefix}.SdkClientException", str(problem)) from problem
    metadata = answer.pop("ResponseMetadata", {})
    result = _answer(answer, model.output_shape, call) if model.output_shape else {}
    if call.is_optimized and call.service not in _WITHOUT_METADATA:
        result.update(_metadata(metadata))
    return result


# Clients and operations.


def _client(call: Call) -> Any:
    name = _BOTOCORE_NAMES.get(call.service, call.service)
    if name not in _session.get_available_services():
        raise CallFailed("States.Runtime", f"There is no service named {call.service}.")
    key = (name, call.region, call.account)
    # A session makes one client at a time.
    with _creating:
        if key not in _clients:
            client = _session.create_client(
                name,
                region_name=call.region,
                endpoint_url=settings.current().endpoint,
                # An access key of twelve digits is MiniStack's account.
                aws_access_key_id=call.account,
                aws_secret_access_key="local",
                config=Config(
                    read_timeout=_READ_SECONDS,
                    # Step Functions has retriers of its own.
                    retries={"total_max_attempts": 1},
                    max_pool_connections=_CONNECTIONS,
                    s3={"addressing_style": "path"},
                ),
            )
            mapping = client.meta.method_to_api_mapping
            client.meta.method_to_api_mapping_reversed = {operation: method for method, operation in mapping.items()}
            _clients[key] = client
        return _clients[key]


def _operation(client: Any, call: Call) -> str:
    known = client.meta.service_model.operation_names
    operation = next((name for name in known if name.lower() == call.action.lower()), None)
    if operation is None:
        raise CallFailed("States.Runtime", f"{call.service} has no action {call.action}.")
    return operation


# Parameters, as the service's model has them.


def _request(value: Any, shape: Shape) -> Any:
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            members = {_sdk_name(name): name for name in shape.members} | {_upper_first(name): name for name in shape.members}
            members |= {name: name for name in shape.members}
            found = {members.get(name, name): item for name, item in value.items()}
            return {name: _request(item, shape.members[name]) if name in shape.members else item for name, item in found.items()}
        case "list" if isinstance(value, list):
            return [_request(item, shape.member) for item in value]
        case "map" if isinstance(value, Mapping):
            return {name: _request(item, shape.value) for name, item in value.items()}
        case "string" if isinstance(value, (int, float)) and not isinstance(value, bool):
            return repr(value)
        case "integer" | "long" if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            return int(value)
        case "integer" | "long" if isinstance(value, float) and value.is_integer():
            return int(value)
        case "blob" if isinstance(value, str):
            return value.encode()
    return value


# Answers, as Step Functions has them.


def _answer(value: Any, shape: Shape, call: Call) -> Any:
    name_of = _upper_first if call.is_optimized else _sdk_name
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            return {name_of(name): _answer(item, shape.members[name], call) for name, item in value.items() if name in shape.members}
        case "list" if isinstance(value, list):
            return [_answer(item, shape.member, call) for item in value]
        case "map" if isinstance(value, Mapping):
            return {name: _answer(item, shape.value, call) for name, item in value.items()}
        case "timestamp" if isinstance(value, datetime):
            return round(value.timestamp() * 1000) if call.is_optimized else _instant(value)
        case "blob" if isinstance(value, bytes):
            return value.decode(errors="replace")
        case "blob" if hasattr(value, "read"):
            return value.read().decode(errors="replace")
    return value


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    headers = metadata.get("HTTPHeaders", {})
    request_id = metadata.get("RequestId") or str(uuid.uuid4())
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": dict(headers),
            "HttpStatusCode": metadata.get("HTTPStatusCode", 200),
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }


# Errors.


@dataclass(frozen=True)
class _Names:
    """What stands before the dot of an error, what in its cause, and what an error is called that the service's model doesn't have."""

    prefix: str
    service: str
    otherwise: str


_OPTIMIZED = {
    "athena": _Names("Athena", "AmazonAthena", "AmazonAthenaException"),
    "dynamodb": _Names("DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException"),
    "events": _Names("EventBridge", "AmazonEventBridge", "AmazonEventBridgeException"),
    "glue": _Names("Glue", "AWSGlue", "AWSGlueException"),
    "lambda": _Names("Lambda", "AWSLambda", "AWSLambdaException"),
    "sns": _Names("SNS", "AmazonSNS", "AmazonSNSException"),
    "sqs": _Names("SQS", "AmazonSQS", "AmazonSQSException"),
}


def _names(call: Call, client: Any) -> _Names:
    if call.is_optimized:
        return _OPTIMIZED[call.service]
    words = str(client.meta.service_model.service_id).split()
    prefix = "".join(re.sub("[A-Z]+", lambda capitals: capitals[0].capitalize(), word) for word in words)
    return _Names(prefix, prefix, f"{prefix}Exception")


def _failure(call: Call, client: Any, response: Mapping[str, Any]) -> CallFailed:
    names = _names(call, client)
    error = response.get("Error", {})
    code, message = error.get("Code", ""), error.get("Message", "")
    metadata = response.get("ResponseMetadata", {})
    status, request_id = metadata.get("HTTPStatusCode", 400), metadata.get("RequestId") or str(uuid.uuid4())
    modelled = {shape.error_code or shape.name: shape.name for shape in client.meta.service_model.error_shapes}
    known = modelled.get(code) or next((name for name in modelled.values() if name == code), None)
    exception = _exception(known) if known else names.otherwise
    if call.is_optimized:
        where = f"(Service: {names.service}; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; Proxy: null)"
    else:
        where = f"(Service: {names.service}, Status Code: {status}, Request ID: {request_id})"
    return CallFailed(f"{names.prefix}.{exception}", f"{message} {where}")


def _exception(name: str) -> str:
    for ending in ("Fault", "Error"):
        name = name.removesuffix(ending) + "Exception" if name.endswith(ending) else name
    return name if name.endswith("Exception") else f"{name}Exception"


# Names.


def _sdk_name(name: str) -> str:
    """A member as the SDK for Java 2 spells it: of capitals at its beginning only those stay that begin a word."""
    if name == "NULL":
        return "Nul"
    capitals = re.match(r"[A-Z]+", name)
    length = capitals.end() if capitals else 0
    if length < 2:
        return _upper_first(name)
    if length < len(name) and name[length].islower():
        length -= 1
    return _upper_first(name[:length].lower() + name[length:])


def _upper_first(name: str) -> str:
    return name[:1].upper() + name[1:]
