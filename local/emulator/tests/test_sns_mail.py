"""Mail from SNS."""

from __future__ import annotations

import email
import email.policy
import json
import re
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Any

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
