"""Starts the local AWS on 127.0.0.1 and ends it, with everything it started."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time

from emulator import settings
from emulator.settings import HOST, InvalidConfiguration, Settings
from emulator.step_functions import process

_PARENT_LOOK_SECONDS = 0.3
# MiniStack's KMS warns of a package that only its own signing would need.
_SILENT = ("kms",)


def main() -> int:
    """Run until SIGTERM, SIGINT, or the end of the process that started this one."""
    try:
        configured = Settings.from_environment(os.environ)
    except InvalidConfiguration as problem:
        print(f"emulator: {problem}", file=sys.stderr)
        return 2
    settings.use(configured)
    # MiniStack reads its environment when it is imported, and hands it on to the functions that it starts.
    os.environ.update(configured.for_ministack())
    logging.basicConfig(
        stream=sys.stdout,
        level=os.environ.get("LOG_LEVEL", "WARNING").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for folder in (configured.objects, configured.inbox, configured.logs, configured.executions):
        folder.mkdir(parents=True, exist_ok=True)
    _end_with_parent(os.getppid())
    try:
        process.use(process.Server(configured.step_functions, configured.executions, configured.endpoint))
    except (process.NotStarted, OSError) as problem:
        print(f"emulator: the Step Functions server can't be started: {problem}", file=sys.stderr)
        return 1
    try:
        asyncio.run(_serve(configured))
    finally:
        _end_children()
    # Threads of unfinished executions and requests must not keep the process.
    os._exit(0)


async def _serve(configured: Settings) -> None:
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.ERROR)
    # Imported here, after the environment has been set.
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    from emulator.filling import fill
    from emulator.step_functions.bridge import with_bridge

    fill(configured.left_out)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    config = Config()
    config.bind = [f"{HOST}:{configured.port}"]
    config.loglevel = "ERROR"
    config.graceful_timeout = 0.3
    config.shutdown_timeout = 0.5
    config.keep_alive_timeout = 75
    print(f"Local AWS at {configured.endpoint}", flush=True)
    await serve(with_bridge(app), config, shutdown_trigger=ended.wait)


def _end_with_parent(parent: int) -> None:
    """End when the parent process does.

    Linux's PR_SET_PDEATHSIG fires when the *thread* that started us ends, which for a parent with a pool of threads is
    long before the process; so we look.
    """

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, daemon=True, name="parent").start()


def _end_children() -> None:
    """End the functions and the Step Functions server at once: what they do is recorded elsewhere, so nothing is lost."""
    import shutil

    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    process.end()
    for workers in list(lambda_runtime._workers.values()):
        for worker in workers:
            if worker._proc is not None and worker._proc.poll() is None:
                worker._proc.kill()
    shutil.rmtree(lambda_svc._PROVIDED_CODE_CACHE, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
