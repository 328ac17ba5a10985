"""Conditions that ask whether a list is empty."""

from __future__ import annotations

import pytest

from emulator.tests.conftest import Emulator
from emulator.tests.stacks import stack

TEMPLATE = {
    "Transform": "AWS::LanguageExtensions",
    "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": ""}, "Suffix": {"Type": "String", "Default": "b"}},
    "Conditions": {
        "HasNames": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Names"}]}, ""]}]},
        "IsSpelt": {"Fn::Equals": [{"Fn::Join": ["-", ["a", {"Ref": "Suffix"}]]}, "a-b"]},
    },
    "Outputs": {
        "HasNames": {"Value": {"Fn::If": ["HasNames", "yes", "no"]}},
        "IsSpelt": {"Value": {"Fn::If": ["IsSpelt", "yes", "no"]}},
    },
}


@pytest.mark.parametrize(("names", "expected"), [("", "no"), ("x", "yes"), ("x,y", "yes")])
def test_a_list_is_empty_where_its_items_joined_are(emulator: Emulator, name: str, names: str, expected: str) -> None:
    parameters = {**TEMPLATE["Parameters"], "Names": {"Type": "CommaDelimitedList", "Default": names}}
    loop = ["Name", {"Ref": "Names"}, {"Topic${Name}": {"Type": "AWS::SNS::Topic", "Condition": "HasNames"}}]
    with stack(emulator, name, {"Fn::ForEach::Topics": loop}, **{**TEMPLATE, "Parameters": parameters}) as made:
        assert made.outputs() == {"HasNames": expected, "IsSpelt": "yes"}
        topics = made.cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
        assert len(topics) == len([one for one in names.split(",") if one])
