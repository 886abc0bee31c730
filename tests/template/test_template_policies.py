"""Least privilege: what each role may do, to what, in full."""

from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from tests.template.loaded import CONNECTED, LOADING, OPERATING, TEMPLATE, listed, named, resources, statements

SOURCES = [
    f"arn:${{AWS::Partition}}:dynamodb:${{AWS::Region}}:${{Account}}:table/${{{camel_case(table.source)}Table}}"
    for table in TABLES.values()
]
BUCKET = "${StagingBucket.Arn}"


def logging_to(name: str) -> dict[str, list[str]]:
    return {action: [f"{name}Logs.Arn"] for action in ("logs:CreateLogStream", "logs:PutLogEvents")}


def writing_to(*places: str) -> dict[str, list[str]]:
    return {action: list(places) for action in ("s3:PutObject", "s3:AbortMultipartUpload")}


STAGING_KEY = {action: ["StagingKmsKeyArn"] for action in ("kms:Decrypt", "kms:GenerateDataKey")}


def transforming(table: str) -> dict[str, list[str]]:
    return {
        "s3:GetObject": [f"{BUCKET}/runs/*/raw/{table}/*"],
        "s3:ListBucket": ["StagingBucket.Arn"],
        **writing_to(*(f"{BUCKET}/runs/*/{kind}/{table}/*" for kind in ("staged", "rejects", "drift"))),
        **logging_to(TRANSFORMS[table]),
        **STAGING_KEY,
    }


TRANSFORMS = {name: f"Transform{camel_case(name)}" for name in TABLES}
TRACING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
LOG_DELIVERY = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
# Actions that AWS gives on no narrower resource.
WITHOUT_RESOURCE = {
    "DemandPipelineRole": {*LOG_DELIVERY, *TRACING, "xray:GetSamplingRules", "xray:GetSamplingTargets"},
    "RepairRunRole": LOG_DELIVERY,
    **{f"{name}Role": TRACING for name in ("ScanSegment", *TRANSFORMS.values(), *CONNECTED)},
    "WarehouseAccess": {
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    },
}
GRANTS = {
    "ScheduleRole": {
        "states:StartExecution": ["DemandPipeline"],
        "sqs:SendMessage": ["ScheduleDeadLetters.Arn"],
    },
    "RunRepairRuleRole": {"states:StartExecution": ["RepairRun"]},
    "RepairRunRole": {
        **{
            f"states:{action}": [
                "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:${DemandPipeline.Name}:*"
            ]
            for action in ("DescribeExecution", "GetExecutionHistory", "RedriveExecution")
        },
        "states:ListExecutions": ["DemandPipeline"],
        "sns:Publish": ["AlarmTopic"],
        **{action: ["AlarmKey.Arn"] for action in STAGING_KEY},
    },
    "DemandPipelineRole": {
        "lambda:InvokeFunction": [f"{name}.Arn" for name in ("ScanSegment", *TRANSFORMS.values(), *LOADING)],
        "dynamodb:DescribeTable": SOURCES,
    },
    "ScanSegmentRole": {
        "dynamodb:Scan": SOURCES,
        **writing_to(f"{BUCKET}/runs/*/raw/*"),
        **logging_to("ScanSegment"),
        **STAGING_KEY,
        "kms:Decrypt": ["StagingKmsKeyArn", "KmsKeyArns"],
    },
    **{f"{name}Role": transforming(table) for table, name in TRANSFORMS.items()},
    "CopyChunkRole": {
        "s3:GetObject": [f"{BUCKET}/runs/*/staged/*", f"{BUCKET}/runs/*/rejects/*", f"{BUCKET}/runs/*/drift/*"],
        "s3:ListBucket": ["StagingBucket.Arn"],
        **logging_to("CopyChunk"),
        "kms:Decrypt": ["StagingKmsKeyArn"],
    },
    "LoadWarehouseRole": {
        "s3:GetObject": [f"{BUCKET}/runs/*/staged/*", f"{BUCKET}/runs/*/rejects/*", f"{BUCKET}/runs/*/drift/*"],
        "s3:ListBucket": ["StagingBucket.Arn"],
        **writing_to(f"{BUCKET}/exports/*"),
        **logging_to("LoadWarehouse"),
        **STAGING_KEY,
    },
    **{f"{name}Role": logging_to(name) for name in OPERATING},
    "WarehouseAccess": {
        "secretsmanager:GetSecretValue": ["PostgresSecretArn", "PostgresTlsRootSecretArn"],
        "kms:Decrypt": ["KmsKeyArns"],
    },
}


def granted(holder: str, *, to_all: bool) -> dict[str, list[str]]:
    """The actions of a role or policy and what they are for; `to_all`: those on `*`."""
    found: dict[str, list[str]] = {}
    for name, statement in statements():
        places = [spelled(place) for place in listed(statement["Resource"])]
        if name == holder and ("*" in places) is to_all:
            found |= {action: found.get(action, []) + places for action in listed(statement["Action"])}
    return found


def spelled(place: Any) -> str:
    if isinstance(place, dict) and "Fn::Split" in place:
        return str(place["Fn::Split"][1]["Ref"])
    return named(place)


@pytest.mark.parametrize("holder", GRANTS)
def test_a_role_may_do_what_it_must_and_nothing_else(holder: str) -> None:
    assert granted(holder, to_all=False) == GRANTS[holder]


@pytest.mark.parametrize("holder", WITHOUT_RESOURCE)
def test_only_what_aws_gives_on_no_resource_is_given_on_all(holder: str) -> None:
    assert set(granted(holder, to_all=True)) == WITHOUT_RESOURCE[holder]


def test_no_other_role_or_policy_exists() -> None:
    assert {name for name, _ in statements()} == {*GRANTS, *WITHOUT_RESOURCE}
    inline = [name for name, resource in TEMPLATE["Resources"].items() if "Policies" in resource["Properties"]]
    assert set(inline) == set(resources("AWS::IAM::Role"))


def test_the_roles_of_the_functions_that_connect_to_postgresql_share_the_policy_for_it() -> None:
    managed = {name: role.get("ManagedPolicyArns") for name, role in resources("AWS::IAM::Role").items()}
    expected = {f"{name}Role": [{"Ref": "WarehouseAccess"}] for name in CONNECTED}
    assert {name: policies for name, policies in managed.items() if policies} == expected


def test_a_key_is_used_only_through_the_service_whose_data_it_encrypts() -> None:
    services = {
        ("ScanSegmentRole", "KmsKeyArns"): "dynamodb",
        ("WarehouseAccess", "KmsKeyArns"): "secretsmanager",
        ("RepairRunRole", "AlarmKey.Arn"): "sns",
    }
    found = [
        (services.get((name, spelled(s["Resource"])), "s3"), s["Condition"])
        for name, s in statements()
        if "kms:Decrypt" in listed(s["Action"])
    ]
    assert len(found) == len(TABLES) + 6
    for service, condition in found:
        via = {"Fn::Sub": f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"}
        assert condition == {"StringEquals": {"kms:ViaService": via}}


def test_network_rights_outlive_the_vpc_settings_by_one_deployment() -> None:
    """Lambda removes a function's network interfaces with the function's own role, after it left the VPC."""
    (rights,) = [
        s["Fn::If"][0]
        for s in resources("AWS::IAM::ManagedPolicy")["WarehouseAccess"]["PolicyDocument"]["Statement"]
        if "ec2:DeleteNetworkInterface" in str(s)
    ]
    subnets, groups = TEMPLATE["Conditions"]["IsInVpc"]["Fn::And"]
    assert (rights, groups) == ("HasSecurityGroups", {"Condition": "HasSecurityGroups"})
    assert TEMPLATE["Conditions"][rights] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SecurityGroupIds"}, ""]}]}
    assert subnets == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SubnetIds"}, ""]}]}


def test_no_action_is_a_wildcard() -> None:
    actions = [action for _, statement in statements() for action in listed(statement["Action"])]
    assert [action for action in actions if "*" in action] == []


def test_a_key_that_is_missing_can_be_told_from_one_that_is_forbidden() -> None:
    listing = [(name, s["Condition"]) for name, s in statements() if "s3:ListBucket" in listed(s["Action"])]
    assert [name for name, _ in listing] == [f"{name}Role" for name in (*TRANSFORMS.values(), *LOADING)]
    # GetObject has no prefix, which StringLike would take for a mismatch.
    assert all(condition == {"StringLikeIfExists": {"s3:prefix": "runs/*"}} for _, condition in listing)


def test_roles_are_for_the_services_that_use_them_in_this_account() -> None:
    trusted = {
        name: role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        for name, role in resources("AWS::IAM::Role").items()
    }
    functions = {f"{name}Role": "lambda.amazonaws.com" for name in ("ScanSegment", *TRANSFORMS.values(), *CONNECTED)}
    assert trusted == {
        "ScheduleRole": "scheduler.amazonaws.com",
        "DemandPipelineRole": "states.amazonaws.com",
        "RepairRunRole": "states.amazonaws.com",
        "RunRepairRuleRole": "events.amazonaws.com",
        **functions,
    }
    for name in set(trusted) - set(functions):
        statement = resources("AWS::IAM::Role")[name]["AssumeRolePolicyDocument"]["Statement"][0]
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
