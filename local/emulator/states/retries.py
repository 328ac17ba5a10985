"""Retry and Catch ("Handling errors in Step Functions workflows")."""

from __future__ import annotations

import random
from typing import Any

from emulator.states.errors import StatesError


class Retries:
    """Counts one state entry's retries, one count per retrier, as AWS does."""

    def __init__(self, retriers: list[dict[str, Any]]) -> None:
        self._retriers = retriers
        self._used = [0] * len(retriers)

    @property
    def count(self) -> int:
        """`$states.context.State.RetryCount`."""
        return sum(self._used)

    def delay_seconds(self, error: StatesError) -> float | None:
        """How long to wait before the next try, or None when there is none: the first retrier that matches decides."""
        for index, retrier in enumerate(self._retriers):
            if not error.is_matched_by(retrier["ErrorEquals"]):
                continue
            if self._used[index] >= retrier.get("MaxAttempts", 3):
                return None
            delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** self._used[index]
            delay = min(delay, float(retrier.get("MaxDelaySeconds", delay)))
            self._used[index] += 1
            return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay
        return None


def catcher_of(state: dict[str, Any], error: StatesError) -> tuple[int, dict[str, Any]] | None:
    """The first catcher that takes the error, with its index."""
    for index, catcher in enumerate(state.get("Catch", [])):
        if error.is_matched_by(catcher["ErrorEquals"]):
            return index, catcher
    return None
