"""The actions `rejects` and `rejected_items`: why items were rejected, and the items themselves."""

import re
from dataclasses import dataclass
from typing import Self

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.request import read_samples
from demand_pipeline.errors import InvalidEventError

# A row's place: its table's number, a space, and as PostgreSQL writes it a block, and a row in it.
_is_place = re.compile(r"[0-9]{1,10} \([0-9]{1,10},[0-9]{1,5}\)").fullmatch


@dataclass(frozen=True, slots=True)
class RejectsRequest:
    """Whose rejects: of one run and one table, or of every one that has any. `samples` are shown for each reason."""

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
    """A rejected item's key, as JSON, and the reason in full, which quotes the value."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class RejectReason:
    """Rejects of a table with one reason, but for the value that was found."""

    run: str
    table: str
    reason: str
    items: int
    samples: tuple[RejectSample, ...]


@dataclass(frozen=True, slots=True)
class RejectsAnswer:
    """Reasons by table, the most frequent first. `complete` is false if there are more than an answer can hold."""

    reasons: tuple[RejectReason, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class RejectedItemsRequest:
    """A page of rejects, from the one `after` (an answer's `next`), or from the first."""

    run: str | None
    table: str | None
    after: str | None

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        run, table = arguments.optional_text("run"), arguments.optional_text("table", among=tuple(TABLES))
        after = arguments.optional_text("after")
        if after is not None and not _is_place(after):
            raise InvalidEventError(arguments.path("after"), after, "the field next of an answer")
        return cls(run, table, after)


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """A row of `rejected_items`; `key` and `item` are JSON, as text, so that numbers keep their digits.

    An item that fits into no answer is cut: `item` is its beginning, and `whole` the folder in the staging bucket that
    has it whole.
    """

    run: str
    table: str
    key: str
    reason: str
    item: str
    whole: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedItemsAnswer:
    """A page; `next` asks for the following one, None after the last."""

    items: tuple[RejectedItem, ...]
    next: str | None
