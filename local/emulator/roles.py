"""IAM for states and schedules: ministack enforces it for clients and functions, but not for these two."""

from typing import Any

from ministack import app
from ministack.core import iam_evaluator as iam
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge
from ministack.services import stepfunctions as sf

from local.emulator import tasks
from local.emulator.patching import Function, replaces

_DESCRIBE_TABLE = "arn:aws:states:::aws-sdk:dynamodb:describeTable"
_INVOKE = "arn:aws:states:::lambda:invoke"


@replaces(app, "pin_request_origin")
def _pin_request_origin(original: Function, address: str, _secure: bool) -> None:  # noqa: FBT001 - ministack's signature
    """AWS: requests use TLS. Here they use the loopback interface, which is just as private."""
    original(address, True)  # noqa: FBT003 - ministack's signature


@replaces(sf, "_invoke_resource")
def _invoke_resource(original: Function, resource: str, arguments: Any) -> Any:
    """AWS: the role of the state machine, as it was when the execution started, applies to its tasks."""
    execution, _ = tasks.current_task()
    role = execution["_machine"]["roleArn"]
    if resource == _INVOKE:
        error, action, target = "Lambda.AWSLambdaException", "lambda:InvokeFunction", arguments["FunctionName"]
    elif resource == _DESCRIBE_TABLE:
        error, action, target = "DynamoDb.DynamoDbException", "dynamodb:DescribeTable", arguments["TableName"]
    else:
        raise RuntimeError(f"fix local/emulator/roles.py: the permissions of {resource} are missing")
    if denial := _denial(role, action, target):
        raise sf._ExecutionError(error, denial)
    return original(resource, arguments)


@replaces(eventbridge, "_invoke_target")
def _invoke_target(original: Function, target: Any, event: Any, rule: Any, *view: Any) -> Any:
    """AWS: a schedule may start only targets that its role allows; otherwise the event is not delivered."""
    scheduled = event.get("Source") == "aws.scheduler"
    if scheduled and (denial := _denial(target["RoleArn"], "states:StartExecution", target["Arn"])):
        raise PermissionError(denial)
    return original(target, event, rule, *view)


def _denial(role: str, action: str, resource: str) -> str:
    """Return the message of AWS if a role may not do something; empty if it may."""
    name = role.rpartition("/")[2]
    context = iam.EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
    )
    if iam.evaluate(context, iam._gather_role_policies(name, get_account_id())).decision == "Allow":
        return ""
    return f"User: {role} is not authorized to perform: {action} on resource: {resource}"
