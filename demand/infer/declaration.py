"""Writes a declaration as a module with comments on the sample, and reads it back."""

import runpy
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path as File

from demand.infer.choose import Choice, formats, misfits
from demand.infer.made_up import made_up
from demand.infer.names import title
from demand.infer.profile import Path
from demand.infer.sample import Sample
from demand_pipeline.dynamodb.typed_json import AttributeValue
from demand_pipeline.tables import ColumnType, Table
from demand_pipeline.transform.jsonb import to_json

_EXAMPLES, _EXAMPLE_LENGTH = 3, 40
_LOOKED_AT = 1000  # values searched for examples
_SHOWN_MISFITS = 3


@dataclass(frozen=True)
class Proposal:
    """A proposed column: its path, name and type, and the values in the sample."""

    name: str
    path: tuple[str, ...]
    type: ColumnType
    key: bool
    presence: float
    nulls: float
    types: tuple[tuple[str, float], ...]
    formats: tuple[tuple[str, float], ...]
    examples: tuple[str, ...]
    doubts: tuple[str, ...]
    fit: float

    @property
    def source(self) -> str | tuple[str, ...]:
        """The path as in a declaration: joined by dots, or a tuple if a name contains a dot or a bracket."""
        joined = ".".join(self.path)
        return joined if tuple(joined.split(".")) == self.path and "[" not in joined else self.path

    @property
    def place(self) -> str:
        """The path as text."""
        return ".".join(self.path)


def propose(name: str, found: Path, choice: Choice, items: int, *, real: bool = False) -> Proposal:
    """Propose a column from its path's values in a sample of `items`. Examples are made up, or `real` values."""
    values = found.values
    rejected = misfits(choice.type, values)
    doubts = list(choice.doubts)
    if rejected:
        shown = [value if real else made_up(ColumnType.TEXT, value) for value in rejected[:_SHOWN_MISFITS]]
        such_as = f"{'such as' if real else 'of a shape such as'} {', '.join(dict.fromkeys(map(_shown, shown)))}"
        doubts.insert(0, f"{percent(len(rejected) / len(values))} would be rejected, {such_as}")
    return Proposal(
        name=name,
        path=found.path,
        type=choice.type,
        key=False,
        presence=found.presence(items),
        nulls=found.nulls / items,
        types=tuple((kind, count / len(values)) for kind, count in found.types.most_common()),
        formats=tuple(formats(values)),
        examples=_examples(choice.type, values, real=real),
        doubts=tuple(doubts),
        fit=choice.fit,
    )


def module_text(table: str, sample: Sample, columns: Sequence[Proposal], rare: Sequence[Proposal]) -> str:
    """Return the module: a builder to review, which `load` can read."""
    source = sample.table.name
    read = f"{len(sample.items):,}, for {sample.read_units:,.1f} read units"
    lines = [
        f'"""`{source}` in DynamoDB becomes `{table}` in the warehouse: one row per item."""',
        "",
        f"# Written by demand infer from {'all' if sample.complete else 'a sample'} of its items: {read}.",
        "# Review it: names, types and descriptions are guesses. The comments describe the sample.",
        "",
        "from demand_pipeline.tables import Column, ColumnType, Table",
        "",
        f"{table.upper()} = Table(",
        f"    name={literal(table)},",
        f"    source={literal(source)},",
        f"    description={literal(f'Items of {source}.')},",
        "    columns=(",
    ]
    for column in columns:
        lines += [f"        # {text}" for text in _comments(column)]
        lines.append(f"        {column_line(column)}")
    lines += ["    ),", ")"]
    if rare:
        lines += ["", "# Rare attributes, which stay in extra:"]
        lines += [f"# {percent(column.presence)}: {column_line(column)}" for column in rare]
    return "\n".join(lines) + "\n"


def load(text: str) -> Table:
    """Load the declaration in a module's text; raises ValueError if it is invalid."""
    with tempfile.TemporaryDirectory() as folder:
        file = File(folder, "builder.py")
        file.write_text(text, encoding="utf-8")
        [table] = [value for value in runpy.run_path(str(file)).values() if isinstance(value, Table)]
    return table


def literal(text: str) -> str:
    """Return a string literal in one line, with double quotes unless that needs more escapes."""
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in shown else shown


def column_line(column: Proposal) -> str:
    """Return the column's line in a declaration."""
    source = column.source
    parts = [literal(column.name), f"ColumnType.{column.type.name}"]
    parts += [literal(source) if isinstance(source, str) else _tuple(source), literal(title(column.path))]
    if column.examples:
        parts.append(_tuple(column.examples))
    if column.key:
        parts.append("key=True")
    return f"Column({', '.join(parts)}),"


def _tuple(texts: Sequence[str]) -> str:
    return f"({', '.join(map(literal, texts))}{',' if len(texts) == 1 else ''})"


def percent(share: float) -> str:
    """Format a share without needless digits, but never rounded to 0 or 100 %."""
    places = 1 if 0 < share < 0.01 or 0.99 < share < 1 else 0  # noqa: PLR2004 - per cent
    return f"{min(max(share, 0.001), 0.999) if 0 < share < 1 else share:.{places}%}"


def _comments(column: Proposal) -> Iterator[str]:
    types = ", ".join(f"{kind} {percent(share)}" for kind, share in column.types) or "no values"
    nulls = f", NULL in {percent(column.nulls)}" if column.nulls else ""
    shapes = "".join(f"; {words} {percent(share)}" for words, share in column.formats)
    yield f"in {percent(column.presence)} of the items{nulls}: {types}{shapes}"
    for doubt in column.doubts:
        yield f"doubt: {doubt}"


def _examples(column_type: ColumnType, values: Sequence[AttributeValue], *, real: bool) -> tuple[str, ...]:
    """Return the most frequent values or shapes that the column accepts and that are short and printable."""
    found: Counter[str] = Counter()
    for value in values[:_LOOKED_AT]:
        if not misfits(column_type, [value]):
            found.update(_texts(column_type, value if real else made_up(column_type, value)))
    usable = (text for text, _ in found.most_common() if 0 < len(text) <= _EXAMPLE_LENGTH and text.isprintable())
    return tuple(islice(usable, _EXAMPLES))


def _texts(column_type: ColumnType, value: AttributeValue) -> list[str]:
    if misfits(column_type, [value]):
        return []
    [(kind, content)] = value.items()
    match column_type:
        case ColumnType.JSONB:
            return [to_json(value)]
        case ColumnType.TEXT_ARRAY | ColumnType.NUMERIC_ARRAY:
            elements = content if kind != "L" else [text for element in content for text in element.values()]
            return [text for text in elements if isinstance(text, str)]
        case ColumnType.BOOLEAN:
            return [str(content).lower()]
    return [str(content)]


def _shown(value: AttributeValue) -> str:
    """Format a value for a comment: its DynamoDB type, and its beginning."""
    [(kind, content)] = value.items()
    text = content if isinstance(content, str) else to_json(value)
    return f"{kind} {literal(text[:_EXAMPLE_LENGTH])}"
