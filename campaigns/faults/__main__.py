"""`make soak`: runs rounds with consecutive seeds, with one server per worker, and reports the results."""

import argparse
import secrets
import sys
import time
from collections import Counter, defaultdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from campaigns.faults.faults import KINDS
from campaigns.faults.rounds import Outcome, rounds
from campaigns.faults.strategies import STRATEGIES

_PLAIN_EVERY = 10  # rounds per line of progress, if there is no terminal
_SEVERAL = 20  # rounds with a kind of fault, after which it must have been injected once


def _show(console: Console, outcomes: list[Outcome], seconds: float) -> None:
    drawn, happened, injected, redriven, failed = (Counter[str]() for _ in range(5))
    errors: dict[str, set[str]] = defaultdict(set)
    for outcome in outcomes:
        for kind in {fault.kind for fault in outcome.schedule.faults}:
            drawn[kind] += 1
            happened[kind] += bool(outcome.injected[kind])
            injected[kind] += outcome.injected[kind]
            if outcome.injected[kind]:
                redriven[kind] += len(outcome.endings) > 2
                failed[kind] += bool(outcome.problems)
                errors[kind] |= KINDS[kind] & set(outcome.endings)
    table = Table("fault")
    for name in ("rounds planned", "rounds injected", "injections", "redriven", "failed"):
        table.add_column(name, justify="right")
    table.add_column("runs ended with")
    for kind in KINDS:
        counts = (drawn[kind], happened[kind], injected[kind], redriven[kind], failed[kind])
        table.add_row(kind, *map(str, counts), ", ".join(sorted(errors[kind] - {""})))
    console.print(table)
    around = Table("in the warehouse, or a default", "rounds", "failed")
    rounds_with, failed_with = Counter[str](), Counter[str]()
    for outcome in outcomes:
        names = {*outcome.schedule.others, *(default.name for default in outcome.schedule.defaults)}
        rounds_with.update(names)
        failed_with.update(names if outcome.problems else ())
    for name in sorted(rounds_with):
        around.add_row(name, str(rounds_with[name]), str(failed_with[name]))
    console.print(around)
    reads, snapshots = sum(o.reads for o in outcomes), sum(o.snapshots for o in outcomes)
    runs = sum(len(outcome.endings) for outcome in outcomes)
    console.print(
        f"{runs} runs and redrives, {reads} reads meanwhile, {snapshots} different snapshots, {seconds:.0f} s"
    )


def kinds_never_injected(outcomes: list[Outcome]) -> list[str]:
    """Return the kinds of faults that were planned in several rounds, and injected in none: their point has moved."""
    planned = Counter(kind for outcome in outcomes for kind in {fault.kind for fault in outcome.schedule.faults})
    injected = {kind for outcome in outcomes for kind in KINDS if outcome.injected[kind]}
    return [kind for kind, count in planned.items() if count >= _SEVERAL and kind not in injected]


def _tell(console: Console, outcome: Outcome) -> None:
    seed = outcome.schedule.seed
    console.print(f"seed {seed} FAILED; again with: make soak N=1 SEED={seed}", style="bold red", highlight=False)
    schedule = outcome.schedule
    drawn = [*map(str, schedule.faults), *schedule.others, *map(str, schedule.defaults)]
    drawn.append(f"{schedule.strategy} after {schedule.first_strategy}, reader: {schedule.reader}")
    for text in (*drawn, f"ends: {outcome.endings}", *outcome.problems):
        console.print(f"  {text}", markup=False, highlight=False)


def main() -> int:
    """Run the campaign; return 0 if every round passed."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="of the first round; the others follow")
    parser.add_argument("--strategy", choices=list(STRATEGIES), help="only the seeds that draw this load strategy")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    first = secrets.randbelow(10**6) if options.seed is None else options.seed
    console = Console(width=None if sys.stdout.isatty() else 140)
    seeds = f"seeds {first} to {first + options.rounds - 1}" if options.strategy is None else f"seeds from {first} on"
    console.print(f"{options.rounds} rounds, {seeds}")
    start, outcomes = time.monotonic(), []
    columns = (TextColumn("seed {task.fields[seed]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("soak", total=options.rounds, seed=first)
        for outcome in rounds(first, options.rounds, options.workers, options.strategy):
            outcomes.append(outcome)
            if outcome.problems:
                _tell(console, outcome)
            progress.update(bar, advance=1, seed=outcome.schedule.seed)
            if not console.is_terminal and len(outcomes) % _PLAIN_EVERY == 0:
                console.print(f"{len(outcomes)} of {options.rounds}, seed {outcome.schedule.seed}", highlight=False)
    _show(console, outcomes, time.monotonic() - start)
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    console.print(f"{len(outcomes) - failed} passed, {failed} failed", highlight=False)
    never = kinds_never_injected(outcomes)
    if never:
        console.print(f"never injected, although planned: {', '.join(never)}", style="bold red", highlight=False)
    return 1 if failed or never else 0


if __name__ == "__main__":
    sys.exit(main())
