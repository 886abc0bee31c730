"""Checks of KMS keys: each is enabled, and listed in the parameter that grants the run's roles access."""

from collections.abc import Iterator

from demand.doctor.finding import failure, ok
from demand.stack import Stack
from demand_pipeline.contracts.operating.check import Finding


def key_finding(stack: Stack, subject: str, key: str, parameter: str) -> Iterator[Finding]:
    """Check the key of a table, a secret or the bucket. AWS managed keys need no permission within their account."""
    described = stack.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    arn, state = described["Arn"], described["KeyState"]
    if described["KeyManager"] == "AWS":
        if described["AWSAccountId"] == stack.state_machine.split(":")[4]:
            yield ok(subject, "encrypted with an AWS managed key")
        else:
            message = "encrypted with another account's AWS managed key, which cannot be shared"
            yield failure(subject, message, "use a customer managed key (docs/deploy.md)")
    elif state != "Enabled":
        yield failure(subject, f"the key {arn} is {state}", "enable the key")
    elif arn not in stack.parameters.get(parameter, "").split(","):
        yield failure(subject, f"the key {arn} is not in {parameter}", f"add it to {parameter} and deploy")
    else:
        yield ok(subject, f"the key {arn} is enabled and in {parameter}")
