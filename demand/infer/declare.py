"""From a table's name to a declaration: sample, choose types, write the module, convert the sample with it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from demand.errors import DemandError, UsageError
from demand.infer.choose import choose, choose_key, is_record
from demand.infer.declaration import Proposal, load, module_text, propose
from demand.infer.names import column_names, table_name
from demand.infer.profile import RARE, leaves, profile
from demand.infer.sample import Limits, Sample, read_sample
from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.tables import Table, table_name_problem
from demand_pipeline.transform.rows import RejectError, RowMaker

_MOST_COLUMNS = 500  # PostgreSQL: 1,600, and fewer for long rows
_MOST_RARE = 50  # shown


@dataclass(frozen=True)
class Rejects:
    """Items of the sample that the declaration rejects, by reason without the found value."""

    reason: str
    items: int


@dataclass(frozen=True)
class Inferred:
    """A declaration to review. `rare` are paths in few items; `text` is the module."""

    table: str
    source: str
    items: int
    complete: bool
    read_units: float
    columns: tuple[Proposal, ...]
    rare: tuple[Proposal, ...]
    rejected: int
    sanitized: int
    rejects: tuple[Rejects, ...]
    text: str

    @property
    def reject_share(self) -> float:
        """The share of the sample that a run would reject."""
        return self.rejected / self.items


def infer(
    dynamodb: Any, source: str, limits: Limits, *, name: str | None = None, real_examples: bool = False
) -> Inferred:
    """Sample a table and declare it; `real_examples` puts values of the sample into the text.

    Raises DemandError for an unknown or empty table, and for an impossible `name` before anything is read.
    """
    if name is not None and (problem := table_name_problem(name)):
        raise UsageError(f"--name: {problem}")
    return declare(read_sample(dynamodb, source, limits), name=name, real_examples=real_examples)


def declare(sample: Sample, *, name: str | None = None, real_examples: bool = False) -> Inferred:
    """Declare the table of a sample; raises DemandError for an empty sample or an impossible name."""
    if not sample.items:
        raise DemandError(
            "EmptyTable", f"{sample.table.name} is empty, so there is nothing to infer from", "docs/adapt.md"
        )
    columns, rare = _proposals(sample, real=real_examples)
    table = name or table_name(sample.table.name)
    text = module_text(table, sample, columns, rare)
    try:
        declared = load(text)
    except ValueError as error:
        raise DemandError("Usage", str(error), "write the declaration by hand (docs/adapt.md)") from None
    reasons, sanitized = convert(declared, sample.items)
    return Inferred(
        table=table,
        source=sample.table.name,
        items=len(sample.items),
        complete=sample.complete,
        read_units=sample.read_units,
        columns=tuple(columns),
        rare=tuple(rare),
        rejected=reasons.total(),
        sanitized=sanitized,
        rejects=tuple(Rejects(reason, items) for reason, items in reasons.most_common()),
        text=text,
    )


def convert(table: Table, items: Iterable[Item]) -> tuple[Counter[str], int]:
    """Convert items as a run does; return the reasons of the rejects, and the number of sanitized rows."""
    maker = RowMaker(table)
    reasons: Counter[str] = Counter()
    sanitized = 0
    for item in items:
        try:
            sanitized += maker.make(item).sanitized
        except RejectError as error:
            reasons[error.reason.kind] += 1
    return reasons, sanitized


def _proposals(sample: Sample, *, real: bool) -> tuple[list[Proposal], list[Proposal]]:
    """Return the columns, keys first, and the paths that are too rare to be columns."""
    total = len(sample.items)
    attributes = {path.path[0]: path for path in profile(sample.items)}
    keys = [attributes.pop(name) for name in sample.table.keys]
    others = [path for path in leaves(attributes.values(), is_record) if path.values]
    usual = [path for path in others if path.presence(total) >= RARE][:_MOST_COLUMNS]
    chosen = {path.path for path in usual}
    rare = [path for path in others if path.path not in chosen][:_MOST_RARE]
    kinds = list(sample.table.keys.values())
    choices = [choose_key(kind, path) for kind, path in zip(kinds, keys, strict=True)]
    choices += [choose(path) for path in (*usual, *rare)]
    paths = [*keys, *usual, *rare]
    names = column_names(path.path for path in paths)
    proposals = [
        propose(name, path, choice, total, real=real) for name, path, choice in zip(names, paths, choices, strict=True)
    ]
    key_columns = [replace(column, key=True) for column in proposals[: len(keys)]]
    columns = len(keys) + len(usual)
    return key_columns + proposals[len(keys) : columns], proposals[columns:]
