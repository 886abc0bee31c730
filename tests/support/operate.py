"""The operators' functions in this process, also behind Lambda's API: moto would need a container for them."""

import io
import json
from typing import Any

from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.operating.request import CHANGING
from tests.support.functions import MODULES, Context, handler

OUTPUTS = {"ReadWarehouseName": "ReadWarehouse", "ChangeWarehouseName": "ChangeWarehouse"}
ANSWER_LIMIT = 6 * 1024 * 1024  # of Lambda


def ask(action: str, **arguments: Any) -> Any:
    """The answer of the real handler, event and answer passed on as JSON."""
    event = {"contract": CONTRACT, "action": action, "arguments": arguments}
    function = handler(MODULES["ChangeWarehouse" if action in CHANGING else "ReadWarehouse"])
    answer = json.dumps(function(json.loads(json.dumps(event)), Context(milliseconds=60_000)))
    assert len(answer) <= ANSWER_LIMIT
    return json.loads(answer)


class Lambda:
    """Lambda, whose only functions are the real handlers, in an account with so many free functions."""

    free = 1000

    def __init__(self) -> None:
        self.calls: list[str] = []

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        self.calls.append("lambda:InvokeFunction")
        context = Context(milliseconds=60_000)
        try:
            answer, failed = handler(MODULES[FunctionName])(json.loads(Payload), context), {}
        except Exception as error:  # noqa: BLE001 - as Lambda reports it
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
            failed = {"FunctionError": "Unhandled"}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}

    def get_account_settings(self) -> dict[str, Any]:
        self.calls.append("lambda:GetAccountSettings")
        return {"AccountLimit": {"UnreservedConcurrentExecutions": self.free}}
