"""From DynamoDB into an indexed PostgreSQL table, end to end: this project and what people use today.

Whole processes, from exec to exit, take turns on the same servers, each with a new table that has the same indexes.
Ours calls the deployed handlers with the state machine's events, and stages through S3 over HTTP. The state machine has
segments read by functions of their own; here one of two segments is read by the process that loads afterwards, the
other one by a fork of it. One process for both segments takes about 5 % less CPU and a quarter to a half more time.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.contestants import OURS, OURS_ISAL, OURS_ISAL_UNCHECKED, OURS_UNCHECKED, PEERS, Contestant
from benchmarks.environment import Environment, environment
from benchmarks.fidelity import Fidelity, check, share
from benchmarks.figures import TIMES, Figure, Size
from benchmarks.usage import Usage, Watch, interleaved, watched

_MEMORY_NOTES = {"ours": "of the larger of two processes", "singer": "of the larger of tap and target"}


@dataclass(frozen=True)
class Turn:
    """One refresh by one contestant: what it used, what the servers used meanwhile, and what arrived."""

    usage: Usage
    servers: Watch
    fidelity: Fidelity


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Yield each contestant's figures and the servers', then how far ours is ahead of the best peer."""
    items = size.end_to_end_items
    turns = _turns(items, (OURS, OURS_UNCHECKED, *PEERS), size.end_to_end_repetitions, progress)
    usages = {name: Usage.median([turn.usage for turn in each]) for name, each in turns.items()}
    unchecked = usages.pop(OURS_UNCHECKED.name)
    for name, usage in usages.items():
        yield from _figures(name, usage, turns[name], items)
    start = _start(size, progress)
    yield Figure("e2e_ours_start_cpu_ms", start.cpu * 1000, "ms", "a refresh of a single item")
    yield Figure("e2e_ours_start_ms", start.wall * 1000, "ms", "the same")
    own = usages.pop("ours")
    wall, fastest = min((usage.wall, name) for name, usage in usages.items())
    note = f"{items:,} items; the best is {fastest}"
    yield _lead("e2e_items_vs_best_peer_50k", note, wall, own.wall, unchecked.wall)
    cpu, thriftiest = min((usage.cpu, name) for name, usage in usages.items())
    yield Figure("e2e_cpu_vs_best_peer", cpu / own.cpu, TIMES, f"the best is {thriftiest}")
    yield from _large(size, next(peer for peer in PEERS if peer.name == fastest), progress)


def _large(size: Size, peer: Contestant, progress: Callable[[str], None]) -> Iterator[Figure]:
    """The best peer alone and ours, with isal too, where start-up is a smaller part."""
    pairs = ((OURS, OURS_UNCHECKED, ""), (OURS_ISAL, OURS_ISAL_UNCHECKED, "_isal"))
    each_of = (*[each for *pair, _ in pairs for each in pair], peer)
    items = size.end_to_end_large_items
    turns = _turns(items, each_of, size.end_to_end_repetitions, progress)
    wall = {name: Usage.median([turn.usage for turn in each]).wall for name, each in turns.items()}
    for name, seconds in wall.items():
        yield Figure(f"e2e_large_{name}_items_per_s", items / seconds, "items/s", f"{items:,} items")
    note = f"{items:,} items; the best is {peer.name}"
    for own, unchecked, suffix in pairs:
        yield _lead(f"e2e_items_vs_best_peer{suffix}", note, *[wall[each.name] for each in (peer, own, unchecked)])


def _lead(figure: str, note: str, wall: float, own: float, unchecked: float) -> Figure:
    """How many times as long as `own` the best peer takes; the last three arguments are seconds."""
    return Figure(
        figure, wall / own, TIMES, f"{note}; without any check of the items it would be {wall / unchecked:.3g}"
    )


def _turns(
    items: int, contestants: Iterable[Contestant], repetitions: int, progress: Callable[[str], None]
) -> dict[str, list[Turn]]:
    with environment(items=items) as servers:
        calls = {each.name: partial(_turn, servers, each, items, progress) for each in contestants}
        return interleaved(calls, repetitions)


def _turn(servers: Environment, contestant: Contestant, items: int, progress: Callable[[str], None]) -> Turn:
    progress(f"{contestant.name}: {items:,} items")
    contestant.prepare(servers)
    servers.checkpoint()
    with watched(servers.servers) as watch:
        usage = contestant.refresh(servers)
    return Turn(usage, watch, check(servers, contestant, items))


def _start(size: Size, progress: Callable[[str], None]) -> Usage:
    """What a refresh takes before it has moved anything: Python, imports, clients, connections."""
    progress("ours: a single item")
    with environment(items=1) as servers:
        return Usage.median([OURS.refresh(servers) for _ in range(size.end_to_end_repetitions)])


def _figures(name: str, usage: Usage, turns: list[Turn], items: int) -> Iterator[Figure]:
    yield Figure(f"e2e_{name}_items_per_s", items / usage.wall, "items/s")
    yield Figure(f"e2e_{name}_cpu_us_per_item", 1e6 * usage.cpu / items, "us/item")
    yield Figure(f"e2e_{name}_peak_rss_mb", usage.peak_mb, "MB", _MEMORY_NOTES.get(name, ""))
    worst = min((turn.fidelity for turn in turns), key=share)
    note = "; ".join([f"{what} {right:,} of {of:,}" for what, (right, of) in worst.items()])
    yield Figure(f"e2e_{name}_kept", share(worst), "share", note)
    for server in turns[0].servers.cpu:
        cpu = median(turn.servers.cpu[server] for turn in turns)
        memory = median(turn.servers.peak_mb[server] for turn in turns)
        yield Figure(f"e2e_{name}_{server}_cpu_us_per_item", 1e6 * cpu / items, "us/item")
        yield Figure(f"e2e_{name}_{server}_rss_mb", memory, "MB")
