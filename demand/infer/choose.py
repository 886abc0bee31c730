"""Chooses the column type of a path from its values, and notes doubts about it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from demand.infer.formats import BIT, DATE, DECIMAL, EPOCH, FLAG, MOMENT, WHOLE, format_of
from demand.infer.profile import Path
from demand_pipeline.dynamodb.typed_json import AttributeValue
from demand_pipeline.tables import ColumnType
from demand_pipeline.transform.column_types import converter

_MOSTLY = 0.5  # share of the values that must look like a type
_FIT = 0.95  # share of the values that the type must accept; the others become doubts
_WHOLE = 0.995  # share of the numbers that must be whole for bigint: fractions are seldom mistakes
_RECORD_PRESENCE = 0.6  # of the usual members of a map, for them to become columns
_RECORD_MEMBERS = 20


def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TIME_WORDS = _vocabulary("at time date timestamp ts epoch ttl expires expiry created updated modified since until")
_AMOUNT_WORDS = _vocabulary(
    "amount net tax gross price cost total subtotal rate percent percentage share ratio confidence score weight "
    "balance fee discount vat lat lon latitude longitude"
)
_FLAG_WORDS = _vocabulary("is has can was are")
# Last words of names of maps with free-form content.
_FREE_WORDS = _vocabulary(
    "values data attributes properties payload details detail context settings options params parameters labels "
    "fields custom extra raw body snapshot changes diff metadata meta"
)


@dataclass(frozen=True)
class Choice:
    """A column type, the share of the values that it accepts, and doubts."""

    type: ColumnType
    fit: float
    doubts: tuple[str, ...]


def words(name: str) -> list[str]:
    """Split a name into words in lower case: `receivedAt` becomes `received`, `at`."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word.lower() for word in re.split(r"[\W_]+", split) if word]


def is_record(path: Path) -> bool:
    """Whether a map's members should be columns: always a map, mostly the same members, no free-form name."""
    members = path.usual_members
    name = words(path.path[-1])
    return (
        path.map_share >= _FIT
        and 0 < len(members) <= _RECORD_MEMBERS
        and path.member_presence >= _RECORD_PRESENCE
        and not (name and name[-1] in _FREE_WORDS)
    )


def choose_key(kind: str, path: Path) -> Choice:
    """Choose the type of a key attribute. A string stays text, so that different keys stay different."""
    values = path.values
    if kind == "B":
        return _choice(ColumnType.BYTEA, values)
    if kind == "N":
        return _choice(ColumnType.BIGINT if fit(ColumnType.BIGINT, values) == 1 else ColumnType.NUMERIC, values)
    moments = sum(format_of(value)[1] in (DATE, MOMENT) for value in values) / len(values)
    doubt = f"{moments:.0%} are times; use timestamptz if no two keys are the same moment"
    return _choice(ColumnType.TEXT, values, [doubt] if moments else [])


def choose(path: Path) -> Choice:
    """Choose the strictest type that most values look like and that accepts nearly all of them."""
    evidence = _Evidence(path)
    for column_type, looks_like in _CANDIDATES:
        if looks_like(evidence) and fit(column_type, path.values) >= _FIT:
            return _choice(column_type, path.values, _doubts(column_type, evidence))
    return _choice(ColumnType.JSONB, path.values, _doubts(ColumnType.JSONB, evidence))


def fit(column_type: ColumnType, values: Sequence[AttributeValue]) -> float:
    """Return the share of the values that the pipeline's own conversion accepts for this type."""
    convert = converter(column_type)
    return sum(_takes(convert, value) for value in values) / len(values) if values else 1.0


def misfits(column_type: ColumnType, values: Sequence[AttributeValue]) -> list[AttributeValue]:
    """Return the values that a column of this type rejects."""
    convert = converter(column_type)
    return [value for value in values if not _takes(convert, value)]


def formats(values: Sequence[AttributeValue]) -> list[tuple[str, float]]:
    """Return the formats of times and numbers with their shares, the most frequent first."""
    found = Counter(words for words, _ in map(format_of, values) if words)
    return [(words, count / len(values)) for words, count in found.most_common()]


class _Evidence:
    """The formats of a path's values, as shares of the non-empty values."""

    def __init__(self, path: Path) -> None:
        self.words = words(path.path[-1])
        said = [value for value in path.values if value not in ({"S": ""}, {"L": []})]
        self._total = len(said)
        self._types = Counter(_type(value) for value in said)
        self._looks = Counter(look for _, look in map(format_of, said) if look)
        self._numbers = [value for value in said if "N" in value]

    def types(self, *kinds: str) -> float:
        return self._share(sum(self._types[kind] for kind in kinds))

    def looks(self, *kinds: str) -> float:
        return self._share(sum(self._looks[kind] for kind in kinds))

    def is_named(self, vocabulary: frozenset[str]) -> bool:
        return any(word in vocabulary for word in self.words)

    @property
    def is_flag(self) -> bool:
        """Numbers 0 and 1 are flags if the name starts like a question."""
        bits = self.looks(BIT) if self.words and self.words[0] in _FLAG_WORDS else 0.0
        return self.types("BOOL") + self.looks(FLAG) + bits >= _MOSTLY

    @property
    def is_amount(self) -> bool:
        return self.is_named(_AMOUNT_WORDS)

    @property
    def is_time(self) -> bool:
        """Epochs are times if the name suggests a time, or if other values are timestamps."""
        epochs = self.looks(EPOCH) if self.is_named(_TIME_WORDS) or self.looks(MOMENT) else 0.0
        return self.looks(MOMENT) + epochs >= _MOSTLY

    @property
    def is_number(self) -> bool:
        """Strings of digits are numbers only if the name suggests an amount: a postcode is not a number."""
        in_strings = self.looks(WHOLE, DECIMAL, EPOCH, BIT) if self.is_amount else 0.0
        return max(self.types("N"), in_strings) >= _MOSTLY

    @property
    def is_whole(self) -> bool:
        return self.is_number and not self.is_amount and fit(ColumnType.BIGINT, self._numbers) >= _WHOLE

    def _share(self, count: int) -> float:
        return count / self._total if self._total else 0.0


_CANDIDATES: tuple[tuple[ColumnType, Callable[[_Evidence], bool]], ...] = (
    (ColumnType.BOOLEAN, lambda found: found.is_flag),
    (ColumnType.TEXT_ARRAY, lambda found: found.types("SS", "L of S") >= _MOSTLY),
    (ColumnType.NUMERIC_ARRAY, lambda found: found.types("NS", "L of N") >= _MOSTLY),
    (ColumnType.BYTEA, lambda found: found.types("B") >= _MOSTLY),
    (ColumnType.DATE, lambda found: found.looks(DATE) >= _MOSTLY),
    (ColumnType.TIMESTAMPTZ, lambda found: found.is_time),
    (ColumnType.BIGINT, lambda found: found.is_whole),
    (ColumnType.NUMERIC, lambda found: found.is_number),
    (ColumnType.TEXT, lambda found: found.types("S", "N", "BOOL") >= _MOSTLY),
)


def _type(value: AttributeValue) -> str:
    """Return a value's DynamoDB type; for a list, with its elements' type if they have only one."""
    [(kind, content)] = value.items()
    if kind != "L":
        return kind
    inside = {element_kind for element in content for element_kind in element} - {"NULL"}
    return f"L of {inside.pop()}" if len(inside) == 1 else kind


def _takes(convert: Callable[[AttributeValue], str], value: AttributeValue) -> bool:
    try:
        convert(value)
    except ValueError:
        return False
    return True


def _choice(column_type: ColumnType, values: Sequence[AttributeValue], doubts: Iterable[str] = ()) -> Choice:
    return Choice(column_type, fit(column_type, values), tuple(doubts))


def _doubts(column_type: ColumnType, found: _Evidence) -> Iterator[str]:
    """Yield other possible interpretations of the values."""
    if column_type is ColumnType.BIGINT and (share := found.looks(EPOCH)) >= _MOSTLY:
        yield f"{share:.0%} could be times since 1970; if so, use timestamptz"
    if column_type is ColumnType.BIGINT and found.looks(BIT) == 1:
        yield "100% are 0 or 1; boolean accepts them too"
    if column_type is ColumnType.TEXT:
        if (share := found.looks(WHOLE, DECIMAL)) >= _MOSTLY and found.types("N") < _MOSTLY:
            yield f"{share:.0%} are digits; numeric accepts them, but loses leading zeros"
        if (share := found.types("N", "BOOL")) and found.types("S"):
            yield f"{share:.0%} are numbers or booleans, not strings"
    if column_type is ColumnType.JSONB:
        if (share := found.types("M")) >= _MOSTLY:
            yield f"{share:.0%} are maps with varying members, or with a name that suggests free-form content"
        elif found.types("L", "L of M", "L of S", "L of N") < _FIT:
            yield "no other type accepts 95% of the values"
