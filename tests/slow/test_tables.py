"""Another table, and a whole other company's, are declarations and a registry: the rest is generated."""

import pytest

from tests.slow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("walks")]

DERIVED = ("tests/template", "tests/statemachine")
OTHERS = ("tests/unit", "tests/functions/test_transform.py", "tests/local/test_sample.py")
# It puts items into tables of the contract by name, as most tests of conversion and load do.
BY_NAME = "tests/statemachine/test_pipeline.py::test_where_each_scan_returns_data_every_builders_rows_arrive"


def test_another_table_is_a_declaration_and_a_line_in_the_registry(project: Project) -> None:
    project.write("Another table")
    project.generate()
    project.test(*DERIVED, *OTHERS)
    assert project.demo() == {"cases", "metadata", "templates", "audit", "line_items"}


def test_another_companys_tables_take_the_place_of_all(project: Project) -> None:
    for builder in project.builders.glob("*_builder.py"):
        builder.unlink()
    project.write("Your own tables instead")
    project.generate()
    project.test(*DERIVED, f"--deselect={BY_NAME}")
    assert project.demo() == {"parcels", "parcel_events", "depots", "tariffs"}
