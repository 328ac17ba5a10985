"""An email subscription whose address says so stays unconfirmed: it is listed as pending and gets no mail.

AWS ("Email notifications", "ListSubscriptionsByTopic"): a subscription by email is pending until its owner follows the link
in the confirmation mail; until then Subscribe answers `pending confirmation` and the lists show `PendingConfirmation` in
place of its ARN.

MiniStack 1.5.33 confirms every subscription by email at once, and lists the ARN of those that are pending (by http).
Nobody clicks here, so every address stays confirmed at once, except one whose local part contains `+unconfirmed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ministack.services import sns

from emulator.replacing import replaces

_UNCONFIRMED = "+unconfirmed"
_Response = tuple[int, dict[str, str], bytes]


@replaces("ministack.services.sns:_subscribe", "db260c543268f953")
def subscribe(stock: Callable[[Any], _Response], parameters: Any) -> _Response:
    """Subscribe: the ARN of a pending subscription is told only to whoever asks for it."""
    response = stock(parameters)
    topic = sns._topic_by_arn_any_scope(sns._p(parameters, "TopicArn")) or {"subscriptions": []}
    pending = [subscription for subscription in topic["subscriptions"] if _stays_pending(subscription)]
    for subscription in pending:
        _unconfirm(subscription)
    if sns._p(parameters, "ReturnSubscriptionArn") == "true":
        return response
    return _without_arns(response, pending, "pending confirmation")


@replaces("ministack.services.cloudformation.provisioners:_sns_sub_create", "1d35ffdfbb8979fd")
def create_from_template(
    stock: Callable[..., tuple[str, dict[str, Any]]], logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, Any]]:
    """Make a subscription of a template."""
    arn, attributes = stock(logical_id, properties, stack_name)
    subscription = sns._find_subscription(properties.get("TopicArn", ""), arn)
    if subscription and _stays_pending(subscription):
        _unconfirm(subscription)
    return arn, attributes


@replaces("ministack.services.sns:_list_subscriptions_by_topic", "02119f3da93568ca")
def list_subscriptions_by_topic(stock: Callable[[Any], _Response], parameters: Any) -> _Response:
    """ListSubscriptionsByTopic."""
    return _without_arns(stock(parameters), _all_pending(), "PendingConfirmation")


@replaces("ministack.services.sns:_list_subscriptions", "03d4e93081a0fb0f")
def list_subscriptions(stock: Callable[[Any], _Response], parameters: Any) -> _Response:
    """ListSubscriptions."""
    return _without_arns(stock(parameters), _all_pending(), "PendingConfirmation")


def _stays_pending(subscription: dict[str, Any]) -> bool:
    local_part = subscription["endpoint"].rpartition("@")[0]
    return subscription["protocol"].startswith("email") and _UNCONFIRMED in local_part


def _unconfirm(subscription: dict[str, Any]) -> None:
    subscription["confirmed"] = False
    subscription["attributes"].update({"PendingConfirmation": "true", "ConfirmationWasAuthenticated": "false"})


def _all_pending() -> list[dict[str, Any]]:
    return [subscription for topic in sns._topics.values() for subscription in topic["subscriptions"] if not subscription["confirmed"]]


def _without_arns(response: _Response, subscriptions: Iterable[dict[str, Any]], shown: str) -> _Response:
    status, headers, body = response
    for subscription in subscriptions:
        element = f"<SubscriptionArn>{subscription['arn']}</SubscriptionArn>"
        body = body.replace(element.encode(), f"<SubscriptionArn>{shown}</SubscriptionArn>".encode())
    return status, headers, body
