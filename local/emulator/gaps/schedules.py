"""EventBridge Scheduler fires when its schedules say, in their time zone, with the context attributes filled in.

AWS ("Schedule types", "Adding context attributes"): a rate starts at its StartDate, or at once where there is none; cron
and at() are read in ScheduleExpressionTimezone; nothing fires after EndDate; ActionAfterCompletion DELETE removes a
schedule after its last invocation; `<aws.scheduler.scheduled-time>` and the like are replaced in the Input; a target may
be any API call (`arn:aws:scheduler:::aws-sdk:…`).

MiniStack 1.5.33 looks every ten seconds, lets a rate wait for its first interval, reads every expression as UTC, sends
the attributes as they are written, sends an EventBridge event where there is no Input, knows no universal targets, and
drops time zone, dates and ActionAfterCompletion of a schedule from a template. It has no retries and no dead letters,
and neither has this.
"""

from __future__ import annotations

import contextvars
import json
import logging
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge, scheduler

from emulator.replacing import replaces
from emulator.step_functions.calls import Call, perform

logger = logging.getLogger("emulator.scheduler")
_LOOK_SECONDS = 0.5
_ATTRIBUTE = re.compile(r"<aws\.scheduler\.([a-z-]+)>")
_UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
_last_fired: dict[tuple[Any, ...], datetime] = {}


def set_up() -> None:
    """Look for due schedules twice a second."""
    scheduler._SCHEDULE_TICK_INTERVAL = _LOOK_SECONDS


@replaces("ministack.services.scheduler:_tick_schedules", "0ece514e91205b1d")
def fire_due_schedules(_stock: Callable[[], None]) -> None:
    """Invoke the target of every schedule that is due."""
    now = datetime.now(UTC)
    for key, record in list(scheduler._schedules._data.items()):
        occurrence_key = (key, record["CreationDate"], record["ScheduleExpression"])
        try:
            schedule = Schedule.of(record)
            due = schedule.next_after(_last_fired.get(occurrence_key)) if record["State"] == "ENABLED" else None
        except (ValueError, KeyError) as problem:
            logger.warning("The schedule %s cannot be read: %s", key[-1], problem)
            continue
        if due is not None and due <= now and not schedule.is_over(due):
            _last_fired[occurrence_key] = due
            account, region, _name = key
            with request_scope(account, region):
                _invoke(record, due)
        if schedule.is_completed(_last_fired.get(occurrence_key), now) and record["ActionAfterCompletion"] == "DELETE":
            scheduler._schedules._data.pop(key, None)


@dataclass(frozen=True)
class Schedule:
    """When a schedule fires."""

    expression: str
    zone: ZoneInfo
    start: datetime
    end: datetime | None

    @classmethod
    def of(cls, record: dict[str, Any]) -> Schedule:
        """Read MiniStack's record. Raises ValueError."""
        start = scheduler._to_epoch(record.get("StartDate"))
        end = scheduler._to_epoch(record.get("EndDate"))
        created = float(record["CreationDate"])
        return cls(
            expression=record["ScheduleExpression"].strip(),
            zone=ZoneInfo(record.get("ScheduleExpressionTimezone") or "UTC"),
            start=datetime.fromtimestamp(max(created, start or created), UTC),
            end=datetime.fromtimestamp(end, UTC) if end else None,
        )

    @property
    def is_one_time(self) -> bool:
        """Whether it fires once only; such a schedule heeds neither StartDate nor EndDate."""
        return self.expression.startswith("at(")

    def next_after(self, last: datetime | None) -> datetime | None:
        """The occurrence after the last one, or the first; None when there is none."""
        if self.is_one_time:
            moment = datetime.fromisoformat(self.expression[3:-1].strip()).replace(tzinfo=self.zone)
            return moment.astimezone(UTC) if last is None else None
        interval = eventbridge._parse_rate_seconds(self.expression)
        if interval is not None:
            return self.start if last is None else last + timedelta(seconds=interval)
        fields = eventbridge._parse_cron_fields(self.expression)
        if fields is None:
            raise ValueError(self.expression)
        base = last or self.start - timedelta(minutes=1)
        found = eventbridge._cron_next_fire(fields, base.astimezone(self.zone))
        return found.astimezone(UTC) if found else None

    def is_over(self, moment: datetime) -> bool:
        """Whether the moment lies after the schedule's end."""
        return not self.is_one_time and self.end is not None and moment > self.end

    def is_completed(self, last: datetime | None, now: datetime) -> bool:
        """Whether it will never fire again."""
        return last is not None if self.is_one_time else self.is_over(now)


def _invoke(record: dict[str, Any], due: datetime) -> None:
    attributes = {
        "schedule-arn": record["Arn"],
        "scheduled-time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": str(uuid.uuid4()),
        "attempt-number": "1",
    }
    text = _ATTRIBUTE.sub(lambda match: attributes.get(match[1], match[0]), record["Target"].get("Input") or "{}")
    target = {**record["Target"], "Input": text}
    if target["Arn"].startswith(_UNIVERSAL):
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(_call, target["Arn"], text), daemon=True).start()
        return
    event = {
        "EventId": attributes["execution-id"],
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": due.timestamp(),
        "Resources": [record["Arn"]],
    }
    eventbridge._invoke_target(target, event, record)


def _call(arn: str, text: str) -> None:
    service, action = arn.removeprefix(_UNIVERSAL).split(":")
    try:
        perform(Call(get_region(), get_account_id(), "sdk", service, action, json.loads(text)))
    except Exception as problem:  # Nobody waits for the answer: the log is all that can know.
        logger.warning("The schedule's call of %s failed: %s", arn, problem)


@replaces("ministack.services.cloudformation.provisioners:_scheduler_schedule_create", "76f27cf333eb3f04")
def create_from_template(_stock: Callable[..., Any], logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
    """Make a schedule with all of its properties."""
    name = properties.get("Name") or f"{stack_name}-{logical_id}-{uuid.uuid4().hex[:12].upper()}"[-64:]
    group = properties.get("GroupName", "default")
    status, _headers, body = scheduler._create_schedule(name, properties)
    if status >= 400:
        raise ValueError(body)
    return name, {"Arn": scheduler._schedule_arn(group, name)}


@replaces("ministack.services.cloudformation.provisioners:_scheduler_schedule_update", "70e0243c9de11d44")
def update_from_template(_stock: Callable[..., Any], name: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
    """Change a schedule; another name or group makes another schedule."""
    group = new.get("GroupName", "default")
    if new.get("Name", name) != name or group != old.get("GroupName", "default"):
        return create_from_template(_stock, name, {"Name": name, **new}, stack_name)
    status, _headers, body = scheduler._update_schedule(name, new)
    if status >= 400:
        raise ValueError(body)
    return name, {"Arn": scheduler._schedule_arn(group, name)}
