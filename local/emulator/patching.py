"""Replaces functions of ministack by name, so that a missing one is an error at the start."""

import functools
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


def replaces(owner: Any, name: str) -> Callable[[Function], Function]:
    """Replace `owner.name` with the decorated function, which gets the original as its first argument."""
    original = getattr(owner, name)

    def replace(replacement: Function) -> Function:
        @functools.wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:
            return replacement(original, *arguments, **named)

        setattr(owner, name, call)
        return replacement

    return replace
