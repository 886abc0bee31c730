"""From DynamoDB into an indexed PostgreSQL table, end to end: this project and other tools.

Whole processes, from exec to exit, take turns on the same servers, each with a new table with the same indexes.
Ours calls the deployed handlers with the state machine's events, and stages through S3 over HTTP. In the state machine,
separate functions read the segments; here the process that loads later reads one of two segments, and a fork of it
reads the other. One process for both segments takes about 5 % less CPU and a quarter to a half more time.
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
    """One refresh by one contestant: its usage, the usage of the servers, and the fidelity of the rows."""

    usage: Usage
    servers: Watch
    fidelity: Fidelity


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Yield the figures of each contestant and of the servers, then the ratios of ours to the best peer."""
    items = size.end_to_end_items
    turns = _turns(items, PEERS, size.end_to_end_repetitions, progress)
    usages = _medians(turns)
    for each in (OURS, *PEERS):
        yield from _figures(each.name, usages[each.name], turns[each.name], items)
    start = _start(size, progress)
    yield Figure("e2e_ours_start_cpu_ms", start.cpu * 1000, "ms", "a refresh of a single item")
    yield Figure("e2e_ours_start_ms", start.wall * 1000, "ms", "the same")
    fastest = min(PEERS, key=lambda peer: usages[peer.name].wall)
    yield from _leads(usages, fastest, items, "_50k")
    thriftiest = min(PEERS, key=lambda peer: usages[peer.name].cpu)
    cpu = usages[thriftiest.name].cpu / usages[OURS.name].cpu
    yield Figure("e2e_cpu_vs_best_peer", cpu, TIMES, f"the best is {thriftiest.name}")
    yield from _large(size, fastest, progress)


def _large(size: Size, peer: Contestant, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Yield the figures of ours and the best peer for more items, where start-up matters less."""
    items = size.end_to_end_large_items
    usages = _medians(_turns(items, (peer,), size.end_to_end_repetitions, progress))
    for name, usage in usages.items():
        yield Figure(f"e2e_large_{name}_items_per_s", items / usage.wall, "items/s", f"{items:,} items")
    yield from _leads(usages, peer, items, "")


def _leads(usages: dict[str, Usage], peer: Contestant, items: int, suffix: str) -> Iterator[Figure]:
    """Yield the ratio of the best peer's time to ours, without isal and with it."""
    wall = usages[peer.name].wall
    for own, unchecked, native in ((OURS, OURS_UNCHECKED, ""), (OURS_ISAL, OURS_ISAL_UNCHECKED, "_isal")):
        most = wall / usages[unchecked.name].wall
        note = f"{items:,} items; the best is {peer.name}; without any check of the items it would be {most:.3g}"
        yield Figure(f"e2e_items_vs_best_peer{native}{suffix}", wall / usages[own.name].wall, TIMES, note)


def _turns(
    items: int, peers: Iterable[Contestant], repetitions: int, progress: Callable[[str], None]
) -> dict[str, list[Turn]]:
    """Run ours before and after the peers: it takes only a few seconds, and the machine's speed fluctuates."""
    own = (OURS, OURS_UNCHECKED, OURS_ISAL, OURS_ISAL_UNCHECKED)
    with environment(items=items) as servers:
        calls = [(each.name, partial(_turn, servers, each, items, progress)) for each in (*own, *peers, *own)]
        return interleaved(calls, repetitions)


def _medians(turns: dict[str, list[Turn]]) -> dict[str, Usage]:
    return {name: Usage.median([turn.usage for turn in each]) for name, each in turns.items()}


def _turn(servers: Environment, contestant: Contestant, items: int, progress: Callable[[str], None]) -> Turn:
    progress(f"{contestant.name}: {items:,} items")
    contestant.prepare(servers)
    servers.checkpoint()
    with watched(servers.servers) as watch:
        usage = contestant.refresh(servers)
    return Turn(usage, watch, check(servers, contestant, items))


def _start(size: Size, progress: Callable[[str], None]) -> Usage:
    """Measure a refresh's fixed cost: Python, imports, clients, connections."""
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
