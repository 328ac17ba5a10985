"""Starts the server, starts it again where it dies, and ends it with the emulator."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_START_SECONDS = 30
_PAUSE_SECONDS = 0.2
_SAYS_WHERE = "Step Functions at "


class NotStarted(Exception):
    """The server ended before it answered; the message is its own last line."""


class Server:
    """The server of a data folder, at whatever address it listens at the moment."""

    def __init__(self, program: Path, data: Path, aws: str) -> None:
        self._command = [str(program), "--data", str(data), "--aws", aws]
        self._ended = False
        self._process, self.address = self._start()
        threading.Thread(target=self._watch, daemon=True, name="step-functions").start()

    @property
    def process(self) -> int:
        """The process that serves at the moment."""
        return self._process.pid

    def end(self) -> None:
        """End it for good."""
        self._ended = True
        self._process.kill()
        self._process.wait()

    def _start(self) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines: queue.Queue[str] = queue.Queue()
        last_words: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_pass_on, args=(process.stderr, last_words), daemon=True).start()
        threading.Thread(target=_pass_on, args=(process.stdout, lines), daemon=True).start()
        try:
            said = lines.get(timeout=_START_SECONDS)
        except queue.Empty:
            said = ""
        if not said.startswith(_SAYS_WHERE):
            process.kill()
            process.wait()
            raise NotStarted(_last(last_words) or "it ended without a word")
        return process, said.removeprefix(_SAYS_WHERE).strip()

    def _watch(self) -> None:
        while True:
            status = self._process.wait()
            # Whoever asks the emulator to end may well ask its whole process group.
            if self._ended or status in (-signal.SIGTERM, -signal.SIGINT):
                return
            print(f"emulator: the Step Functions server ended ({status}); it is started again", file=sys.stderr, flush=True)
            time.sleep(_PAUSE_SECONDS)
            try:
                self._process, self.address = self._start()
            except (NotStarted, OSError) as problem:
                print(f"emulator: the Step Functions server can't be started again: {problem}", file=sys.stderr, flush=True)
                return


def _pass_on(stream: object, lines: queue.Queue[str]) -> None:
    """Keep the pipe empty, and let what the server says be read in the emulator's log."""
    for line in stream:  # type: ignore[attr-defined]
        lines.put(line)
        if not line.startswith(_SAYS_WHERE):
            print(line, end="", file=sys.stderr, flush=True)
    lines.put("")


def _last(lines: queue.Queue[str]) -> str:
    said = ""
    while line := lines.get():
        said = line.strip()
    return said


_current: Server | None = None


def use(server: Server) -> None:
    """Make it the server of this process."""
    global _current
    _current = server


def current() -> Server:
    """The server that was started."""
    if _current is None:
        raise NotStarted("The Step Functions server has not been started.")
    return _current


def end() -> None:
    """End the server, if one was started."""
    if _current is not None:
        _current.end()
