"""The function OperateWarehouse in this process, also behind Lambda's API: moto would need a container for it."""

import io
import json
from typing import Any

from demand_pipeline.contracts.event import CONTRACT
from tests.support.functions import Context, handler

FUNCTION = "operate"


ANSWER_LIMIT = 6 * 1024 * 1024  # of Lambda


def ask(action: str, **arguments: Any) -> Any:
    """The answer of the real handler, event and answer passed on as JSON."""
    event = {"contract": CONTRACT, "action": action, "arguments": arguments}
    answer = json.dumps(handler("operate_warehouse")(json.loads(json.dumps(event)), Context(milliseconds=60_000)))
    assert len(answer) <= ANSWER_LIMIT
    return json.loads(answer)


class Lambda:
    """Lambda, whose only function is the real handler, in an account with so many free functions."""

    free = 1000

    def __init__(self) -> None:
        self.calls: list[str] = []

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert FunctionName == FUNCTION
        self.calls.append("lambda:InvokeFunction")
        context = Context(milliseconds=60_000)
        try:
            answer, failed = handler("operate_warehouse")(json.loads(Payload), context), {}
        except Exception as error:  # noqa: BLE001 - as Lambda reports it
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
            failed = {"FunctionError": "Unhandled"}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}

    def get_account_settings(self) -> dict[str, Any]:
        self.calls.append("lambda:GetAccountSettings")
        return {"AccountLimit": {"UnreservedConcurrentExecutions": self.free}}
