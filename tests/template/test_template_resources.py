"""The bucket, the schedule, the state machine and the alarms are as the design wants them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource

from demand_pipeline.builders import TABLES
from demand_pipeline.deadline import RESERVE_SECONDS
from demand_pipeline.observability import emit_metrics
from demand_pipeline.tables import camel_case
from tests.statemachine.harness import DEFINITION, SUBSTITUTIONS
from tests.template.loaded import (
    CONNECTED,
    FUNCTION_GLOBALS,
    FUNCTIONS,
    LOADING,
    OPERATING,
    PARAMETERS,
    ROOT,
    TEMPLATE,
    resources,
)

ALARMS = resources("AWS::CloudWatch::Alarm")
MACHINE = resources("AWS::Serverless::StateMachine")["DemandPipeline"]
(BUCKET,) = resources("AWS::S3::Bucket").values()
(SCHEDULE,) = resources("AWS::Scheduler::Schedule").values()


def test_the_staging_bucket_is_private() -> None:
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert BUCKET["PublicAccessBlockConfiguration"] == dict.fromkeys(blocks, True)
    assert BUCKET["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_the_staging_bucket_is_encrypted_with_s3s_key_or_ones_own() -> None:
    (rule,) = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    default = rule["ServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"]["Fn::If"] == ["HasStagingKey", "aws:kms", "AES256"]
    assert default["KMSMasterKeyID"]["Fn::If"][1] == {"Ref": "StagingKmsKeyArn"}


def test_the_staging_bucket_is_reached_over_tls_only() -> None:
    (policy,) = resources("AWS::S3::BucketPolicy").values()
    assert policy["Bucket"] == {"Ref": "StagingBucket"}
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": False}}
    assert len(statement["Resource"]) == 2


def test_what_nobody_reads_any_more_expires() -> None:
    rules = {rule.get("Prefix"): rule for rule in BUCKET["LifecycleConfiguration"]["Rules"]}
    assert {rule["Status"] for rule in rules.values()} == {"Enabled"}
    for prefix in ("runs/", "exports/"):
        assert rules[prefix]["ExpirationInDays"] == {"Ref": "StagingRetentionDays"}
    assert rules[None]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "VersioningConfiguration" not in BUCKET


def test_a_start_that_cannot_be_delivered_soon_goes_to_the_dead_letters() -> None:
    target = SCHEDULE["Target"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 900, "MaximumRetryAttempts": 3}
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["ScheduleDeadLetters", "Arn"]}
    assert target["Arn"] == {"Ref": "DemandPipeline"}
    assert target["Input"] == "{}"
    assert SCHEDULE["State"] == {"Ref": "ScheduleState"}


def test_the_state_machine_is_traced_and_logs_errors_without_payloads() -> None:
    assert MACHINE["Type"] == "STANDARD"
    assert MACHINE["Tracing"] == {"Enabled": True}
    assert (MACHINE["Logging"]["Level"], MACHINE["Logging"]["IncludeExecutionData"]) == ("ERROR", False)
    group = resources("AWS::Logs::LogGroup")["DemandPipelineLogs"]
    assert group["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/states/")
    assert group["RetentionInDays"] == {"Ref": "LogRetentionInDays"}


def test_every_substitution_of_the_definition_is_made_and_no_other() -> None:
    used = set(re.findall(r"\$\{(\w+)\}", DEFINITION.read_text()))
    assert set(MACHINE["DefinitionSubstitutions"]) == used


@pytest.mark.parametrize("name", [name for name in SUBSTITUTIONS if name in PARAMETERS])
def test_the_state_machine_is_tested_with_the_defaults_it_is_deployed_with(name: str) -> None:
    assert MACHINE["DefinitionSubstitutions"][name] == {"Ref": name}
    assert str(PARAMETERS[name]["Default"]) == str(SUBSTITUTIONS[name])


def test_the_state_machines_name_tells_stacks_apart_and_is_never_used_again() -> None:
    """Step Functions: up to 80 characters; a machine is deleted some time after its stack."""
    text, names = MACHINE["Name"]["Fn::Sub"]
    assert text == "demand-pipeline-${Environment}-${Id}"
    uuid = {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}
    assert names == {"Id": {"Fn::Select": [4, {"Fn::Split": ["-", uuid]}]}}
    longest = "demand-pipeline-" + "e" * 20 + "-" + ["51af3dc0", "da77", "11e4", "872e", "1234567db123"][4]
    assert re.search(PARAMETERS["Environment"]["AllowedPattern"], "e" * 20)
    assert len(longest) <= 80


def explicit_names() -> Iterator[tuple[str, str]]:
    """The type and the name of every resource that the template, or SAM by itself, does not leave to CloudFormation."""
    for resource in TEMPLATE["Resources"].values():
        kind = resource["Type"].rpartition(":")[2].removesuffix("Version")
        for field in ("Name", f"{kind}Name"):
            if field in resource["Properties"]:
                yield resource["Type"], json.dumps(resource["Properties"][field])
        if kind == "Layer":  # SAM names a layer after its logical id
            assert "LayerName" in resource["Properties"]


def global_kinds() -> set[str]:
    """The kinds of resources whose ARN has no region, so that their names count in a whole account or everywhere."""
    services = load_resource(AdditionalSpecs, "Policies.json").items()
    return {
        f"{service}:{kind}"
        for service, known in services
        for kind, details in known["Resources"].items()
        if any(arn.split(":")[3] == "" for arn in details["ARNFormats"])
    }


def test_every_name_tells_stacks_apart_in_all_of_its_scope() -> None:
    names = dict(explicit_names())
    assert {"AWS::CloudWatch::Dashboard", "AWS::Serverless::LayerVersion", "AWS::Logs::LogGroup"} <= set(names)
    wide = global_kinds()
    assert {"cloudwatch:dashboard", "iam:role", "s3:bucket"} <= wide
    for kind, name in explicit_names():
        assert "AWS::StackName" in name or "AWS::StackId" in name, kind
        if ":".join(kind.lower().split("::")[1:]) in wide:
            assert "AWS::Region" in name or "AWS::StackId" in name, kind


def test_the_tables_may_be_another_accounts() -> None:
    for name in [camel_case(table.source) for table in TABLES.values()]:
        arn, names = MACHINE["DefinitionSubstitutions"][f"{name}TableArn"]["Fn::Sub"]
        assert arn.endswith(f":${{Account}}:table/${{{name}Table}}")
        assert names["Account"]["Fn::If"][1:] == [{"Ref": "SourceAccountId"}, {"Ref": "AWS::AccountId"}]


def test_there_is_an_alarm_for_every_way_in_which_the_warehouse_grows_old() -> None:
    assert {(alarm["Namespace"], alarm["MetricName"]) for alarm in ALARMS.values()} == {
        ("AWS/States", "ExecutionsFailed"),
        ("AWS/States", "ExecutionsTimedOut"),
        ("AWS/States", "ExecutionsAborted"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("DemandPipeline", "TableRefreshed"),
        ("DemandPipeline", "AttributesDrifted"),
        ("DemandPipeline", "TableShrunk"),
        ("AWS/Lambda", "Throttles"),
        ("AWS/Lambda", "Duration"),
    }
    for alarm in ALARMS.values():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
        assert alarm["AlarmDescription"]


def test_every_function_of_a_run_has_an_alarm_on_throttles_and_those_that_can_run_out_of_time_another() -> None:
    of_a_run = set(FUNCTIONS) - set(OPERATING)
    assert {name for name in of_a_run if f"Throttled{name}Alarm" in ALARMS} == of_a_run
    for name in LOADING:
        alarm = ALARMS[f"Slow{name}Alarm"]
        assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": name}}]
        usable = (FUNCTION_GLOBALS["Timeout"] - RESERVE_SECONDS) * 1000
        assert usable * 0.8 < alarm["Threshold"] < usable * 0.9


def test_a_daily_run_that_takes_as_long_as_the_largest_documented_one_is_no_alarm() -> None:
    """Runs count when they commit, by whole hours; a day has 25 hours when summer time ends."""
    hours = [
        float(text) for text in re.findall(r"\*\*([\d.]+) hours\*\*", (ROOT / "docs" / "cost.md").read_text("utf-8"))
    ]
    assert int(PARAMETERS["MaxHoursWithoutSuccess"]["Default"]) >= 25 + max(hours) + 1


@pytest.mark.parametrize("table", TABLES)
def test_a_table_without_a_committed_load_is_an_alarm_unless_nothing_is_scheduled(table: str) -> None:
    """Not on executions that succeeded: dry runs, capped runs and runs of other tables succeed as well."""
    alarm = ALARMS[f"NoSuccess{camel_case(table)}Alarm"]
    assert {"Name": "table", "Value": table} in alarm["Dimensions"]
    assert {"Name": "stack", "Value": {"Ref": "AWS::StackName"}} in alarm["Dimensions"]
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, {"Ref": "MaxHoursWithoutSuccess"})
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["ActionsEnabled"]["Fn::If"] == ["IsScheduled", True, False]
    # CloudWatch: an alarm looks back over a week at most.
    hours = re.compile(PARAMETERS["MaxHoursWithoutSuccess"]["AllowedPattern"])
    assert max(hour for hour in range(1000) if hours.search(str(hour))) * 3600 == 7 * 24 * 3600


def test_the_alarms_dimensions_are_those_of_the_metric_that_a_load_emits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudWatch: a metric with another set of dimensions is another metric."""
    monkeypatch.setenv("STACK_NAME", "demand-pipeline-test")
    table = next(iter(TABLES))
    emit_metrics(table, TableRefreshed=1)
    emitted = json.loads(capsys.readouterr().out)
    (metric,) = emitted["_aws"]["CloudWatchMetrics"]
    (dimensions,) = metric["Dimensions"]
    alarm = ALARMS[f"NoSuccess{camel_case(table)}Alarm"]
    assert (metric["Namespace"], metric["Metrics"][0]["Name"]) == (alarm["Namespace"], alarm["MetricName"])
    values = {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
    assert set(values) == set(dimensions)
    assert values | {"stack": "demand-pipeline-test"} == {name: emitted[name] for name in dimensions}


def test_console_links_lead_to_the_partitions_own_console() -> None:
    assert {name: host["Host"] for name, host in TEMPLATE["Mappings"]["Console"].items()} == {
        "aws": "console.aws.amazon.com",
        "aws-cn": "console.amazonaws.cn",
        "aws-us-gov": "console.amazonaws-us-gov.com",
        "aws-eusc": "console.amazonaws-eusc.eu",
    }
    written = json.dumps({key: value for key, value in TEMPLATE.items() if key not in ("Mappings", "Parameters")})
    assert re.findall(r"arn:aws:|console\.aws", written) == []


def test_alarms_and_events_may_publish_to_the_encrypted_topic() -> None:
    assert resources("AWS::SNS::Topic")["AlarmTopic"]["KmsMasterKeyId"] == {"Ref": "AlarmKey"}
    key, topic = (policy_of("AWS::KMS::Key", "KeyPolicy"), policy_of("AWS::SNS::TopicPolicy", "PolicyDocument"))
    for service in ("cloudwatch.amazonaws.com", "events.amazonaws.com"):
        assert key[service]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
        assert topic[service]["Action"] == "sns:Publish"
    # EventBridge: a topic's policy may have no condition, and no source comes with its requests to KMS.
    assert "Condition" not in topic["events.amazonaws.com"]
    assert "Condition" not in key["events.amazonaws.com"]
    assert "Condition" in topic["cloudwatch.amazonaws.com"]


def policy_of(kind: str, field: str) -> dict[str, Any]:
    """The statements of the only resource of a kind, by the service they are for."""
    (properties,) = resources(kind).values()
    return {s["Principal"]["Service"]: s for s in properties[field]["Statement"] if "Service" in s["Principal"]}


def test_the_template_reads_from_the_top_down() -> None:
    order = ["Metadata", "Parameters", "Mappings", "Rules", "Conditions", "Globals", "Resources", "Outputs"]
    assert [section for section in TEMPLATE if section in order] == order
    names = list(TEMPLATE["Resources"])
    functions = [name for name in TEMPLATE["Resources"] if TEMPLATE["Resources"][name]["Type"].endswith("Function")]
    transforms = [f"Transform{camel_case(name)}" for name in TABLES]
    assert functions == ["ScanSegment", *transforms, *CONNECTED]
    way = ["Schedule", "DemandPipeline", "StagingBucket", "SharedLayer", *functions]
    assert [name for name in names if name in way] == way
    for name in functions:
        assert names[names.index(name) + 1] == f"{name}Logs"


def test_the_roles_that_another_account_must_allow_are_outputs() -> None:
    for name in ("ScanSegmentRole", "DemandPipelineRole"):
        assert TEMPLATE["Outputs"][f"{name}Arn"]["Value"] == {"Fn::GetAtt": [name, "Arn"]}
