"""The two addresses of the emulator at which the Step Functions server asks for what is MiniStack's.

POST /_local/call           {region, account, integration, service, action, parameters} → {result} | {error, cause}
POST /_local/status-change  {region, account, resource, detail} → {}
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from emulator.step_functions.calls import Call, CallFailed, perform

logger = logging.getLogger("emulator.step_functions")
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]
# A call lasts as long as what it calls: each has a thread of its own, so that none waits for another.
_calls = ThreadPoolExecutor(max_workers=512, thread_name_prefix="task")


def with_bridge(app: _App) -> _App:
    """The application, with the two addresses."""

    async def bridged(scope: _Message, receive: _Receive, send: _Send) -> None:
        work = _ADDRESSES.get(scope.get("path", "")) if scope["type"] == "http" else None
        if work is None:
            await app(scope, receive, send)
            return
        request = json.loads(await _body(receive))
        try:
            status, answer = 200, await asyncio.get_running_loop().run_in_executor(_calls, work, request)
        except Exception as problem:  # A fault of the emulator must fail the task, not hang it.
            logger.exception("%s failed inside the emulator", scope["path"])
            status, answer = 500, {"message": str(problem)}
        text = json.dumps(answer, ensure_ascii=False).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    return bridged


async def _body(receive: _Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _call(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": perform(Call(**request))}
    except CallFailed as failure:
        return {"error": failure.error, "cause": failure.cause}


def _status_change(request: dict[str, Any]) -> dict[str, Any]:
    # Imported here: MiniStack reads its environment when it is imported.
    from ministack.core.responses import request_scope
    from ministack.services import eventbridge

    entry = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(request["detail"]),
        "Resources": [request["resource"]],
    }
    with request_scope(request["account"], request["region"]):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    return {}


_ADDRESSES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "/_local/call": _call,
    "/_local/status-change": _status_change,
}
