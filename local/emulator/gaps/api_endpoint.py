"""An HTTP API's ApiEndpoint is an address that every program on this machine can open.

AWS ("AWS::ApiGatewayV2::Api", Return values): ApiEndpoint is the default endpoint of the API.

MiniStack 1.5.33 gives `http://<id>.execute-api.<host>:<port>`, a name that few resolvers know, though it answers at
`http://<host>:<port>/_aws/execute-api/<id>` just as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import apigateway

from emulator import settings
from emulator.replacing import replaces


@replaces("ministack.services.cloudformation.provisioners:_apigw_v2_api_create", "0002e18b41984434")
def create_api(stock: Callable[..., Any], logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
    """Make the API with an address by path."""
    api_id, attributes = stock(logical_id, properties, stack_name)
    endpoint = f"{settings.current().endpoint}/_aws/execute-api/{api_id}"
    apigateway._apis[api_id]["apiEndpoint"] = endpoint
    return api_id, {**attributes, "ApiEndpoint": endpoint}
