"""The status event of an execution that timed out or was aborted carries its error and cause, and may be redriven.

AWS ("Automating Step Functions event delivery with EventBridge"): every status change of a Standard execution is an
event; FAILED, TIMED_OUT and ABORTED executions are redrivable.

MiniStack 1.5.33 fills `error` and `cause` for FAILED only and calls only FAILED redrivable.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.services import eventbridge, stepfunctions

from emulator.replacing import replaces


@replaces("ministack.services.stepfunctions:_emit_execution_status_event", "9c89e45693e353eb")
def emit_status_event(stock: Callable[[dict[str, Any]], None], record: dict[str, Any]) -> None:
    """Publish "Step Functions Execution Status Change" for a timed out or aborted execution; MiniStack does the others."""
    status = record["status"]
    if status not in ("TIMED_OUT", "ABORTED") or record.get("sync"):
        stock(record)
        return
    detail = {
        **{key: record[key] for key in ("executionArn", "stateMachineArn", "name", "status", "input")},
        "startDate": stepfunctions._iso_to_epoch_ms(record["startDate"]),
        "stopDate": stepfunctions._iso_to_epoch_ms(record["stopDate"]),
        "inputDetails": {"included": True},
        "output": None,
        "outputDetails": None,
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "REDRIVABLE",
        "redriveStatusReason": None,
        "error": record.get("error"),
        "cause": record.get("cause"),
    }
    entry = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(detail),
        "Resources": [record["executionArn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
