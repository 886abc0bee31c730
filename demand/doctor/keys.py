"""Keys of KMS: enabled, and named in the parameter that gives the run's roles their permission."""

from collections.abc import Iterator

from demand.doctor.finding import failure, ok
from demand.stack import Stack
from demand_pipeline.contracts.operating.check import Finding


def key_finding(stack: Stack, subject: str, key: str, parameter: str) -> Iterator[Finding]:
    """Look at the key of a table, a secret or the bucket. AWS's own keys need no permission within their account."""
    described = stack.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    arn, state = described["Arn"], described["KeyState"]
    if described["KeyManager"] == "AWS":
        if described["AWSAccountId"] == stack.state_machine.split(":")[4]:
            yield ok(subject, "encrypted with AWS's own key")
        else:
            message = "encrypted with an AWS managed key of another account, which nobody else can be given"
            yield failure(subject, message, "encrypt it with a customer managed key (docs/deploy.md)")
    elif state != "Enabled":
        yield failure(subject, f"its key {arn} is {state}", "enable the key")
    elif arn not in stack.parameters.get(parameter, "").split(","):
        yield failure(subject, f"its key {arn} is not in {parameter}", f"add it to {parameter}, and deploy")
    else:
        yield ok(subject, f"its key {arn} is enabled and in {parameter}")
