"""A stack that includes another one."""

from __future__ import annotations

import json

from emulator.tests.conftest import Emulator
from emulator.tests.stacks import stack


def test_a_nested_stack_is_updated_beside_what_has_not_changed_in_it(emulator: Emulator, name: str) -> None:
    inner = {
        "Parameters": {"Told": {"Type": "String"}},
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{name}-dead"}},
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"TopicName": f"{name}-topic", "DisplayName": {"Fn::Sub": "${Told} ${Dead.Arn}"}},
            },
        },
        "Outputs": {"Dead": {"Value": {"Fn::GetAtt": ["Dead", "Arn"]}}, "Told": {"Value": {"Ref": "Told"}}},
    }
    storage = emulator.client("s3")
    storage.create_bucket(Bucket=name)
    storage.put_object(Bucket=name, Key="inner.json", Body=json.dumps(inner))

    def resources(told: str) -> dict[str, object]:
        address = f"https://s3.us-east-1.amazonaws.com/{name}/inner.json"
        properties = {"TemplateURL": address, "Parameters": {"Told": told}}
        return {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": properties}}

    outputs = {key: {"Value": {"Fn::GetAtt": ["Inner", f"Outputs.{key}"]}} for key in ("Dead", "Told")}
    with stack(emulator, name, resources("nobody"), Outputs=outputs) as made:
        before = made.outputs()
        assert before["Dead"].endswith(f":{name}-dead")
        made.apply(resources("somebody"), Outputs=outputs)
        assert made.outputs() == {**before, "Told": "somebody"}
