"""Checks of the secrets, the bucket's retention, the schedule, and the subscribers of the alarms."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from demand.doctor.finding import failure, made, ok, skipped, warning
from demand.doctor.keys import key_finding
from demand.errors import error_code
from demand.stack import Stack
from demand_pipeline.contracts.operating.check import Finding

_SECRETS = ("PostgresSecretArn", "PostgresTlsRootSecretArn")
_RUNS = "runs/"
# A run takes up to a day, can be redriven within 14 days, and then takes up to another day: template.yaml.
# A deployment alone restores nothing, because CloudFormation compares templates.
_RESTORE = "restore the template's rule (docs/deploy.md, What was changed by hand)"
_REDRIVE_DAYS = 17
_AWS_KEY = "alias/aws/secretsmanager"


def secrets(stack: Stack) -> Iterator[Finding]:
    """The secrets exist. The check of the warehouse uses their content."""
    for parameter in _SECRETS:
        if arn := stack.parameters.get(parameter, ""):
            yield from made(f"secret {parameter}", lambda parameter=parameter, arn=arn: _secret(stack, parameter, arn))  # type: ignore[misc]


def _secret(stack: Stack, parameter: str, arn: str) -> Iterator[Finding]:
    subject = f"secret {parameter}"
    try:
        described = stack.client("secretsmanager").describe_secret(SecretId=arn)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        yield failure(subject, f"{arn} does not exist", f"create the secret (docs/deploy.md) and set {parameter}")
        return
    if described.get("DeletedDate"):
        action = f"aws secretsmanager restore-secret --secret-id {arn}"
        yield failure(subject, f"{described['Name']} is being deleted", action)
        return
    yield ok(subject, f"{described['Name']} exists")
    key = described.get("KmsKeyId", "")
    if key and not key.endswith(_AWS_KEY):
        yield from key_finding(stack, subject, key, "KmsKeyArns")


def retention(stack: Stack) -> Iterator[Finding]:
    """Chunks are kept for as long as a run can be redriven."""
    bucket, subject = stack.staging_bucket, "retention"
    try:
        rules = stack.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        code = error_code(error)
        if code == "NoSuchBucket":
            yield failure(subject, f"the bucket {bucket} does not exist", _RESTORE)
            return
        if code != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    if not rules and "amazonaws" not in stack.client("s3").meta.endpoint_url:
        yield skipped(subject, "not AWS S3: lifecycle rules are not supported here")
        return
    days = [rule["Expiration"]["Days"] for rule in rules if rule["Status"] == "Enabled" and _expires_runs(rule)]
    if not days:
        message = f"no rule of {bucket} deletes old chunks"
        yield warning(subject, message, _RESTORE)
    elif min(days) < _REDRIVE_DAYS:
        message = f"{bucket} keeps chunks for {min(days)} days; a run takes up to a day and can be redriven for 14 days"
        yield warning(subject, message, f"set StagingRetentionDays to {_REDRIVE_DAYS} or more")
    else:
        yield ok(subject, f"{bucket} keeps chunks for {min(days)} days")
    if key := stack.parameters.get("StagingKmsKeyArn", ""):
        yield from made(subject, lambda: key_finding(stack, subject, key, "StagingKmsKeyArn"))


def _expires_runs(rule: object) -> bool:
    found = dict(rule) if isinstance(rule, dict) else {}
    prefix = found.get("Prefix", found.get("Filter", {}).get("Prefix", ""))
    return "Days" in found.get("Expiration", {}) and _RUNS.startswith(prefix)


def schedule(stack: Stack) -> Iterator[Finding]:
    """The schedule is in its deployed state, and no scheduled start was lost."""
    name = stack.resource("Schedule", "AWS::Scheduler::Schedule").physical_id
    found = stack.client("scheduler").get_schedule(Name=name)
    deployed = stack.parameters.get("ScheduleState", "ENABLED")
    when = f"{found['ScheduleExpression']}, {found.get('ScheduleExpressionTimezone', 'UTC')}"
    if found["State"] == deployed:
        yield ok("schedule", when if deployed == "ENABLED" else "disabled, as deployed; runs are started by hand")
    elif deployed == "ENABLED":
        yield warning("schedule", "paused: no run starts automatically", "demand resume")
    else:
        yield warning("schedule", f"enabled ({when}), but deployed as DISABLED", "demand pause, or set ScheduleState")
    yield from made("schedule", lambda: _lost_starts(stack))


def _lost_starts(stack: Stack) -> Iterator[Finding]:
    url, counted = stack.output("ScheduleDeadLettersUrl"), "ApproximateNumberOfMessages"
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[counted])
    if waiting := int(answer["Attributes"][counted]):
        message = f"{waiting} scheduled runs could not be started"
        yield warning("schedule", message, f"read the messages in {url}, start a run, then delete the messages")


def alarms(stack: Stack) -> Iterator[Finding]:
    """The alarm topic has a confirmed subscriber."""
    topic = stack.output("AlarmTopicArn")
    pages = stack.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    found = [subscription for page in pages for subscription in page["Subscriptions"]]
    pending = [entry["Endpoint"] for entry in found if not entry["SubscriptionArn"].startswith("arn:")]
    # A deployment does not restore a subscription that has lapsed.
    again = f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint"
    if pending:
        message = f"not confirmed: {', '.join(pending)}"
        yield warning(
            "alarms", message, f"follow the link in the e-mail from SNS; if it has expired: {again} {pending[0]}"
        )
    elif found:
        yield ok("alarms", f"{len(found)} confirmed subscriptions")
    elif stack.parameters.get("ScheduleState") == "DISABLED":
        yield ok("alarms", "the alarm topic has no subscribers; runs are started by hand")
    else:
        address = stack.parameters.get("AlarmEmail")
        action = f"{again} {address}" if address else "set AlarmEmail and deploy"
        yield warning("alarms", "the alarm topic has no subscribers, so failed runs are not reported", action)
