"""`python -m outside --port P --inbox DIR`: serves until it is ended, or until the process that started it is gone."""

import argparse
import ctypes
import os
import signal
import sys
from datetime import date
from pathlib import Path

from outside.rates import History
from outside.server import OutsideServer

# From linux/prctl.h.
PR_SET_PDEATHSIG = 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="outside", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--inbox", type=Path, required=True, help="folder of mail/*.eml and slack/*.json")
    parser.add_argument("--run-date", type=date.fromisoformat, help="the night whose news the inbox page shows")
    arguments = parser.parse_args()

    end_with_parent()
    # A pipe or a file buffers whole blocks otherwise, and the log is read while the server runs.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with OutsideServer(arguments.port, arguments.inbox, History.published_by_ecb(), arguments.run_date) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        print(f"listening on {server.address}")
        server.serve_forever()


def end_with_parent() -> None:
    """Asks Linux to end this process when its parent ends, however that comes about. Other systems don't know the request."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the parent process ended before this one was ready")


if __name__ == "__main__":
    main()
