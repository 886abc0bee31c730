"""The AWS permissions that each command needs. A test compares them with the calls, and docs/demand.md shows them.

Every command that `demand.cli` declares has an entry.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

_RUN_PLACE = "REGION:ACCOUNT"
# STACK is the stack's name, ENVIRONMENT its parameter, BUCKET its output StagingBucketName.
RESOURCES = {
    "stack": f"arn:aws:cloudformation:{_RUN_PLACE}:stack/STACK/*",
    "machine": f"arn:aws:states:{_RUN_PLACE}:stateMachine:demand-pipeline-ENVIRONMENT-*",
    "runs": f"arn:aws:states:{_RUN_PLACE}:execution:demand-pipeline-ENVIRONMENT-*:*",
    "reading function": f"arn:aws:lambda:{_RUN_PLACE}:function:STACK-ReadWarehouse-*",
    "changing function": f"arn:aws:lambda:{_RUN_PLACE}:function:STACK-ChangeWarehouse-*",
    "raw": "arn:aws:s3:::BUCKET/runs/*/raw/*",
    "tables": f"arn:aws:dynamodb:{_RUN_PLACE}:table/*",
    "rejects": "arn:aws:s3:::BUCKET/runs/*/rejects/*",
    "logs": f"arn:aws:logs:{_RUN_PLACE}:log-group:/aws/lambda/STACK/*:*",
    "schedule": f"arn:aws:scheduler:{_RUN_PLACE}:schedule/default/STACK-Schedule-*",
    "schedule role": "arn:aws:iam::ACCOUNT:role/STACK-ScheduleRole-*",
    "alarms": f"arn:aws:cloudwatch:{_RUN_PLACE}:alarm:STACK-*",
    "dead letters": f"arn:aws:sqs:{_RUN_PLACE}:STACK-ScheduleDeadLetters-*",
    "topic": f"arn:aws:sns:{_RUN_PLACE}:STACK-AlarmTopic-*",
    "bucket": "arn:aws:s3:::BUCKET",
    "secrets": f"arn:aws:secretsmanager:{_RUN_PLACE}:secret:*",
    "keys": f"arn:aws:kms:{_RUN_PLACE}:key/*",
    "roles": "arn:aws:iam::ACCOUNT:role/STACK-*",
    "policies": "arn:aws:iam::ACCOUNT:policy/STACK-*",
    "account": "*",
}

_CONDITIONS = {"schedule role": {"Condition": {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}}}


@dataclass(frozen=True)
class Permission:
    """An action on one of the RESOURCES."""

    action: str
    resource: str


_STACK = (Permission("cloudformation:DescribeStacks", "stack"),)
_RESOURCES = (*_STACK, Permission("cloudformation:ListStackResources", "stack"))
_FIND = (*_STACK, Permission("states:ListExecutions", "machine"), Permission("states:DescribeExecution", "runs"))
_HISTORY = (Permission("states:GetExecutionHistory", "runs"),)
_ASK = Permission("lambda:InvokeFunction", "reading function")  # optional for the state of runs
_REJECTS = (*_HISTORY, Permission("s3:GetObject", "rejects"))
_RECEIPT = (*_REJECTS, _ASK)
_START = (Permission("states:StartExecution", "machine"), Permission("states:DescribeExecution", "runs"))
_SCHEDULE = (
    *_RESOURCES,
    Permission("scheduler:GetSchedule", "schedule"),
    Permission("scheduler:UpdateSchedule", "schedule"),
    Permission("iam:PassRole", "schedule role"),  # an update passes the role that starts the runs
)

_WAREHOUSE = (*_STACK, _ASK)
_CHANGE = Permission("lambda:InvokeFunction", "changing function")
# Denied checks are skipped, so each action is optional.
_DOCTOR = (
    *_STACK,
    _CHANGE,  # to rehearse a load
    Permission("sts:GetCallerIdentity", "account"),
    Permission("cloudformation:GetTemplateSummary", "stack"),
    Permission("dynamodb:DescribeTable", "tables"),
    Permission("dynamodb:GetResourcePolicy", "tables"),
    Permission("kms:DescribeKey", "keys"),
    Permission("lambda:GetAccountSettings", "account"),
    Permission("secretsmanager:DescribeSecret", "secrets"),
    Permission("s3:GetLifecycleConfiguration", "bucket"),
    Permission("cloudformation:ListStackResources", "stack"),
    Permission("scheduler:GetSchedule", "schedule"),
    Permission("sqs:GetQueueAttributes", "dead letters"),
    Permission("sns:ListSubscriptionsByTopic", "topic"),
    Permission("states:DescribeStateMachine", "machine"),
    Permission("states:ValidateStateMachineDefinition", "account"),
    Permission("iam:ListRolePolicies", "roles"),
    Permission("iam:GetRolePolicy", "roles"),
    Permission("iam:GetPolicy", "policies"),
    Permission("iam:GetPolicyVersion", "policies"),
    Permission("access-analyzer:ValidatePolicy", "account"),
)

_STATUS = (
    *(*_FIND, *_HISTORY, _ASK, Permission("cloudformation:ListStackResources", "stack")),
    *(Permission("scheduler:GetSchedule", "schedule"), Permission("cloudwatch:DescribeAlarms", "alarms")),
)

COMMANDS: dict[str, tuple[Permission, ...]] = {
    "status": _STATUS,
    "run": (*_STACK, *_START, *_RECEIPT),
    "watch": (*_FIND, *_RECEIPT),
    "estimate": (*_FIND, Permission("dynamodb:DescribeTable", "tables")),
    "runs": (*_FIND, _ASK),
    "show": (*_FIND, *_RECEIPT),
    "logs": (*_FIND, *_HISTORY, *_RESOURCES, Permission("logs:FilterLogEvents", "logs")),
    "locks": _WAREHOUSE,
    "explain": (),
    "redrive": (*_FIND, *_RECEIPT, Permission("states:RedriveExecution", "runs")),
    "stop": (*_FIND, Permission("states:StopExecution", "runs")),
    "rejects list": (*_FIND, *_REJECTS, _ASK),
    "rejects replay": (*_FIND, *_REJECTS),
    "verify": (
        *_WAREHOUSE,
        *_HISTORY,
        Permission("s3:GetObject", "raw"),
        Permission("dynamodb:Scan", "tables"),
        Permission("dynamodb:BatchGetItem", "tables"),
    ),
    "drift": _WAREHOUSE,
    "diff": _WAREHOUSE,
    "rollback": (*_WAREHOUSE, _CHANGE, Permission("sts:GetCallerIdentity", "account")),
    "doctor": _DOCTOR,
    "pause": _SCHEDULE,
    "resume": _SCHEDULE,
    "infer": (Permission("dynamodb:DescribeTable", "tables"), Permission("dynamodb:Scan", "tables")),
    "report": (*_FIND, *_RECEIPT),
    "config": _STACK,
}


def policy(commands: Iterable[str], without: Container[str] = ()) -> dict[str, Any]:
    """Return the least policy that the commands need: one statement per resource, except the resources left out."""
    needed: dict[str, set[str]] = {}
    for command in commands:
        for permission in COMMANDS[command]:
            needed.setdefault(permission.resource, set()).add(permission.action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": sorted(needed[name]), "Resource": arn} | _CONDITIONS.get(name, {})
            for name, arn in RESOURCES.items()
            if name in needed and name not in without
        ],
    }
