"""Shows the end of a run: its receipt, or its errors."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from demand.cli.app import Shell
from demand.cli.console import one_line
from demand.cli.output import FAILED, REJECTS, SUCCESS, Column, duration, facts, status, table
from demand.runs.execution import Run
from demand.runs.failure import Failure
from demand.runs.options import pasted
from demand.runs.receipt import ReasonCount, Receipt, reasons_of_failure, receipt
from demand.runs.report import Report
from demand.runs.state import InWarehouse, State, find_state

_REASONS = 10  # of rejects that are shown
_PLACES = 5  # shown of tasks that failed in the same way


@dataclass(frozen=True)
class Failed:
    """A run that did not succeed, as JSON."""

    run: str
    arn: str
    status: str
    warehouse: InWarehouse
    failures: tuple[Failure, ...]
    reasons: tuple[ReasonCount, ...]


def finish(shell: Shell, report: Report, *, fail_on_rejects: bool = False, event: str = "") -> int:
    """Show the end of a run, and return the exit code."""
    named = {"event": event} if event else {}
    warehouse = state_of(shell, report.run)
    if report.run.output is None:
        run = report.run
        reasons, complete = reasons_of_failure(shell.stack, report)
        failed = Failed(run.name, run.arn, run.status, warehouse, report.failures, reasons)
        parts = failure_parts(report, warehouse, reasons, complete=complete)
        shell.output.show(failed, *parts, **named)
        return FAILED
    found = receipt(shell.stack, report, warehouse)
    shell.output.show(found, *receipt_parts(found), **named)
    return REJECTS if fail_on_rejects and found.rejected else SUCCESS


def state_of(shell: Shell, run: Run) -> InWarehouse:
    """Return the state of a run in the warehouse."""
    return find_state(shell.warehouse, run)


def state_text(found: InWarehouse) -> Text:
    """The sentence about a run's state, in yellow if the state is unexpected."""
    warns = found.state in (State.ROLLED_BACK, State.UNKNOWN)
    return Text(one_line(found.sentence), style="yellow" if warns else "")


def receipt_parts(found: Receipt) -> list[RenderableType]:
    """The receipt for people."""
    took = f"{_outcome(found)} in {duration(found.seconds)}"
    head = Text.assemble(f"run {found.run} ", status(found.status), f": {took}")
    numbers = ("scanned", "staged", "rejected", "loaded")
    columns = [Column("table"), *(Column(name, number=True) for name in numbers)]
    columns += [Column("balanced"), Column("rows after it", number=True), Column("before", number=True, optional=True)]
    rows: list[list[object]] = [
        [
            *(entry.table, entry.scanned, entry.staged, entry.rejected, entry.loaded),
            *("yes" if entry.balanced else "NO", entry.rows_after, entry.previous_rows),
        ]
        for entry in found.tables
    ]
    if len(found.tables) > 1:
        sums = [sum(getattr(entry, name) for entry in found.tables) for name in numbers]
        rows.append(["total", *sums, "", None, None])
    parts: list[RenderableType] = [head, table("", columns, rows)]
    if found.reasons:
        parts.append(_reasons(found.reasons, complete=found.reasons_complete))
    elif not found.reasons_complete:
        parts.append(Text("the reasons of the rejects were not read: missing permission s3:GetObject"))
    cost = found.cost
    lines: list[tuple[str, object]] = [] if found.dry_run else [("warehouse", state_text(found.warehouse))]
    if found.longest_step:
        lines.append(("longest step", f"{found.longest_step.place}: {duration(found.longest_step.seconds)}"))
    lines.append(("read units", f"{cost.read_units:,.1f}"))
    dollars = f"DynamoDB ${cost.dynamodb:.4f}, Lambda ${cost.functions:.4f}, Step Functions ${cost.state_machine:.4f}"
    lines.append(("cost", f"about ${cost.total:.4f}: {dollars} ({cost.prices})"))
    if found.redrives:
        lines.append(("redrives", found.redrives))
    lines += [("schema", change) for change in found.schema_changes]
    lines += [("warning", Text(warning, style="yellow")) for warning in (*found.shrunk, *found.warnings)]
    parts.append(facts(lines))
    return parts


def failure_parts(
    report: Report, warehouse: InWarehouse, reasons: Sequence[ReasonCount] = (), *, complete: bool = True
) -> list[RenderableType]:
    """The failure of a run, for people: the error first, then what to do."""
    run = report.run
    seconds = duration(run.seconds(run.stopped or run.started))
    parts: list[RenderableType] = [Text.assemble(f"run {run.name} ", status(run.status), f" after {seconds}")]
    by_error: dict[str, list[Failure]] = {}
    for failure in report.failures:
        by_error.setdefault(failure.error, []).append(failure)
    for alike in by_error.values():
        parts += ["", facts(_failure_rows(alike))]
    if reasons:
        parts += ["", _reasons(reasons, complete=complete), Text(f"the items: {pasted('rejects', run.name)}")]
    return [*parts, "", state_text(warehouse)]


def _reasons(reasons: Sequence[ReasonCount], *, complete: bool) -> RenderableType:
    most = sorted(reasons, key=lambda reason: -reason.items)[:_REASONS]
    title = "rejected, by reason" if complete else "rejected, by reason (of a part of the rejects)"
    if len(most) < len(reasons):
        title += f": {len(most)} of {len(reasons)} reasons, --json lists all"
    rows = [[reason.table, reason.reason, reason.items] for reason in most]
    return table(title, [Column("table"), Column("reason"), Column("items", number=True)], rows)


def _outcome(found: Receipt) -> str:
    if found.dry_run:
        return "counted and rolled back (dry run)"
    return "committed" if found.committed else "loaded"


def _failure_rows(alike: Sequence[Failure]) -> list[tuple[str, object]]:
    """Tasks that failed with the same error: the first in full, only the place of the others."""
    first, *others = alike
    rows: list[tuple[str, object]] = [("error", Text(first.error, style="bold red")), ("in", first.place)]
    if first.message:
        rows.append(("cause", first.message))
    if others:
        more = f", and {len(others) - _PLACES} more" if len(others) > _PLACES else ""
        rows.append(("also in", "; ".join(failure.place for failure in others[:_PLACES]) + more))
    rows += [("means", plain(first.meaning)), ("do", plain(first.action))]
    rows += [("first", line) for line in first.first]
    rows += [("next" if number == 0 else "or", line) for number, line in enumerate(first.next)]
    return rows


def plain(text: str) -> str:
    """A cure's Markdown without its backticks."""
    return text.replace("`", "")
