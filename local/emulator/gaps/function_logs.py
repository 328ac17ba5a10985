"""What a function writes goes, as it comes, into a file of its own: `<LOG_DIR>/functions/<name>.log`.

AWS keeps a log group per function in CloudWatch Logs ("Sending Lambda function logs to CloudWatch Logs").

MiniStack 1.5.33 has the log groups too, but fills them after the invocation only, and they end with the process.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from emulator import settings
from emulator.replacing import replaces


@replaces("ministack.core.lambda_runtime:ProvidedWorker._pump_output", "0ee89e67e92686b1")
def pump_output(stock: Callable[..., None], worker: Any, stream: BinaryIO, lines: Any) -> None:
    """Hand the lines on to MiniStack, and write them down."""
    folder = settings.current().logs / "functions"
    folder.mkdir(parents=True, exist_ok=True)
    with _Copying(stream, folder / f"{worker.func_name}.log") as copying:
        stock(worker, copying, lines)


class _Copying:
    """A stream whose lines are also appended to a file."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream = stream
        # Several environments of one function write the same file: each line is one append.
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> _Copying:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()

    def readline(self) -> bytes:
        line = self._stream.readline()
        if line:
            self._file.write(line)
        return line

    def close(self) -> None:
        self._stream.close()
