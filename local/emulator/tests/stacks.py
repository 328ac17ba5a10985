"""CloudFormation stacks for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from emulator.tests.conftest import Emulator, wait_until


@contextmanager
def stack(emulator: Emulator, name: str, resources: dict[str, Any], **template: Any) -> Iterator[Stack]:
    """A stack of the given resources, deleted at the end."""
    made = Stack(emulator, name)
    made.apply(resources, **template)
    yield made
    made.cloudformation.delete_stack(StackName=name)


class Stack:
    """One stack."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        self.cloudformation = emulator.client("cloudformation")
        self.name = name

    def apply(self, resources: dict[str, Any], **template: Any) -> None:
        """Create or update it, and wait until that is done."""
        body = json.dumps({"Resources": resources, **template})
        exists = any(one["StackName"] == self.name for one in self.cloudformation.describe_stacks()["Stacks"])
        act = self.cloudformation.update_stack if exists else self.cloudformation.create_stack
        act(StackName=self.name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        status = wait_until(self._settled)
        assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), self._reasons()

    def outputs(self) -> dict[str, str]:
        """Its outputs."""
        described = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}

    def _settled(self) -> str | None:
        status = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]
        return None if status.endswith("IN_PROGRESS") else status

    def _reasons(self) -> list[str]:
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return [event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason")]
