"""A running world outside, and a client of it."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from outside.rates import History
from outside.server import OutsideServer


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Outside:
    def __init__(self, address: str, inbox: Path) -> None:
        self.address = address
        self.inbox = inbox

    def get(self, path: str) -> Answer:
        return self._ask(Request(self.address + path))

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask(Request(self.address + path, data=sent, headers={"Content-Type": "application/json", **(headers or {})}))

    def posts(self) -> list[Any]:
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((self.inbox / "slack").glob("*.json"))]

    def _ask(self, request: Request) -> Answer:
        try:
            with urlopen(request, timeout=10) as response:
                return Answer(response.status, response.read().decode(), dict(response.headers))
        except HTTPError as refused:
            return Answer(refused.code, refused.read().decode(), dict(refused.headers))


@pytest.fixture(scope="session")
def history() -> History:
    return History.published_by_ecb()


@pytest.fixture
def outside(tmp_path: Path, history: History) -> Iterator[Outside]:
    with OutsideServer(0, tmp_path, history, date(2026, 10, 29)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Outside(server.address, tmp_path)
        server.shutdown()
        thread.join()
