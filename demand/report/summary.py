"""The report in five lines of plain text, for a chat."""

from collections.abc import Sequence

from demand.report.counts import TableCounts, table_counts
from demand.report.facts import Facts
from demand.report.failures import alike
from demand.report.headline import Duration, headline
from demand.report.words import cut, number
from demand.runs.options import pasted

_REASONS = 3  # of rejects
_LINE = 1000  # maximum number of characters


def summary(facts: Facts, duration: Duration) -> tuple[str, ...]:
    """Return five lines: title, run and outcome, tables, reasons, next step."""
    head = headline(facts, duration)
    lines = (head.title, f"{head.run}. {head.text}", _tables(table_counts(facts)), _why(facts), f"Next: {_next(facts)}")
    return tuple(cut(line, _LINE) for line in lines)


def _tables(tables: Sequence[TableCounts]) -> str:
    if not tables:
        return "No table was read."
    count = "scanned" if tables[0].counts["loaded"] is None else "loaded"
    counted = [
        f"{each.table} {number(each.counts[count])} ({number(each.counts['rejected'])} rejected)" for each in tables
    ]
    return f"{'Items read' if count == 'scanned' else 'Rows'}: {', '.join(counted)}"


def _why(facts: Facts) -> str:
    failures = alike(facts)
    if failures and not (failures[0].by_rejects and facts.reasons):
        return f"Why: {cut(failures[0].message or failures[0].meaning)}"
    return f"{'Why' if failures else 'Rejects'}: {_rejects(facts)}"


def _rejects(facts: Facts) -> str:
    if facts.reasons is None:
        return "unknown"
    most = sorted(facts.reasons, key=lambda reason: -reason.items)
    named = [f"{reason.reason} ({reason.table}, {reason.items:,} items)" for reason in most[:_REASONS]]
    more = [f"{len(most) - _REASONS} more reasons"] if most[_REASONS:] else []
    return "; ".join([*named, *more]) or "none"


def _next(facts: Facts) -> str:
    if failures := alike(facts):
        steps = [*failures[0].first, " or ".join(failures[0].next)]
        commands = ", then ".join(filter(None, steps))
        return f"{failures[0].action}: {commands}" if commands else failures[0].action
    has_rejects = facts.reasons and facts.state.is_committed
    return pasted("watch" if facts.run.is_running else "rejects" if has_rejects else "show", facts.run.name)
