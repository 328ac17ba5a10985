"""What a function writes goes, as it comes, into a file of its own: `<LOG_DIR>/functions/<name>.log`.

AWS keeps a log group per function in CloudWatch Logs ("Sending Lambda function logs to CloudWatch Logs"), and takes the
metrics out of its lines ("Specification: Embedded metric format").

MiniStack 1.5.33 has the log groups too, but fills them after the invocation only, and they end with the process. It
reads no metrics in them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from emulator import embedded_metrics, settings
from emulator.replacing import replaces


@replaces("ministack.core.lambda_runtime:ProvidedWorker._pump_output", "0ee89e67e92686b1")
def pump_output(stock: Callable[..., None], worker: Any, stream: BinaryIO, lines: Any) -> None:
    """Hand the lines on to MiniStack and their metrics to CloudWatch, and write them down."""
    folder = settings.current().logs / "functions"
    folder.mkdir(parents=True, exist_ok=True)
    with _Copying(stream, folder / f"{worker.func_name}.log", worker.config["FunctionArn"]) as copying:
        stock(worker, copying, lines)


class _Copying:
    """A stream whose lines are also appended to a file."""

    def __init__(self, stream: BinaryIO, path: Path, function_arn: str) -> None:
        self._stream = stream
        self._function_arn = function_arn
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
            embedded_metrics.store(line, self._function_arn)
        return line

    def close(self) -> None:
        self._stream.close()
