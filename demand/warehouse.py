"""Sends questions about the warehouse to the functions in the VPC, or directly to PostgreSQL."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from demand.config import Config
from demand.errors import named_error
from demand.stack import Stack
from demand_pipeline.contracts.event import CONTRACT
from demand_pipeline.contracts.operating.request import CHANGING, ActionName
from demand_pipeline.errors import PipelineError

_DIRECT_SECONDS = 3600.0  # the limit of a statement, since no function's time limit applies

type Ask = Callable[[Mapping[str, Any]], dict[str, Any]]


class Warehouse:
    """The warehouse, through a function or directly. Answers are the dataclasses of `contracts.operating`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def ask[Answer](self, kind: type[Answer], action: ActionName, **arguments: Any) -> Answer:
        """Ask for an action; the arguments have their names in the event.

        Raises DemandError, whose `kind` is the name of the function's error.
        """
        answer = self._ask({"contract": CONTRACT, "action": str(action), "arguments": arguments})
        found: Answer = _read(kind, answer)
        return found


def through_function(stack: Stack) -> Warehouse:
    """Ask the function in the VPC that carries out the action; raises DemandError if the stack has none."""

    def ask(event: Mapping[str, Any]) -> dict[str, Any]:
        name = function_name(stack, changing=event["action"] in CHANGING)
        answered = stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        payload: dict[str, Any] = json.loads(answered["Payload"].read())
        if answered.get("FunctionError"):
            raise named_error(payload.get("errorType", "Lambda.Unknown"), payload.get("errorMessage", "no answer"))
        return payload

    return Warehouse(ask)


def directly(stack: Stack, config: Config) -> Warehouse:
    """Ask PostgreSQL directly, with the reading function's settings and the user's credentials for the secret."""
    import boto3  # noqa: PLC0415 - half a second, which --help does not need

    from demand_pipeline.contracts.operating.request import OperateRequest  # noqa: PLC0415 - the same
    from demand_pipeline.observability import logger  # noqa: PLC0415 - the same
    from demand_pipeline.operate.answer import operate  # noqa: PLC0415 - the same
    from demand_pipeline.settings import PostgresSettings  # noqa: PLC0415 - the same

    described = stack.client("lambda").get_function_configuration(FunctionName=function_name(stack, changing=False))
    settings = PostgresSettings.from_env(described["Environment"]["Variables"])
    boto3.setup_default_session(profile_name=config.profile.value, region_name=stack.region)
    logger.setLevel("CRITICAL")  # its records go to standard output

    def ask(event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            received = json.loads(json.dumps(event))  # as a function gets it
            request = OperateRequest.from_event(received, changing=event["action"] in CHANGING)
            return operate(request, settings, _DIRECT_SECONDS)
        except PipelineError as error:
            raise named_error(type(error).__name__, str(error)) from error

    return Warehouse(ask)


def function_name(stack: Stack, *, changing: bool) -> str:
    """The name of the deployed function that changes, or reads; raises DemandError for a stack of an older version."""
    return stack.output("ChangeWarehouseName" if changing else "ReadWarehouseName")


def _read(kind: Any, value: Any) -> Any:
    """Convert JSON to the type that a dataclass of an answer declares."""
    if is_dataclass(kind):
        types = get_type_hints(kind)
        made: Any = kind
        return made(**{field.name: _read(types[field.name], value[field.name]) for field in fields(kind)})
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], element) for element in value)
    if get_origin(kind) is UnionType:
        [inner] = [option for option in get_args(kind) if option is not NoneType]
        return None if value is None else _read(inner, value)
    return kind(value) if isinstance(kind, type) and issubclass(kind, Enum) else value
