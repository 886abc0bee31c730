"""The bucket, the schedule, the state machine and the alarms are as the design wants them."""

import re
from typing import Any

import pytest

from tests.statemachine.harness import DEFINITION, SUBSTITUTIONS
from tests.template.loaded import PARAMETERS, TEMPLATE, resources

ALARMS = resources("AWS::CloudWatch::Alarm")
(MACHINE,) = resources("AWS::Serverless::StateMachine").values()
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


@pytest.mark.parametrize("name", [name for name in SUBSTITUTIONS if not name.endswith("Arn")])
def test_the_state_machine_is_tested_with_the_defaults_it_is_deployed_with(name: str) -> None:
    assert MACHINE["DefinitionSubstitutions"][name] == {"Ref": name}
    assert PARAMETERS[name]["Default"] == SUBSTITUTIONS[name]


def test_the_tables_may_be_another_accounts() -> None:
    for name in ("Documents", "Metadata", "Templates", "Audit"):
        arn, names = MACHINE["DefinitionSubstitutions"][f"{name}TableArn"]["Fn::Sub"]
        assert arn.endswith(f":${{Account}}:table/${{{name}Table}}")
        assert names["Account"]["Fn::If"][1:] == [{"Ref": "SourceAccountId"}, {"Ref": "AWS::AccountId"}]


def test_there_is_an_alarm_for_every_way_in_which_the_warehouse_grows_old() -> None:
    assert {alarm["MetricName"] for alarm in ALARMS.values()} == {
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
        "ExecutionsSucceeded",
        "ApproximateNumberOfMessagesVisible",
    }
    for alarm in ALARMS.values():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
        assert alarm["AlarmDescription"]


def test_a_day_without_a_success_is_an_alarm_unless_nothing_is_scheduled() -> None:
    alarm = ALARMS["NoSuccessAlarm"]
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (3600, {"Ref": "MaxHoursWithoutSuccess"})
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["ActionsEnabled"]["Fn::If"] == ["IsScheduled", True, False]
    # CloudWatch: an alarm looks back over a week at most.
    assert PARAMETERS["MaxHoursWithoutSuccess"]["MaxValue"] * 3600 == 7 * 24 * 3600


def test_a_run_that_does_not_succeed_is_told_of_with_its_name_and_error() -> None:
    (rule,) = resources("AWS::Events::Rule").values()
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [{"Ref": "DemandPipeline"}], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Ref": "AlarmTopic"}
    transformer = target["InputTransformer"]
    assert set(re.findall(r"<(\w+)>", transformer["InputTemplate"])) == set(transformer["InputPathsMap"])
    assert all(line[0] == line[-1] == '"' for line in transformer["InputTemplate"].splitlines())


def test_alarms_and_events_may_publish_to_the_encrypted_topic() -> None:
    assert resources("AWS::SNS::Topic")["AlarmTopic"]["KmsMasterKeyId"] == {"Ref": "AlarmKey"}
    key, topic = (policy_of("AWS::KMS::Key", "KeyPolicy"), policy_of("AWS::SNS::TopicPolicy", "PolicyDocument"))
    for service in ("cloudwatch.amazonaws.com", "events.amazonaws.com"):
        assert key[service]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
        assert topic[service]["Action"] == "sns:Publish"
        assert "Condition" in topic[service]
    # EventBridge sends no source with its requests to KMS.
    assert "Condition" not in key["events.amazonaws.com"]


def policy_of(kind: str, field: str) -> dict[str, Any]:
    """The statements of the only resource of a kind, by the service they are for."""
    (properties,) = resources(kind).values()
    return {s["Principal"]["Service"]: s for s in properties[field]["Statement"] if "Service" in s["Principal"]}


def test_the_template_reads_from_the_top_down() -> None:
    order = ["Metadata", "Parameters", "Rules", "Conditions", "Globals", "Resources", "Outputs"]
    assert [section for section in TEMPLATE if section in order] == order
    names = list(TEMPLATE["Resources"])
    way = [
        "Schedule",
        "DemandPipeline",
        "StagingBucket",
        "SharedLayer",
        "ScanSegment",
        "TransformCases",
        "LoadWarehouse",
    ]
    assert [name for name in names if name in way] == way
    for name in (
        "ScanSegment",
        "TransformCases",
        "TransformMetadata",
        "TransformTemplates",
        "TransformAudit",
        "LoadWarehouse",
    ):
        assert names[names.index(name) + 1] == f"{name}Logs"
