"""A schedule: everything about one round of the campaign, drawn from a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from campaigns.faults.defaults import Default, draw_defaults
from campaigns.faults.faults import KINDS, LAMBDA_ERRORS, Fault
from campaigns.faults.others import MATERIALIZED_VIEW, OTHERS
from campaigns.faults.strategies import ONLY_SWAP, STRATEGIES
from campaigns.faults.swap import BUILDS_ENDED
from demand_pipeline.builders import TABLES
from demand_pipeline.scan.segment import READERS
from demand_pipeline.tables import camel_case

_OVERLAPS = tuple(kind for kind in KINDS if kind.startswith("overlap"))
_ALONE = (*_OVERLAPS, "s3 object lost")  # never drawn with another fault
_PLAIN = tuple(kind for kind in KINDS if kind not in _ALONE)
_TURNS = (*KINDS, *_ALONE)  # kinds that are never drawn at random have two turns
_LARGE = 2**28
SHORT = ", in short time"  # an attempt that stops early writes less than the other one
# A client survives one fault, 8 in a row exhaust boto3's attempts, and 57 also the state machine's retries.
_CLIENT_ATTEMPTS = 8
_WIRE_TIMES = (1, 1, 2, 8, 9, 57)
_TASK_TIMES = (1, 1, 2, 8)
# Faults that happen once: locks and snapshots stay until they are healed, and an index build is started only twice.
_ONCE = ("postgres lock held", "postgres old snapshot", "postgres restarted")
_SPARE_REDRIVES = 3  # for later effects of a fault: a restarted server, a late attempt that holds locks


@dataclass(frozen=True)
class Schedule:
    """The runs of a round, and the faults in them."""

    seed: int
    rows: int  # maximum number of items per table
    segments: int
    chunk_bytes: int
    page_items: int
    part_bytes: int
    tables: tuple[str, ...]  # of the runs after the first
    save_csv: bool
    first_strategy: str  # of the first run
    strategy: str  # of the others
    keep_previous: bool
    copiers: int  # functions that copy chunks at once; 0: the load copies them itself
    reader: str
    faults: tuple[Fault, ...]
    others: tuple[str, ...] = ()  # objects of others in the warehouse
    defaults: tuple[Default, ...] = ()  # settings of the server, the database or the role

    @property
    def overlap(self) -> Fault | None:
        """The fault that is an overlap of runs, not an injection."""
        return next((fault for fault in self.faults if fault.kind in _OVERLAPS), None)

    @property
    def redrives(self) -> int:
        """The sufficient number of redrives: a fault fails a run at most as often as it happens or exhausts boto3."""
        return _SPARE_REDRIVES + sum(min(fault.times, _CLIENT_ATTEMPTS) for fault in self.faults)


def draw_schedule(seed: int) -> Schedule:
    """Draw a schedule; the same one for the same seed."""
    random = Random(seed)
    segments = random.choice((1, 1, 2, 3))
    rows = random.choice((3, 9, 18, 18))
    # Consecutive seeds take turns, so that every kind of fault appears.
    turn = _TURNS[seed % len(_TURNS)]
    strategy = "swap" if turn in ONLY_SWAP else random.choice(tuple(STRATEGIES))
    others = [kind for kind in _PLAIN if strategy == "swap" or kind not in ONLY_SWAP]
    kinds = dict.fromkeys((turn, *random.sample(others, random.choice((0, 0, 1, 1, 2, 3)))))
    tables = tuple(TABLES)
    if random.random() < 0.2:
        tables = tuple(random.sample(tables, random.randint(1, 3)))
    copiers = random.choice((0, 1, 3))
    faults = tuple(_draw_fault(kind, random, tables, segments, strategy, copiers) for kind in kinds)
    first, keep_previous = random.choice((strategy, strategy, *STRATEGIES)), random.random() < 0.8
    fitting = [name for name, other in OTHERS.items() if other.fits(strategy, first, keep_previous=keep_previous)]
    others = random.sample(fitting, random.choice((0, 1, 1, 2)))
    # One way of reading needs the materialized view.
    ways = [way for way in STRATEGIES[strategy].readers if way != MATERIALIZED_VIEW or way in others]
    parts = any(fault.place.startswith(("s3/UploadPart", "s3/CompleteMultipart")) for fault in faults)
    return Schedule(
        seed=seed,
        rows=rows,
        segments=segments,
        chunk_bytes=random.choice((1, 1, _LARGE)),
        page_items=random.choice((max(2, rows // 4), rows, 1000)),
        part_bytes=200 if parts else random.choice((200, 8 << 20)),
        tables=tables,
        save_csv=random.random() < 0.2,
        first_strategy=first,
        strategy=strategy,
        keep_previous=keep_previous,
        copiers=copiers,
        reader=random.choice(ways),
        faults=faults,
        others=tuple(others),
        defaults=draw_defaults(random, random.choice((0, 0, 1, 3)), others=bool(others)),
    )


type Draw = Callable[[Random, str, int], Fault]


def _draw_fault(  # noqa: PLR0913, PLR0917 - all that a fault depends on
    kind: str, random: Random, tables: tuple[str, ...], segments: int, strategy: str, copiers: int
) -> Fault:
    table, family = random.choice(tables), kind.partition(" ")[0]
    fault = (
        _postgres(random, kind, table, strategy)
        if family == "postgres"
        else _task(random, kind, table, copiers)
        if family in ("lambda", "states")
        else _DRAW[family](random, kind, table, segments)
    )
    return Fault(**{**fault, "kind": kind})


def _scan(random: Random, kind: str, table: str, segments: int) -> dict[str, Any]:
    variants = {
        "dynamodb 5xx": ("500", "503"),
        "dynamodb reset": ("before", "after"),
        "dynamodb cut body": ("unnoticed", "noticed"),
        "dynamodb empty page": ("between", "last"),
    }
    return {
        "place": f"scan/{TABLES[table].source}/{random.randrange(segments * READERS)}",
        "variant": random.choice(variants.get(kind, ("",))),
        "skip": random.choice((0, 0, 0, 1, 2)),
        "times": random.choice((1, 2, 5) if kind == "dynamodb empty page" else _WIRE_TIMES),
    }


_S3_CALLS = {
    "s3 slow down": ("PutObject/raw", "PutObject/staged", "GetObject/raw", "GetObject/staged"),
    "s3 500": ("PutObject/raw", "PutObject/staged", "GetObject/raw", "GetObject/staged"),
    "s3 part failed": ("UploadPart/raw", "UploadPart/staged"),
    "s3 completion failed": ("CompleteMultipartUpload/raw", "CompleteMultipartUpload/staged"),
    "s3 read cut": ("GetObject/raw", "GetObject/staged", "GetObject/rejects"),
    "s3 object lost": ("GetObject/raw", "GetObject/staged", "GetObject/staged"),
}
_S3_VARIANTS = {
    "s3 completion failed": ("before", "after", "200"),
    "s3 part failed": ("before", "reset"),
    "s3 read cut": ("short", "reset"),
    "s3 object lost": ("gone", "cut short", "line lost"),
}


def _s3(random: Random, kind: str, table: str, _: int) -> dict[str, Any]:
    lost = kind == "s3 object lost"
    return {
        "place": f"s3/{random.choice(_S3_CALLS[kind])}/{table}",
        "variant": random.choice(_S3_VARIANTS.get(kind, ("",))),
        "skip": 0 if lost else random.choice((0, 0, 0, 1, 2)),
        # The function reads the body itself, so boto3 does not retry.
        "times": 1 if lost else random.choice(_TASK_TIMES if kind == "s3 read cut" else _WIRE_TIMES),
    }


def _task(random: Random, kind: str, table: str, copiers: int) -> dict[str, Any]:
    name = camel_case(table)
    copying = ["PrepareLoad", "CopyChunk", "CopyChunk"] if copiers else []
    states = [f"Scan{name}", f"Transform{name}", *copying, "LoadWarehouse", "LoadWarehouse"]
    if kind == "lambda failed before":
        states.append(f"Describe{name}")
    variants = {
        "lambda failed before": tuple(LAMBDA_ERRORS),
        "lambda answer lost": tuple(LAMBDA_ERRORS),
        "lambda out of time": ("stops itself", "dies", "dies"),
        "lambda twice, first last": tuple(
            f"after the {when}{how}" for when in ("second", "run") for how in ("", SHORT)
        ),
        "states stopped by hand": ("work continues", "work continues during the redrive", "before the work"),
    }
    parallel = [state for state in states if not state.endswith(("LoadWarehouse", "PrepareLoad"))]
    state = random.choice(parallel if kind.startswith("states sibling") else states)
    retried = kind in ("lambda failed before", "lambda answer lost")
    return {
        "place": f"task/{state}",
        "variant": random.choice(sorted(variants.get(kind, ("",)))),
        "skip": random.choice((0, 0, 1)) if state in parallel else 0,
        "times": random.choice(_TASK_TIMES) if retried else 1,
        "call": random.randint(1, 40 if "Load" in state else 12 if state == "CopyChunk" else 4),
    }


def _postgres(random: Random, kind: str, table: str, strategy: str) -> dict[str, Any]:
    facts = STRATEGIES[strategy]
    timed = (*(point.format(table) for point in facts.points), "record", "record table")
    after = (*timed, *(point.format(table) for point in facts.untimed))
    copying = (f"shadow/{table}", "claim", f"copy/{table}")
    points = {
        "postgres refused": ("connect",),
        "postgres killed in copy": ("claim", f"copy/{table}", f"copy/{table}", f"copy/rejects_{table}", "complete"),
        "postgres killed in placing": after,
        "postgres killed at commit": ("commit",),
        "postgres restarted": ("begin", "turn", *copying, "lock", "commit", *after),
        "postgres password rotated": ("connect",),
        "postgres lock held": ("lock",),
        "postgres deadlock": ("record",) if strategy == "swap" else (f"fill/{table}",),
        "postgres slow": ("commit", *after),
        "postgres statement timeout": ("turn", *copying, "lock", *timed),
        "postgres build ended": (f"build/{table}",),
        "postgres old snapshot": ("turn", f"shadow/{table}", "claim", f"build/{table}"),
    }
    variants = {
        "postgres killed in placing": ("before", "after"),
        "postgres killed at commit": ("before", "race", "race", "after"),
        "postgres password rotated": ("secret at once", "secret late"),
        "postgres lock held": (
            f"reading briefly {table}",
            f"reading for long {table}",
            f"writing briefly {table}",
            "keeping briefly pipeline_runs",
        ),
        "postgres deadlock": (table,),
        "postgres build ended": BUILDS_ENDED,
        "postgres old snapshot": tuple(
            f"{how} {duration} {table}" for how in ("snapshot", "imported") for duration in ("briefly", "for long")
        ),
    }
    return {
        "place": f"postgres/{random.choice(points[kind])}",
        "variant": random.choice(variants.get(kind, ("",))),
        "times": random.choice((1, 1, 1, 2)) if kind not in _ONCE else 1,
        "call": random.randint(1, 4),
    }


def _overlap(random: Random, kind: str, _table: str, _: int) -> dict[str, Any]:
    variants = {
        "overlap two runs": ("older first", "newer first", "together", "together"),
        "overlap two loads": ("together", "one after the other"),
        "overlap old run redriven": ("days old", "days old", "forced"),
        "overlap rollback": ("before the swap", "during the swap", "during the swap", "after the swap"),
    }
    return {"place": "overlap", "variant": random.choice(variants[kind]), "call": random.randint(0, 20)}


_DRAW: dict[str, Callable[[Random, str, str, int], dict[str, Any]]] = {
    "dynamodb": _scan,
    "s3": _s3,
    "overlap": _overlap,
}
