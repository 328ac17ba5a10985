"""Mail to an SNS email subscription lands in a folder.

AWS ("Email notifications"): a confirmed email subscription whose filter policy matches gets a plain text mail.

MiniStack 1.5.33 matches the filter policies and then only logs. Which subscriptions count as confirmed is told in
`sns_confirmations`.
"""

from __future__ import annotations

import email.policy
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any

from ministack.services import sns

from emulator import settings
from emulator.replacing import replaces

_FROM = "AWS Notifications <no-reply@sns.localhost>"
_DEFAULT_SUBJECT = "AWS Notification Message"
# Text stays readable in the file: no line is folded and nothing is encoded but the header.
_POLICY = email.policy.SMTP.clone(cte_type="8bit", max_line_length=990)


@replaces("ministack.services.sns:_fanout", "984cdd91d64aa056")
def deliver(
    stock: Callable[..., None],
    topic_arn: str,
    message_id: str,
    message: str,
    subject: str,
    structure: str = "",
    attributes: dict[str, Any] | None = None,
    **others: Any,
) -> None:
    """Deliver a message to every subscription, mail included."""
    stock(topic_arn, message_id, message, subject, structure, attributes, **others)
    topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
    for subscription in topic["subscriptions"]:
        if subscription["protocol"] != "email" or not subscription.get("confirmed"):
            continue
        body = sns._resolve_message_for_protocol(message, structure, "email")
        if sns._matches_filter_policy(subscription, attributes or {}, body):
            _write(subscription["endpoint"], subject or _DEFAULT_SUBJECT, body)


def _write(address: str, subject: str, body: str) -> None:
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = _FROM
    mail["To"] = address
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Subject"] = subject
    mail["Message-ID"] = make_msgid(domain="sns.localhost")
    mail.set_content(body, charset="utf-8", cte="8bit")
    folder = settings.current().inbox / "mail"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns()}-{re.sub(r'[^A-Za-z0-9@._+-]', '_', address)}"
    unfinished = folder / f".{name}.part"
    unfinished.write_bytes(mail.as_bytes())
    os.replace(unfinished, folder / f"{name}.eml")
