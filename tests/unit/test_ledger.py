"""The entries of a run's ledger: their names stay, since a redrive continues with the ledger of an older version."""

import pytest

from demand_pipeline.load.copy.ledger import Kind

KEY = "runs/2026-12-01/run-1/staged/cases/0/0-{}.json.gz"
NAMES = [
    (Kind.CHUNK, (KEY,), KEY),
    (Kind.BUILD, ("rejects_cases", "it's {0}", "1"), "build rejects_cases it's {0} 1"),
    (Kind.BUILD, ("cases", "cases_pkey", ""), "build cases cases_pkey "),
    (Kind.VACUUM, ("cases",), "vacuum cases"),
    (Kind.EXPORT_PART, ("cases", "00012"), "export of cases, part 00012"),
    (Kind.BUILDER, (), "builder"),
    (Kind.CALLS, (), "calls"),
    (Kind.HEARTBEAT, (), ""),
]


@pytest.mark.parametrize(("kind", "parts", "name"), NAMES)
def test_an_entry_keeps_the_name_that_older_versions_stored(kind: Kind, parts: tuple[str, ...], name: str) -> None:
    assert kind.entry(*parts) == name


def test_the_names_of_all_kinds_are_kept() -> None:
    assert {kind for kind, _, _ in NAMES} == set(Kind)
