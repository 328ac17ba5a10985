"""The server as `python -m outside` starts it: on loopback only, gone with whoever started it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

LOCAL = Path(__file__).resolve().parents[2]


def command(inbox: Path) -> list[str]:
    return [sys.executable, "-m", "outside", "--port", "0", "--inbox", str(inbox)]


def test_it_says_where_it_listens_and_logs_each_request(tmp_path: Path) -> None:
    with subprocess.Popen(command(tmp_path), cwd=LOCAL, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        listening = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", server.stdout.readline())
        assert listening
        with urlopen(listening[1] + "/faults", timeout=10) as answer:
            assert answer.status == 200
        assert '"GET /faults HTTP/1.1" 200' in server.stdout.readline()
        server.terminate()
        assert server.wait(10) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process that its parent is gone")
def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent_code = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code, *command(tmp_path)], cwd=LOCAL, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert parent.stdout.readline().startswith("listening on")
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)

    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        # A zombie that nobody has waited for yet has ended all the same.
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
