"""Run statelint on state machine definitions as they are deployed.

Usage: statelint_deployed.py TEMPLATE [TEMPLATE ...] DEFINITION [DEFINITION ...]

Where a state takes whole seconds, statelint accepts a JSONata expression only if it can evaluate it to a number. Ours hold
placeholders, so each placeholder that is a number in a template (.yaml) gets the default that it has there.

It evaluates without variables and input, and takes whatever comes out for what stands there: a condition that is true of nothing for no
condition, a MaxConcurrency that is nothing for no number. These two are put in its words; `cargo xtask check` looks at the expressions.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cfnlint.decode import decode
from statelint.cli import main as statelint


def number_defaults(template: Path) -> dict[str, str]:
    """The default of each numeric parameter of the template."""
    decoded, problems = decode(str(template))
    if decoded is None:
        raise SystemExit(f"{template} cannot be read: {problems}")
    parameters = decoded["Parameters"].items()
    return {name: str(parameter["Default"]) for name, parameter in parameters if parameter["Type"] == "Number" and "Default" in parameter}


def deployed(definition: str, numbers: dict[str, str]) -> str:
    """The definition with its numeric placeholders filled in."""
    filled = re.sub(r"\$\{(\w+)\}", lambda placeholder: numbers.get(placeholder[1], placeholder[0]), definition)
    filled = re.sub(r'"Condition": "\{%.*%\}"', '"Condition": "{% $states.input.undecided %}"', filled)
    return re.sub(r'"MaxConcurrency": "\{%.*%\}"', '"MaxConcurrency": 1', filled)


def main(arguments: list[str]) -> int:
    paths = [Path(argument) for argument in arguments]
    definitions = [path for path in paths if path.suffix == ".json"]
    numbers: dict[str, str] = {}
    for template in (path for path in paths if path.suffix == ".yaml"):
        numbers |= number_defaults(template)
    return statelint(["--eval-jsonata", *(deployed(definition.read_text(encoding="utf-8"), numbers) for definition in definitions)])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
