"""Mail from SNS."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import re
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from emulator.tests.conftest import Emulator
from emulator.tests.stacks import stack


def mails_to(emulator: Emulator, address: str) -> list[EmailMessage]:
    """The mails to an address, oldest first."""
    files = sorted((emulator.folder / "inbox" / "mail").glob(f"*-{address}.eml"))
    assert all(re.fullmatch(r"[0-9]{19}-.*\.eml", file.name) for file in files)
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]


def subscriptions(*addresses: str) -> dict[str, Any]:
    """A topic, and a subscription for each address that takes only what is meant for it."""
    return {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
        **{
            f"To{index}": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {
                    "Protocol": "email",
                    "Endpoint": address,
                    "TopicArn": {"Ref": "Topic"},
                    "FilterPolicy": {"approver": [address]},
                },
            }
            for index, address in enumerate(addresses)
        },
    }


def test_an_approver_gets_their_own_mail_only(emulator: Emulator, name: str) -> None:
    ada, bob = f"ada-{name}@example.com", f"bob+{name}@example.com"
    text = f"Guten Morgen – 12 345,60 €\n\nhttps://example.com/approvals/{'x' * 300}\n"
    with stack(emulator, name, subscriptions(ada, bob), Outputs={"Topic": {"Value": {"Ref": "Topic"}}}) as made:
        emulator.client("sns").publish(
            TopicArn=made.outputs()["Topic"],
            Subject="Approve the orders of 2026-11-20",
            Message=text,
            MessageAttributes={"approver": {"DataType": "String", "StringValue": ada}},
        )
    (mail,) = mails_to(emulator, ada)
    assert mails_to(emulator, bob) == []
    assert (mail["To"], mail["Subject"]) == (ada, "Approve the orders of 2026-11-20")
    assert "@" in mail["From"] and parsedate_to_datetime(mail["Date"]).tzinfo is not None
    assert mail.get_content().replace("\r\n", "\n") == text


def listed(emulator: Emulator, topic: str) -> dict[str, str]:
    """The ARN that a topic's list of subscriptions shows for each address."""
    subscriptions = emulator.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return {subscription["Endpoint"]: subscription["SubscriptionArn"] for subscription in subscriptions}


@pytest.mark.parametrize("by_template", [True, False])
def test_an_address_that_never_confirmed_is_listed_as_pending_and_gets_no_mail(emulator: Emulator, name: str, by_template: bool) -> None:
    sns = emulator.client("sns")
    ada, bob = f"ada-{name}@example.com", f"bob-{name}+unconfirmed@example.com"
    with contextlib.ExitStack() as stacks:
        if by_template:
            made = stacks.enter_context(stack(emulator, name, subscriptions(ada, bob), Outputs={"Topic": {"Value": {"Ref": "Topic"}}}))
            topic = made.outputs()["Topic"]
        else:
            topic = sns.create_topic(Name=name)["TopicArn"]
            answers = [sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)["SubscriptionArn"] for address in (ada, bob, bob)]
            assert answers[0].startswith(f"{topic}:") and answers[1:] == ["pending confirmation"] * 2

        shown = listed(emulator, topic)
        assert shown.keys() == {ada, bob}
        assert shown[ada].startswith(f"{topic}:")
        assert shown[bob] == "PendingConfirmation"
        pages = sns.get_paginator("list_subscriptions").paginate()
        everywhere = {one["Endpoint"]: one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]}
        assert (everywhere[ada], everywhere[bob]) == (shown[ada], "PendingConfirmation")
        counts = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
        assert (counts["SubscriptionsConfirmed"], counts["SubscriptionsPending"]) == ("1", "1")

        for address in (ada, bob):
            sns.publish(TopicArn=topic, Message="m", MessageAttributes={"approver": {"DataType": "String", "StringValue": address}})
        assert mails_to(emulator, bob) == []
        assert mails_to(emulator, ada) != []


def test_who_asks_for_it_is_told_the_arn_of_a_pending_subscription(emulator: Emulator, name: str) -> None:
    sns = emulator.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    pending = f"{name}+unconfirmed@example.com"
    arn = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=pending, ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"


def test_only_the_local_part_says_that_an_address_is_unconfirmed(emulator: Emulator, name: str) -> None:
    topic = emulator.client("sns").create_topic(Name=name)["TopicArn"]
    for address in (f"{name}@my+unconfirmed.example", f"unconfirmed-{name}@example.com"):
        emulator.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint=address)
    assert all(arn.startswith("arn:") for arn in listed(emulator, topic).values())


def test_who_unsubscribed_is_listed_no_more_and_gets_no_mail(emulator: Emulator, name: str) -> None:
    sns = emulator.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    ada, bob = f"ada-{name}@example.com", f"bob-{name}@example.com"
    arns = [sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)["SubscriptionArn"] for address in (ada, bob)]
    sns.unsubscribe(SubscriptionArn=arns[1])
    assert listed(emulator, topic) == {ada: arns[0]}
    sns.publish(TopicArn=topic, Message="m")
    assert len(mails_to(emulator, ada)) == 1
    assert mails_to(emulator, bob) == []


def test_a_link_stands_in_the_file_as_it_is(emulator: Emulator, name: str) -> None:
    sns = emulator.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=f"{name}@example.com")
    link = f"http://127.0.0.1:1/_aws/execute-api/x/approvals/{'a' * 64}/{'b=' * 32}"
    sns.publish(TopicArn=topic, Subject="S", Message=f"Überprüfen: {link}")
    (file,) = (emulator.folder / "inbox" / "mail").glob(f"*-{name}@example.com.eml")
    assert f"Überprüfen: {link}".encode() in file.read_bytes()


def test_the_message_for_email_is_taken_where_there_is_one(emulator: Emulator, name: str) -> None:
    sns = emulator.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=f"{name}@example.com")
    sns.publish(TopicArn=topic, MessageStructure="json", Message=json.dumps({"default": "d", "email": "for mail"}))
    (mail,) = mails_to(emulator, f"{name}@example.com")
    assert mail.get_content().strip() == "for mail"
