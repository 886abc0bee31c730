"""Collects the values of a sample by path, with their types and frequency."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from demand_pipeline.dynamodb.typed_json import AttributeValue, Item

RARE = 0.05  # share of the items, or of a map's values, below which a path is rare


@dataclass
class Path:
    """One path into the items: `values` are all values except NULL."""

    path: tuple[str, ...]
    values: list[AttributeValue] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)
    nulls: int = 0
    members: dict[str, "Path"] = field(default_factory=dict)

    def add(self, value: AttributeValue) -> None:
        """Add a value, and the members of a map."""
        [(kind, content)] = value.items()
        if kind == "NULL":
            self.nulls += 1
            return
        self.values.append(value)
        self.types[kind] += 1
        if kind == "M":
            for name, member in content.items():
                if name not in self.members:
                    self.members[name] = Path((*self.path, name))
                self.members[name].add(member)

    def presence(self, of: int) -> float:
        """Return the share of `of` items with a value at this path."""
        return len(self.values) / of if of else 0.0

    @property
    def map_share(self) -> float:
        """The share of maps among the values."""
        return self.types["M"] / len(self.values) if self.values else 0.0

    @property
    def usual_members(self) -> list["Path"]:
        """The members of its maps that are not rare."""
        return [member for member in self.members.values() if member.presence(self.types["M"]) >= RARE]

    @property
    def member_presence(self) -> float:
        """The average share of usual members per map: 1 if every map contains all of them."""
        usual = self.usual_members
        return sum(member.presence(self.types["M"]) for member in usual) / len(usual) if usual else 0.0


def profile(items: Iterable[Item]) -> list[Path]:
    """Return the items' attributes, in the order of their first occurrence."""
    root = Path(())
    for item in items:
        root.add({"M": item})
    return list(root.members.values())


def leaves(paths: Iterable[Path], is_record: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield the paths that may become columns: the members of a record, not the record."""
    for path in paths:
        if is_record(path):
            yield from leaves(path.members.values(), is_record)
        else:
            yield path
