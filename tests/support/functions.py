"""The functions as Lambda calls them."""

import importlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.tables import camel_case

UNLIMITED = Deadline(lambda: 900_000)
OUT_OF_TIME = Deadline(lambda: int(RESERVE_SECONDS * 1000))
MODULES = {
    "ScanSegment": "scan_segment",
    **{f"Transform{camel_case(name)}": "transform" for name in TABLES},
    "CopyChunk": "copy_chunk",
    "LoadWarehouse": "load_warehouse",
    "ReadWarehouse": "read_warehouse",
    "ChangeWarehouse": "change_warehouse",
}
# All but those that operators' commands call.
OF_A_RUN = list(MODULES)[:-2]

type Handler = Callable[[dict[str, Any], Any], Any]


@dataclass
class Context:
    """The part of Lambda's context that the functions use."""

    function_name: str = "function"
    milliseconds: int = 900_000
    memory_limit_in_mb: int = 512
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:eu-west-1:123456789012:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def handler(module: str) -> Handler:
    found: Handler = importlib.import_module(f"functions.{module}.app").lambda_handler
    return found


def handlers() -> dict[str, Handler]:
    """The handlers by the template's names of their functions."""
    return {name: handler(module) for name, module in MODULES.items()}
