"""Errors of Lambda functions under the names that Step Functions gives them."""

import threading
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.emulator.patching import Function, replaces

# The worker's report of an exception, with the class's name added.
_REPORT = '"error": str(e), "trace": traceback.format_exc()'
_REPORT_WITH_TYPE = _REPORT + ', "type": type(e).__name__'
if _REPORT not in lambda_runtime._PYTHON_WORKER_SCRIPT:
    raise RuntimeError("ministack's worker script has changed: fix local/emulator/lambda_errors.py")
lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(_REPORT, _REPORT_WITH_TYPE)

_last = threading.local()  # one thread handles an invocation from start to end


@replaces(lambda_runtime.Worker, "invoke")
def _invoke(original: Function, *arguments: Any, **named: Any) -> Any:
    _last.response = original(*arguments, **named)
    return _last.response


@replaces(lambda_svc, "_execute_function_warm")
def _execute_function_warm(original: Function, *arguments: Any, **named: Any) -> Any:
    """AWS: an exception's class is the error's name; a crashed runtime is Lambda.Unknown."""
    _last.response = {}
    outcome = original(*arguments, **named)
    body = outcome.get("body")
    if outcome.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
        body["errorType"] = _last.response.get("type", "Lambda.Unknown")
        body["stackTrace"] = _last.response.get("trace", "").splitlines()
    return outcome
