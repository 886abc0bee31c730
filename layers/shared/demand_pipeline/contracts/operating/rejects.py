"""The actions `rejects` and `rejected_items`: the reasons for rejects, and the rejected items."""

import re
from dataclasses import dataclass
from typing import Self

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.request import read_samples
from demand_pipeline.errors import InvalidEventError

# A row's place: its table's number, a space, and PostgreSQL's notation of a block and a row in it.
_is_place = re.compile(r"[0-9]{1,10} \([0-9]{1,10},[0-9]{1,5}\)").fullmatch


@dataclass(frozen=True, slots=True)
class RejectsRequest:
    """Which rejects: of one run and one table, or of all (None). `samples` is the number of samples per reason."""

    run: str | None
    table: str | None
    samples: int

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        run, table = arguments.optional_text("run"), arguments.optional_text("table", among=tuple(TABLES))
        return cls(run, table, read_samples(arguments))


@dataclass(frozen=True, slots=True)
class RejectSample:
    """A rejected item's key, as JSON, and the full reason, which quotes the value."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class RejectReason:
    """Rejects of a table with the same reason, apart from the value found."""

    run: str
    table: str
    reason: str
    items: int
    samples: tuple[RejectSample, ...]


@dataclass(frozen=True, slots=True)
class RejectsAnswer:
    """Reasons by table, the most frequent first. `complete` is false if not all of them fit into an answer."""

    reasons: tuple[RejectReason, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class RejectedItemsRequest:
    """A page of rejects that follows `after` (an answer's `next`); None for the first page."""

    run: str | None
    table: str | None
    after: str | None

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        run, table = arguments.optional_text("run"), arguments.optional_text("table", among=tuple(TABLES))
        after = arguments.optional_text("after")
        if after is not None and not _is_place(after):
            raise InvalidEventError(arguments.path("after"), after, "the field `next` of an answer")
        return cls(run, table, after)


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """A row of `rejected_items`; `key` and `item` are JSON text, so that numbers keep their digits.

    An item that is too large for an answer is truncated: `item` is its beginning, and `whole` is the folder of the
    staging bucket that contains the whole item.
    """

    run: str
    table: str
    key: str
    reason: str
    item: str
    whole: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedItemsAnswer:
    """A page; pass `next` as `after` to get the following page. None after the last page."""

    items: tuple[RejectedItem, ...]
    next: str | None
