"""The emulator's configuration: read once, from the environment, before MiniStack is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"
HOST = "127.0.0.1"


class InvalidConfiguration(Exception):
    """A variable is missing or cannot be read; the message names it."""


@dataclass(frozen=True)
class Settings:
    """Where the emulator listens, keeps its files and finds Spark and Step Functions."""

    port: int
    objects: Path
    inbox: Path
    logs: Path
    spark_runner: str
    step_functions: Path
    executions: Path
    left_out: frozenset[str]

    @property
    def endpoint(self) -> str:
        """The address that every AWS client and every function uses."""
        return f"http://{HOST}:{self.port}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Parse the environment; raises InvalidConfiguration."""
        port = _required(environment, "GATEWAY_PORT")
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise InvalidConfiguration(f"GATEWAY_PORT is {port!r}, not a port number.")
        runner = _required(environment, "SPARK_RUNNER_URL").rstrip("/")
        if not runner.startswith("http://"):
            raise InvalidConfiguration(f"SPARK_RUNNER_URL is {runner!r}, not an http:// address.")
        return cls(
            port=int(port),
            objects=Path(_required(environment, "S3_DATA_DIR")).resolve(),
            inbox=Path(_required(environment, "INBOX_DIR")).resolve(),
            logs=Path(_required(environment, "LOG_DIR")).resolve(),
            spark_runner=runner,
            step_functions=Path(_required(environment, "STEP_FUNCTIONS")).resolve(),
            executions=Path(_required(environment, "EXECUTIONS_DIR")).resolve(),
            left_out=frozenset(environment.get("EMULATOR_WITHOUT", "").split()),
        )

    def for_ministack(self) -> dict[str, str]:
        """The variables that MiniStack and the functions it starts read themselves."""
        return {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": HOST,
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.objects),
            "AWS_ENDPOINT_URL": self.endpoint,
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "ATHENA_ENGINE": "duckdb",
            "LAMBDA_EXECUTOR": "local",
        }


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise InvalidConfiguration(f"{name} is not set.")
    return value


_current: Settings | None = None


def use(settings: Settings) -> None:
    """Make the parsed settings those of this process."""
    global _current
    _current = settings


def current() -> Settings:
    """The settings that the process was started with."""
    if _current is None:
        raise InvalidConfiguration("The emulator has not been configured.")
    return _current
