"""The HTTP server on loopback: which request goes to whom."""

import contextlib
import json
import re
import socket
import threading
import time
from datetime import UTC, date, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from outside import page
from outside.inbox import Inbox
from outside.rates import History, NotFound, Unprocessable
from outside.slack import InvalidPayload, checked_payload
from outside.web_api import WebApi

HOST = "127.0.0.1"
LARGEST_BODY_BYTES = 1 << 20
# How much of a body that nobody wants is still taken from its client, and for how long.
LARGEST_REST_BYTES = 16 << 20
LONGEST_REST_SECONDS = 5.0
# The currency that goes missing: the one that most days need. Where it is the base itself, the other one.
MISSING, MISSING_FROM_ITSELF = "USD", "EUR"


class Faults:
    """What is broken on purpose."""

    NAMES = ("fx-down", "fx-missing-currency", "slack-down")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on = dict.fromkeys(self.NAMES, False)

    def __contains__(self, name: str) -> bool:
        return self.all()[name]

    def all(self) -> dict[str, bool]:
        with self._lock:
            return dict(self._on)

    def switch(self, changes: object) -> None:
        if not isinstance(changes, dict):
            raise ValueError("send an object of names and booleans")
        for name, on in changes.items():
            if name not in self.NAMES or not isinstance(on, bool):
                raise ValueError(f"{name}: {json.dumps(on)} is not one of {', '.join(self.NAMES)} with true or false")
        with self._lock:
            self._on.update(changes)


class RefusedBody(Exception):
    """The request's body is not read; the answer has this status and text."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class OutsideServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, inbox: Path, history: History, run_date: date | None) -> None:
        self.inbox = Inbox(inbox)
        self.slack = WebApi(self.inbox)
        self.history = history
        self.run_date = run_date
        self.faults = Faults()
        super().__init__((HOST, port), Handler)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: OutsideServer
    protocol_version = "HTTP/1.1"
    # A client that sends nothing must not hold a thread for ever.
    timeout = 30

    def finish(self) -> None:
        super().finish()
        let_the_client_finish(self.connection)

    def do_GET(self) -> None:
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            # Nobody reads this body, and it must not be taken for the next request.
            self.close_connection = True
        address = urlsplit(self.path)
        match address.path.split("/")[1:]:
            case [""]:
                self._page()
            case ["v1", day]:
                self._rates(day, {name: values[-1] for name, values in parse_qs(address.query).items()})
            case ["faults"]:
                self._json(HTTPStatus.OK, self.server.faults.all())
            case _:
                self._json(HTTPStatus.NOT_FOUND, {"message": "not found"})

    def do_POST(self) -> None:
        try:
            body = self._body()
        except RefusedBody as refused:
            self.close_connection = True
            self._text(refused.status, refused.text)
            return
        match urlsplit(self.path).path.split("/")[1:]:
            case ["slack", "api", method]:
                self._slack_api(method, body)
            case ["slack", *_]:
                self._slack(body)
            case ["faults"]:
                self._switch(body)
            case _:
                self._json(HTTPStatus.NOT_FOUND, {"message": "not found"})

    def _body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise RefusedBody(HTTPStatus.LENGTH_REQUIRED, "length_required")
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch("[0-9]{1,18}", length):
            raise RefusedBody(HTTPStatus.BAD_REQUEST, "bad_length")
        if int(length) > LARGEST_BODY_BYTES:
            raise RefusedBody(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
        return self.rfile.read(int(length))

    def _page(self) -> None:
        written = page.page(self.server.inbox.newest_first(), self.server.run_date, self.server.history.last, self.server.faults.all())
        headers = {"Content-Security-Policy": page.CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
        self._answer(HTTPStatus.OK, "text/html; charset=utf-8", written.encode(), headers)

    def _rates(self, day: str, query: dict[str, str]) -> None:
        if "fx-down" in self.server.faults:
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, "Service Unavailable")
            return
        try:
            base, symbols = query.get("base") or query.get("from"), query.get("symbols") or query.get("to")
            answer = self.server.history.answer(day, base, symbols, datetime.now(UTC).date())
            if "fx-missing-currency" in self.server.faults:
                answer = answer.without(MISSING_FROM_ITSELF if answer.base == MISSING else MISSING)
        except NotFound:
            self._json(HTTPStatus.NOT_FOUND, {"message": "not found"})
        except Unprocessable as error:
            self._json(HTTPStatus.UNPROCESSABLE_ENTITY, {"message": str(error)})
        else:
            self._answer(HTTPStatus.OK, "application/json; charset=utf-8", answer.as_json().encode())

    def _slack(self, body: bytes) -> None:
        if "slack-down" in self.server.faults:
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, "service_unavailable")
            return
        try:
            checked_payload(body)
        except InvalidPayload as error:
            self._text(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self.server.inbox.keep(body)
            self._text(HTTPStatus.OK, "ok")

    def _slack_api(self, method: str, body: bytes) -> None:
        if "slack-down" in self.server.faults:
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, "service_unavailable")
            return
        content_type = self.headers.get_content_type()
        self._json(HTTPStatus.OK, self.server.slack.answer(method, self.headers.get("Authorization", ""), content_type, body))

    def _switch(self, body: bytes) -> None:
        try:
            self.server.faults.switch(json.loads(body))
        except ValueError as error:
            self._json(HTTPStatus.BAD_REQUEST, {"message": str(error)})
        else:
            self._json(HTTPStatus.OK, self.server.faults.all())

    def _json(self, status: HTTPStatus, value: object) -> None:
        self._answer(status, "application/json; charset=utf-8", json.dumps(value).encode())

    def _text(self, status: HTTPStatus, text: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", text.encode())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "outside"

    def log_message(self, format: str, *arguments: object) -> None:
        print(f"{datetime.now(UTC):%H:%M:%S} {format % arguments}")


def let_the_client_finish(connection: socket.socket) -> None:
    """Reads and throws away what the client still sends, within bounds, before its connection is closed.

    Closing a connection that holds unread bytes resets it, and a client that is still writing then never reads its answer. So HTTP says
    to close the writing side first and to go on reading until the client closes too (RFC 9112, 9.6).
    """
    deadline = time.monotonic() + LONGEST_REST_SECONDS
    rest = LARGEST_REST_BYTES
    # A client that is gone has nothing more to send, and one that has run out of time gets no more.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while rest > 0 and (seconds := deadline - time.monotonic()) > 0:
            connection.settimeout(seconds)
            received = len(connection.recv(1 << 16))
            if received == 0:
                return
            rest -= received
