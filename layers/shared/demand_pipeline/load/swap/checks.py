"""Refuses a swap that would break or lose something, before anything is copied; the error contains the cure."""

from collections.abc import Iterable

from demand_pipeline.errors import SwapRefusedError
from demand_pipeline.load.swap.parent import is_missing, is_plain
from demand_pipeline.load.swap.rehearsal import rehearse
from demand_pipeline.load.swap.slots import DEFAULT, EVERY_KEY, Slot
from demand_pipeline.load.warehouse.problem import Problem
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Statements

statement = Statements(__package__)


def refuse_unswappable(connection: Connection, parents: Iterable[Slot], *, is_rehearsed: bool) -> None:
    """Raise SwapRefusedError if a swap is impossible; it names all problems of all tables, each with its cure."""
    if problems := [
        f"{slot.schema.name} cannot be swapped: {problem}"
        for slot in parents
        for problem in find_swap_problems(connection, slot, is_rehearsed=is_rehearsed)
    ]:
        raise SwapRefusedError(" ".join(problems))


def find_swap_problems(connection: Connection, slot: Slot, *, is_rehearsed: bool = False) -> list[Problem]:
    """Return the problems that prevent a swap of a slot's parent; a missing parent has none.

    Known cases come first, since a rehearsal often finds only their consequences. A plain table is rehearsed each
    time, since later additions to it, such as row-level security, would be lost.
    """
    if is_missing(connection, slot.parent):
        return []
    bounds = [DEFAULT if slot.holds_rejects else EVERY_KEY]
    found = connection.query(
        statement("unswappable"), relation=slot.parent, bounds=bounds, any_list=slot.holds_rejects
    ) + connection.query(statement("inconvertible"), relation=slot.parent, partitioned_by=slot.partitioned_by)
    known = [Problem(*problem) for problem in found]
    if known or (is_rehearsed and not is_plain(connection, slot.parent)):
        return known
    return rehearse(connection, slot)
