"""A stage of an HTTP API throttles its routes.

AWS ("Throttle requests to your HTTP APIs"): each route of a stage has a token bucket of ThrottlingBurstLimit requests that
ThrottlingRateLimit refills per second, both from the route's own settings or else from the stage's defaults; a request
that finds the bucket empty is answered 429 and reaches no integration.

MiniStack 1.5.33 keeps the limits, those of a template under names that its own API doesn't use, and lets everything in.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ministack.services import apigateway

from emulator.replacing import replaces

_Response = tuple[int, dict[str, str], bytes]
# What an account has per region where nothing narrower is set ("Quotas for HTTP APIs").
_ACCOUNT_LIMITS = {"throttlingRateLimit": 10_000, "throttlingBurstLimit": 5_000}
_buckets: dict[tuple[str, str, str], Bucket] = {}


@dataclass
class Bucket:
    """The requests that a route still takes."""

    tokens: float
    filled_at: float = field(default_factory=time.monotonic)

    def take(self, rate: float, burst: float) -> bool:
        """Whether there is room for one more request, which then is taken in."""
        now = time.monotonic()
        self.tokens = min(burst, self.tokens + (now - self.filled_at) * rate)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@replaces("ministack.services.apigateway:_handle_execute_in_scope", "aa60b8b0dfaafaa2")
async def handle_request(
    stock: Callable[..., Awaitable[_Response]], api_id: str, stage: str, path: str, method: str, *others: Any
) -> _Response:
    """Answer a request of the API, or refuse it."""
    route = apigateway._match_route(api_id, method, "/" + path.lstrip("/"))
    settings = apigateway._stages.get(api_id, {}).get(stage, {})
    if route is not None:
        key = route["routeKey"]
        limits = {**_ACCOUNT_LIMITS, **settings.get("defaultRouteSettings", {}), **settings.get("routeSettings", {}).get(key, {})}
        rate, burst = float(limits["throttlingRateLimit"]), float(limits["throttlingBurstLimit"])
        if not _buckets.setdefault((api_id, stage, key), Bucket(burst)).take(rate, burst):
            return 429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}'
    return await stock(api_id, stage, path, method, *others)


@replaces("ministack.services.cloudformation.provisioners:_apigw_v2_stage_props", "471b3f01003ce14e")
def stage_from_template(stock: Callable[[dict[str, Any]], dict[str, Any]], properties: dict[str, Any]) -> dict[str, Any]:
    """A template's stage, its settings named as the API names them."""
    stage = stock(properties)
    return {
        **stage,
        "defaultRouteSettings": _as_in_the_api(stage["defaultRouteSettings"]),
        "routeSettings": {route: _as_in_the_api(settings) for route, settings in stage["routeSettings"].items()},
    }


def _as_in_the_api(settings: dict[str, Any]) -> dict[str, Any]:
    return {name[0].lower() + name[1:]: value for name, value in settings.items()}
