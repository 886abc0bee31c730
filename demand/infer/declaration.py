"""A declaration as a module's text, with what the sample says of each column, and read back from it."""

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
_LOOKED_AT = 1000  # values that examples are made of
_SHOWN_MISFITS = 3


@dataclass(frozen=True)
class Proposal:
    """A column to be: where it reads, its name and type, what the sample has there."""

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
        """As in a declaration: joined by dots, or a tuple where a name has a dot or a bracket."""
        joined = ".".join(self.path)
        return joined if tuple(joined.split(".")) == self.path and "[" not in joined else self.path

    @property
    def place(self) -> str:
        """The path in words."""
        return ".".join(self.path)


def propose(name: str, found: Path, choice: Choice, items: int, *, real: bool = False) -> Proposal:
    """A column from its path's values, of a sample of `items`. Its examples are made up, or `real` values."""
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
    """The module: a builder to review, which `load` can read."""
    source = sample.table.name
    read = f"{len(sample.items):,}, for {sample.read_units:,.1f} read units"
    lines = [
        f'"""`{source}` in DynamoDB becomes `{table}` in the warehouse: one row per item."""',
        "",
        f"# Written by demand infer from {'all' if sample.complete else 'a sample'} of its items: {read}.",
        "# To be reviewed: names, types and descriptions are guesses. The comments say what the sample has there.",
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
        lines += ["", "# Rare, and so left in extra:"]
        lines += [f"# {percent(column.presence)}: {column_line(column)}" for column in rare]
    return "\n".join(lines) + "\n"


def load(text: str) -> Table:
    """The declaration that a module's text makes; raises ValueError if it cannot work."""
    with tempfile.TemporaryDirectory() as folder:
        file = File(folder, "builder.py")
        file.write_text(text, encoding="utf-8")
        [table] = [value for value in runpy.run_path(str(file)).values() if isinstance(value, Table)]
    return table


def literal(text: str) -> str:
    """A string as Python writes it, with double quotes where that needs no more escapes; always on one line."""
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in shown else shown


def column_line(column: Proposal) -> str:
    """The line of a declaration."""
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
    """A share without digits that say nothing, but never rounded to nothing or to all."""
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
    """The most frequent values or shapes, of those that the column takes, that are short and that can be printed."""
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
    """A value in a comment: its DynamoDB type, and its beginning."""
    [(kind, content)] = value.items()
    text = content if isinstance(content, str) else to_json(value)
    return f"{kind} {literal(text[:_EXAMPLE_LENGTH])}"
