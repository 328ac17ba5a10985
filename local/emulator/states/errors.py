"""Errors as states raise, retry and catch them (Amazon States Language, "Errors")."""

from __future__ import annotations

TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"

# "States.ALL can't catch the States.DataLimitExceeded terminal error or States.Runtime errors" (Handling errors).
_NOT_IN_ALL = frozenset({"States.DataLimitExceeded", "States.Runtime"})
# "States.TaskFailed matches any known error name except for States.Timeout" (Handling errors).
_NOT_IN_TASK_FAILED = _NOT_IN_ALL | {TIMEOUT, HEARTBEAT_TIMEOUT}


class StatesError(Exception):
    """An error with the name that Retry and Catch match on."""

    def __init__(self, error: str, cause: str = "", *, missed_heartbeat: bool = False) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause
        self._missed_heartbeat = missed_heartbeat

    @classmethod
    def heartbeat_missed(cls) -> StatesError:
        """A missed heartbeat: AWS records States.Timeout for it, and both names catch it."""
        return cls(TIMEOUT, missed_heartbeat=True)

    def is_matched_by(self, names: list[str]) -> bool:
        """Whether an ErrorEquals list takes this error."""
        if self.error in names or (self._missed_heartbeat and HEARTBEAT_TIMEOUT in names):
            return True
        if "States.ALL" in names:
            return self.error not in _NOT_IN_ALL
        return "States.TaskFailed" in names and self.error not in _NOT_IN_TASK_FAILED

    def output(self) -> dict[str, str]:
        """What `$states.errorOutput` holds."""
        return {"Error": self.error, **({"Cause": self.cause} if self.cause else {})}

    def details(self) -> dict[str, str]:
        """The error as an event's details show it."""
        return {"error": self.error, **({"cause": self.cause} if self.cause else {})}


class Halted(BaseException):
    """The state's branch or its execution has been stopped: nothing of it may go on, and nothing may catch this."""
