"""Writes the actions of the services that the checks of definitions know: `python -m local.sdk_actions`.

The names come from the public models of the AWS SDK for Python, in `botocore==1.43.11`. Step Functions writes them as the SDK for Java 2
does: an action begins with a small letter, an argument with a capital. Run it again with a later version when a call is missing. The
file is kept in the repository, so that nothing else needs this.
"""

from pathlib import Path

import botocore.session

# By Step Functions' name of a service: the SDK's own.
SERVICES = {
    "athena": "athena",
    "dynamodb": "dynamodb",
    "ecs": "ecs",
    "eventbridge": "events",
    "glue": "glue",
    "lambda": "lambda",
    "s3": "s3",
    "scheduler": "scheduler",
    "secretsmanager": "secretsmanager",
    "sfn": "stepfunctions",
    "sns": "sns",
    "sqs": "sqs",
}

FILE = Path(__file__).parent.parent / "crates/asl/src/check/actions.txt"


def actions(service: str, model_name: str) -> list[str]:
    """A line for each action: its name, the arguments that it requires, each with a `!`, and the others."""
    model = botocore.session.get_session().get_service_model(model_name)
    lines = []
    for operation in sorted(model.operation_names):
        shape = model.operation_model(operation).input_shape
        required = list(shape.required_members) if shape else []
        optional = [member for member in (shape.members if shape else []) if member not in required]
        arguments = [f"{capitalized(member)}!" for member in required] + [capitalized(member) for member in optional]
        lines.append(" ".join([f"{service}:{operation[0].lower()}{operation[1:]}", *arguments]))
    return lines


def capitalized(name: str) -> str:
    """The name with its first letter as a capital."""
    return name[0].upper() + name[1:]


if __name__ == "__main__":
    written = [line for service, model_name in SERVICES.items() for line in actions(service, model_name)]
    FILE.write_text("\n".join(written) + "\n")
