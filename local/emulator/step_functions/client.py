"""Calls of the Step Functions server."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region

from emulator.step_functions import process

Response = tuple[int, dict[str, str], bytes]
_TIMEOUT_SECONDS = 60
_PATIENCE_SECONDS = 10
_HANDED_ON = ("x-amz-target", "authorization", "content-type")


class Refused(Exception):
    """The server's error, with the name that AWS gives it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


def hand_on(headers: Mapping[str, str], body: bytes) -> Response:
    """Have the server answer a request. One that is just being started again is waited for."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return _post({name: headers[name] for name in _HANDED_ON if name in headers}, body)
        except ConnectionRefusedError:
            # Nothing was sent, so nothing can happen twice.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def call(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """One operation, for the account and region of the request that is being answered. Raises Refused."""
    scope = f"{get_account_id()}/20260101/{get_region()}/states/aws4_request"
    headers = {
        "x-amz-target": f"AWSStepFunctions.{operation}",
        "content-type": "application/x-amz-json-1.0",
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}",
    }
    status, _headers, body = hand_on(headers, json.dumps(request).encode())
    answer = json.loads(body)
    if status >= 400:
        raise Refused(answer.get("__type", "InternalFailure"), answer.get("message", ""))
    return answer


def _post(headers: Mapping[str, str], body: bytes) -> Response:
    address = urllib.parse.urlsplit(process.current().address)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/", body, dict(headers))
        response = connection.getresponse()
        content_type = response.headers.get("Content-Type", "application/x-amz-json-1.0")
        return response.status, {"Content-Type": content_type}, response.read()
    finally:
        connection.close()
