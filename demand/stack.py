"""The deployed stack: its outputs and resources, from CloudFormation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from demand.aws import Clients
from demand.config import Config
from demand.errors import DemandError, error_code, error_message

_STATE_MACHINE = "StateMachineArn"  # an output that marks a stack of this project


@dataclass(frozen=True)
class Resource:
    """A resource of the stack."""

    logical_id: str
    type: str
    physical_id: str


@dataclass(frozen=True)
class Stack:
    """A deployed stack; `client` returns AWS clients for it."""

    name: str
    region: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    client: Callable[[str], Any]

    @property
    def state_machine(self) -> str:
        """The state machine's ARN."""
        return self.outputs[_STATE_MACHINE]

    def output(self, name: str) -> str:
        """One output by its name; raises DemandError for a stack that was deployed from an older version."""
        if name in self.outputs:
            return self.outputs[name]
        message = f"stack {self.name} in {self.region} has no output {name}"
        raise DemandError("UnknownOutput", message, "deploy this version (docs/deploy.md)")

    @property
    def place(self) -> str:
        """The place of a change, as text."""
        account = self.state_machine.split(":")[4]
        names = {"environment": "Environment", "strategy": "LoadStrategy"}
        known = [f"{word} {self.parameters[name]}" for word, name in names.items() if self.parameters.get(name)]
        return ", ".join([f"stack {self.name}", f"account {account}", f"region {self.region}", *known])

    @property
    def staging_bucket(self) -> str:
        """The staging bucket's name."""
        return self.outputs["StagingBucketName"]

    def resources(self, kind: str) -> tuple[Resource, ...]:
        """The stack's resources of a type, such as `AWS::Logs::LogGroup`."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        found = [entry for page in pages for entry in page["StackResourceSummaries"] if entry["ResourceType"] == kind]
        return tuple(
            Resource(entry["LogicalResourceId"], entry["ResourceType"], entry["PhysicalResourceId"]) for entry in found
        )

    def resource(self, logical_id: str, kind: str) -> Resource:
        """One resource by its logical id; raises DemandError if the stack has none."""
        for found in self.resources(kind):
            if found.logical_id == logical_id:
                return found
        raise DemandError("UnknownResource", f"stack {self.name} in {self.region} has no {kind} {logical_id}")


def find_stack(config: Config, clients: Clients) -> Stack:
    """Ask CloudFormation for the configured stack; raises DemandError, which lists the existing stacks."""
    name = config.stack_name
    cloudformation = clients("cloudformation")
    region = str(clients.region)
    try:
        [described] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error_code(error) == "ValidationError" and "does not exist" in error_message(error):
            place = f"{region}, {config.endpoint.value}" if config.endpoint.value else region
            found = f"no stack {name!r} in {place} ({config.stack.source}, region from {config.region.source})"
            raise DemandError("UnknownStack", f"{found}; {_existing(cloudformation)}", "demand config") from None
        raise
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", ())}
    if _STATE_MACHINE not in outputs:
        message = f"stack {name!r} in {region} is {described['StackStatus']} and has no output {_STATE_MACHINE}"
        raise DemandError("NotDeployed", message, "deploy it (docs/deploy.md), or name a different stack")
    parameters = {entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in described.get("Parameters", ())}
    return Stack(name, region, outputs, parameters, clients)


def _existing(cloudformation: Any) -> str:
    """The stacks of this project there, if the user may list stacks."""
    try:
        pages = cloudformation.get_paginator("describe_stacks").paginate()
        stacks = [stack for page in pages for stack in page["Stacks"]]
    except ClientError:
        return "the stacks there cannot be listed (cloudformation:DescribeStacks)"
    names = [
        stack["StackName"]
        for stack in stacks
        if any(output["OutputKey"] == _STATE_MACHINE for output in stack.get("Outputs", ()))
    ]
    return f"existing stacks: {', '.join(sorted(names))}" if names else "there is no stack of this project"
