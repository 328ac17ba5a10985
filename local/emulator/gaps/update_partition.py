"""Glue's UpdatePartition.

AWS ("Partition API"): UpdatePartition replaces what the catalog knows of one partition.

MiniStack 1.5.33 has BatchUpdatePartition only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import glue

from emulator.replacing import replaces

_ACTION = "UpdatePartition"


@replaces("ministack.services.glue:_handle_request_sync", "23d06ad23cad5713")
def handle_request(stock: Callable[..., Any], method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
    """Answer UpdatePartition by a batch of one; all other actions are MiniStack's."""
    if headers.get("x-amz-target", "").rpartition(".")[2] != _ACTION:
        return stock(method, path, headers, body, query)
    request = json.loads(body)
    entry = {"PartitionValueList": request["PartitionValueList"], "PartitionInput": request["PartitionInput"]}
    response = glue._batch_update_partition({**request, "Entries": [entry]})
    for error in json.loads(response[2]).get("Errors", []):
        return error_response_json(error["ErrorDetail"]["ErrorCode"], error["ErrorDetail"]["ErrorMessage"], 400)
    return response
