"""The whole way from DynamoDB into an indexed PostgreSQL table: this project beside what people use today.

Whole processes, from exec to exit, take turns on the same servers, each with a new table that has the same
indexes. Ours calls the deployed handlers with the events of the state machine, and stages through S3 over HTTP.
The machine's Map reads segments in functions of their own; here it is two segments, one in the process that loads
afterwards, one in a fork of it. Measured beside that on two cores: one process for both segments takes about 5 % less
CPU and a quarter to a half more time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.contestants import PEERS, Contestant, ours
from benchmarks.figures import Figure, Size
from benchmarks.kept import Kept, check
from benchmarks.process import Usage, interleaved, watched
from benchmarks.report.numbers import TIMES
from benchmarks.stand import Stand, stand

_MILLION = 1_000_000
_MEMORY_NOTES = {"ours": "of the larger of two processes, as of a function", "singer": "tap and target together"}


@dataclass(frozen=True)
class Turn:
    """One refresh by one contestant: what it used, what the servers used meanwhile, and what it kept."""

    usage: Usage
    server_cpu: dict[str, float]
    server_peak_mb: dict[str, float]
    kept: Kept


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Yield each contestant's figures and the servers', then how many times ours is ahead of the best peer."""
    contestants = (ours(), *PEERS)
    items = size.end_to_end_items
    with stand(items=items, segments=(1, 2)) as servers:
        turns = interleaved(
            {each.name: partial(_turn, servers, each, items, progress) for each in contestants},
            size.end_to_end_repetitions,
        )
    usages = {name: Usage.median([turn.usage for turn in each]) for name, each in turns.items()}
    for name, usage in usages.items():
        yield from _figures(name, usage, turns[name], items)
    start = _start(size, progress)
    yield Figure("e2e_ours_start_cpu_ms", start.cpu * 1000, "ms", "a refresh of a single item")
    yield Figure("e2e_ours_start_ms", start.wall * 1000, "ms", "the same")
    own, peers = usages["ours"], [usages[each.name] for each in PEERS]
    best_wall, best_cpu = min(each.wall for each in peers), min(each.cpu for each in peers)
    fastest = next(name for name, each in usages.items() if each.wall == best_wall)
    thriftiest = next(name for name, each in usages.items() if each.cpu == best_cpu)
    yield Figure("e2e_items_vs_best_peer", best_wall / own.wall, TIMES, note=f"the best is {fastest}")
    yield Figure("e2e_cpu_vs_best_peer", best_cpu / own.cpu, TIMES, note=f"the best is {thriftiest}")


def _turn(servers: Stand, contestant: Contestant, items: int, progress: Callable[[str], None]) -> Turn:
    progress(f"{contestant.name}: {items:,} items")
    contestant.prepare(servers)
    with watched(servers.servers) as watch:
        usage = contestant.refresh(servers)
    return Turn(usage, watch.cpu, watch.peak_mb, check(servers, contestant, items))


def _start(size: Size, progress: Callable[[str], None]) -> Usage:
    """What a refresh takes before it has moved anything: Python, imports, clients, connections."""
    progress("ours: a single item")
    with stand(items=1, segments=2) as servers:
        return Usage.median([ours().refresh(servers) for _ in range(size.end_to_end_repetitions)])


def _figures(name: str, usage: Usage, turns: list[Turn], items: int) -> Iterator[Figure]:
    yield Figure(f"e2e_{name}_items_per_s", items / usage.wall, "items/s")
    yield Figure(f"e2e_{name}_cpu_us_per_item", usage.cpu / items * _MILLION, "us/item")
    note = _MEMORY_NOTES.get(name, "")
    yield Figure(f"e2e_{name}_peak_rss_mb", usage.peak_mb, "MB", note)
    worst = min((turn.kept for turn in turns), key=lambda kept: kept.share)
    yield Figure(f"e2e_{name}_kept", worst.share, "share", note=str(worst))
    for server in turns[0].server_cpu:
        cpu = median(turn.server_cpu[server] for turn in turns)
        memory = median(turn.server_peak_mb[server] for turn in turns)
        yield Figure(f"e2e_{name}_{server}_cpu_us_per_item", cpu / items * _MILLION, "us/item")
        yield Figure(f"e2e_{name}_{server}_rss_mb", memory, "MB")
