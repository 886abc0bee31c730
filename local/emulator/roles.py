"""IAM for states and schedules: ministack enforces it for clients and functions, but not for these two."""

from typing import Any

from ministack import app
from ministack.core import iam_evaluator as iam
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge
from ministack.services import stepfunctions as sf

from local.emulator import tasks
from local.emulator.patching import Function, replaces

_SDK = "arn:aws:states:::aws-sdk"
# For each task: the error of a denied call, the action, and the argument that names the resource.
_TASKS = {
    "arn:aws:states:::lambda:invoke": ("Lambda.AWSLambdaException", "lambda:InvokeFunction", "FunctionName"),
    f"{_SDK}:dynamodb:describeTable": ("DynamoDb.DynamoDbException", "dynamodb:DescribeTable", "TableName"),
    **{
        f"{_SDK}:sfn:{name[0].lower()}{name[1:]}": ("Sfn.SfnException", f"states:{name}", "ExecutionArn")
        for name in ("DescribeExecution", "GetExecutionHistory", "RedriveExecution")
    },
    f"{_SDK}:sfn:listExecutions": ("Sfn.SfnException", "states:ListExecutions", "StateMachineArn"),
    "arn:aws:states:::sns:publish": ("SNS.AuthorizationErrorException", "sns:Publish", "TopicArn"),
}


@replaces(app, "pin_request_origin")
def _pin_request_origin(original: Function, address: str, _secure: bool) -> None:  # noqa: FBT001 - ministack's signature
    """AWS: requests use TLS. Here they use the loopback interface, which is just as private."""
    original(address, True)  # noqa: FBT003 - ministack's signature


@replaces(sf, "_invoke_resource")
def _invoke_resource(original: Function, resource: str, arguments: Any) -> Any:
    """AWS: the role of the state machine, as it was when the execution started, applies to its tasks."""
    execution, _ = tasks.current_task()
    role = execution["_machine"]["roleArn"]
    if resource not in _TASKS:
        raise RuntimeError(f"fix local/emulator/roles.py: the permissions of {resource} are missing")
    error, action, argument = _TASKS[resource]
    if denial := _denial(role, action, arguments[argument]):
        raise sf._ExecutionError(error, denial)
    return original(resource, arguments)


@replaces(eventbridge, "_invoke_target")
def _invoke_target(original: Function, target: Any, event: Any, rule: Any, *view: Any) -> Any:
    """AWS: a schedule or a rule may start only targets that its role allows; otherwise the event is not delivered."""
    starts = ":stateMachine:" in target["Arn"]
    if starts and (denial := _denial(target["RoleArn"], "states:StartExecution", target["Arn"])):
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
