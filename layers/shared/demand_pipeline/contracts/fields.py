"""Reads a JSON object field by field. An error names the field, the value and what was expected."""

import math
from collections.abc import Iterator
from typing import Any

from demand_pipeline.errors import InvalidEventError


class Fields:
    """One JSON object of an event; every method raises `InvalidEventError` with the field's path."""

    def __init__(self, value: Any, path: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidEventError(path or "event", value, "an object")
        self._value = value
        self._path = path

    def path(self, name: str) -> str:
        """Return the field's path in the event, such as `tables[0].segments`."""
        return f"{self._path}.{name}" if self._path else name

    def _get(self, name: str, expected: str) -> Any:
        if name not in self._value:
            raise InvalidEventError(self.path(name), None, f"{expected}, and it is missing")
        return self._value[name]

    def text(self, name: str, among: tuple[str, ...] | None = None) -> str:
        """Read a non-empty string, which must be one of `among` if given."""
        expected = "a non-empty string" if among is None else f"one of {', '.join(among)}"
        value = self._get(name, expected)
        if not isinstance(value, str) or not value or (among is not None and value not in among):
            raise InvalidEventError(self.path(name), value, expected)
        return value

    def optional_text(self, name: str, among: tuple[str, ...] | None = None) -> str | None:
        """Read a non-empty string or null; the field must exist."""
        return None if self.is_null(name) else self.text(name, among)

    def flag(self, name: str) -> bool:
        """Read a boolean."""
        value = self._get(name, "true or false")
        if not isinstance(value, bool):
            raise InvalidEventError(self.path(name), value, "true or false")
        return value

    def integer(self, name: str, minimum: int = 0, maximum: float = math.inf) -> int:
        """Read a whole number. `2.0` is accepted, since JSONata has no integer type."""
        bounds = f"of at least {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"
        expected = f"a whole number {bounds}"
        value = self._get(name, expected)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise InvalidEventError(self.path(name), value, expected)
        return value

    def number(self, name: str, maximum: float = math.inf) -> float:
        """Read a number from 0 to `maximum`."""
        expected = "a number of at least 0" if maximum == math.inf else f"a number from 0 to {maximum:g}"
        value = self._get(name, expected)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= maximum:
            raise InvalidEventError(self.path(name), value, expected)
        return value

    def is_null(self, name: str) -> bool:
        """Whether the field is null; it must exist."""
        return self._get(name, "a value or null") is None

    def dictionary(self, name: str) -> dict[str, Any]:
        """Read an object as a dictionary."""
        value = self._get(name, "an object")
        if not isinstance(value, dict):
            raise InvalidEventError(self.path(name), value, "an object")
        return value

    def object(self, name: str) -> "Fields":
        """Read an object whose fields are to be read one by one."""
        return Fields(self._get(name, "an object"), self.path(name))

    def array(self, name: str) -> list[Any]:
        """Read an array as a list."""
        value = self._get(name, "an array")
        if not isinstance(value, list):
            raise InvalidEventError(self.path(name), value, "an array")
        return value

    def texts(self, name: str) -> Iterator[str]:
        """Read an array of non-empty strings."""
        for index, element in enumerate(self.array(name)):
            if not isinstance(element, str) or not element:
                raise InvalidEventError(f"{self.path(name)}[{index}]", element, "a non-empty string")
            yield element

    def objects(self, name: str) -> Iterator["Fields"]:
        """Read an array of objects."""
        for index, element in enumerate(self.array(name)):
            yield Fields(element, f"{self.path(name)}[{index}]")
