"""Whatever a client sends, it can read its answer, and it holds the server neither long nor with much."""

import socket
import threading
import time
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from outside import server
from outside.tests.conftest import Outside

MEBIBYTE = 1 << 20


def connected(outside: Outside) -> socket.socket:
    address = urlsplit(outside.address)
    return socket.create_connection((address.hostname, address.port), timeout=10)


def received(connection: socket.socket) -> str:
    """Everything that the server sends before it closes its side."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()


def serving() -> bool:
    """Whether any connection still holds a thread of the server."""
    return any("process_request_thread" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize(("method", "status"), [("POST", "413 Request Entity Too Large"), ("PUT", "501 Unsupported method")])
def test_a_client_that_is_still_writing_can_read_its_answer(outside: Outside, method: str, status: str) -> None:
    with connected(outside) as connection:
        # More than fits into the buffers between the two: the client writes until the server has read it.
        connection.sendall(f"{method} /slack/warehouse HTTP/1.1\r\nContent-Length: {12 * MEBIBYTE}\r\n\r\n".encode())
        connection.sendall(b"x" * (12 * MEBIBYTE))
        assert received(connection).startswith(f"HTTP/1.1 {status}")


def test_a_client_that_never_stops_writing_is_cut_off(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LARGEST_REST_BYTES", MEBIBYTE)
    written = 0
    with connected(outside) as connection, pytest.raises(ConnectionError):
        connection.sendall(b"POST /slack/warehouse HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        while written < 256 * MEBIBYTE:
            written += connection.send(b"x" * MEBIBYTE)
    assert written < 32 * MEBIBYTE


def test_a_client_that_stays_silent_is_not_waited_for(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LONGEST_REST_SECONDS", 0.2)
    with connected(outside) as connection:
        connection.sendall(b"POST /slack/warehouse HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n")
        assert received(connection).startswith("HTTP/1.1 413")
        until = time.monotonic() + 3
        while serving() and time.monotonic() < until:
            time.sleep(0.02)
        assert not serving()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Transfer-Encoding: chunked", "411 Length Required"),
        ("Content-Length: -1", "400 Bad Request"),
        ("Content-Length: many", "400 Bad Request"),
        (f"Content-Length: {'9' * 5000}", "400 Bad Request"),
    ],
)
def test_a_body_of_unknown_length_is_not_read(outside: Outside, header: str, status: str) -> None:
    with connected(outside) as connection:
        connection.sendall(f'POST /slack/warehouse HTTP/1.1\r\n{header}\r\n\r\n{{"text": "hello"}}'.encode())
        assert received(connection).startswith(f"HTTP/1.1 {status}")
    assert outside.posts() == []


def test_a_body_that_nobody_reads_is_no_second_request(outside: Outside) -> None:
    inner = b'POST /slack/warehouse HTTP/1.1\r\nContent-Length: 15\r\n\r\n{"text": "sly"}'
    with connected(outside) as connection:
        connection.sendall(b"GET /faults HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(inner), inner))
        answer = received(connection)
    assert answer.count("HTTP/1.1 ") == 1
    assert "Connection: close" in answer
    assert outside.posts() == []


def test_a_connection_serves_more_than_one_request(outside: Outside) -> None:
    body = b'{"text": "hello"}'
    request = b"POST /slack/warehouse HTTP/1.1\r\nContent-Length: %d\r\n%b\r\n%b"
    with connected(outside) as connection:
        connection.sendall(request % (len(body), b"", body) + request % (len(body), b"Connection: close\r\n", body))
        assert received(connection).count("HTTP/1.1 200 OK") == 2
    assert len(outside.posts()) == 2


def test_an_ordinary_answer_is_not_held_up(outside: Outside) -> None:
    began = time.monotonic()
    for _ in range(20):
        with urlopen(Request(outside.address + "/faults"), timeout=10) as answer:
            assert answer.status == 200
    assert time.monotonic() - began < server.LONGEST_REST_SECONDS
