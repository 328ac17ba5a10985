"""Step Functions is answered by a server of its own, `crates/step-functions`.

AWS ("Amazon States Language", "Handling errors", "GetExecutionHistory"): every state has Output and Assign; a branch's
variables stay in it; Retry knows MaxDelaySeconds and jitter; a failed branch stops the others and their jobs; the history
shows the states inside branches; an execution times out, is stopped, is redriven; a broken definition is refused; a closed
task token is told from an unknown one.

MiniStack 1.5.33 does none of these. What of it calls its own Step Functions, calls the server: requests, targets of
EventBridge, Pipes and Scheduler, and state machines of templates.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.services.cloudformation import provisioners

from emulator.replacing import replaces
from emulator.step_functions import client
from emulator.step_functions.client import Refused, Response

_Attributes = tuple[str, dict[str, Any]]


@replaces("ministack.services.stepfunctions:handle_request", "efa6e8c4532a9e05")
async def handle_request(
    _stock: Callable[..., Any], _method: str, _path: str, headers: dict[str, str], body: bytes, _query: Mapping[str, Any]
) -> Response:
    """Hand a request on."""
    return await asyncio.to_thread(client.hand_on, headers, body)


@replaces("ministack.services.stepfunctions:_resolve_state_machine_arn", "e054a309ee54fa0f")
def resolve_state_machine(_stock: Callable[[str], str | None], arn: str) -> str | None:
    """The state machine that a target names, if it is there."""
    try:
        return client.call("DescribeStateMachine", {"stateMachineArn": arn})["stateMachineArn"]
    except Refused:
        return None


@replaces("ministack.services.stepfunctions:_start_execution", "9923282fc76c57b9")
def start_execution(_stock: Callable[..., Any], request: dict[str, Any]) -> Response:
    """Start an execution for another service."""
    try:
        return 200, {}, json.dumps(client.call("StartExecution", request)).encode()
    except Refused as refused:
        return 400, {}, json.dumps({"__type": refused.name, "message": refused.message}).encode()


@replaces("ministack.services.cloudformation.provisioners:_sfn_state_machine_create", "d2ffde42cb0e8dbd")
def create_from_template(_stock: Callable[..., Any], logical_id: str, properties: dict[str, Any], stack_name: str) -> _Attributes:
    """Make a template's state machine."""
    name = properties.get("StateMachineName") or provisioners._physical_name(stack_name, logical_id, max_len=80)
    request = {
        "name": name,
        "type": properties.get("StateMachineType", "STANDARD"),
        "tags": provisioners._sfn_tags(properties),
        **_settings(properties),
    }
    arn = _call("CreateStateMachine", request)["stateMachineArn"]
    return arn, _attributes(arn, name)


@replaces("ministack.services.cloudformation.provisioners:_sfn_state_machine_update", "e6b56ee6ad599ebf")
def update_from_template(
    _stock: Callable[..., Any],
    physical_id: str,
    old: dict[str, Any],
    new: dict[str, Any],
    stack_name: str,
    logical_id: str | None = None,
) -> _Attributes:
    """Change it in place; another name makes another state machine."""
    name = new.get("StateMachineName") or provisioners._physical_name(stack_name, logical_id or physical_id, max_len=80)
    current = name if resolve_state_machine(_stock, physical_id) and physical_id.endswith(f":{name}") else None
    if current is None:
        created = create_from_template(_stock, logical_id or physical_id, new, stack_name)
        if created[0] != physical_id:
            provisioners._delete_predecessor(delete_from_template, _stock, physical_id, old)
        return created
    _call("UpdateStateMachine", {"stateMachineArn": physical_id, **_settings(new)})
    tags = {tag["key"]: tag["value"] for tag in provisioners._sfn_tags(new)}
    dropped = [tag["key"] for tag in provisioners._sfn_tags(old) if tag["key"] not in tags]
    if dropped:
        _call("UntagResource", {"resourceArn": physical_id, "tagKeys": dropped})
    if tags:
        _call("TagResource", {"resourceArn": physical_id, "tags": [{"key": key, "value": value} for key, value in tags.items()]})
    return physical_id, _attributes(physical_id, name)


@replaces("ministack.services.cloudformation.provisioners:_sfn_state_machine_delete", "dd5b1b769690fb3e")
def delete_from_template(_stock: Callable[..., Any], physical_id: str, _properties: dict[str, Any]) -> None:
    """Delete it; what runs of it runs to its end."""
    _call("DeleteStateMachine", {"stateMachineArn": physical_id})


def _settings(properties: dict[str, Any]) -> dict[str, Any]:
    settings = {
        "definition": provisioners._sfn_definition(properties),
        "roleArn": properties["RoleArn"],
    }
    for name in ("LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration"):
        if name in properties:
            settings[name[0].lower() + name[1:]] = _as_in_the_api(properties[name])
    return settings


def _attributes(arn: str, name: str) -> dict[str, Any]:
    described = _call("DescribeStateMachine", {"stateMachineArn": arn})
    return {"Arn": arn, "Name": name, "StateMachineRevisionId": described["revisionId"]}


def _call(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return client.call(operation, request)
    except Refused as refused:
        # What CloudFormation shows as the reason of a resource that failed.
        raise ValueError(str(refused)) from refused


def _as_in_the_api(value: Any) -> Any:
    match value:
        case dict():
            return {name[:1].lower() + name[1:]: _as_in_the_api(item) for name, item in value.items()}
        case list():
            return [_as_in_the_api(item) for item in value]
    return value
