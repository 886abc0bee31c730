"""The commands and links of the documentation: what they name exists."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session

from scripts import words

DOCUMENTS = {
    str(path): path.read_text(encoding="utf-8")
    for path in [*sorted(Path().glob("*.md")), *sorted(Path("docs").glob("*.md")), Path("campaigns/README.md")]
}
TEXT = re.sub(r" \\\n\s*", " ", "\n".join(DOCUMENTS.values()))
OF_EVERY_COMMAND = {"query", "output", "region", "profile"}
# The CLI's own commands, which no service's model has.
OF_THE_CLI = {
    "s3 rm": {"recursive"},
    "cloudformation wait": {"stack-name", "change-set-name"},
    # The CLI's own name for Endpoint, which would look like --endpoint-url.
    "sns subscribe": {"topic-arn", "protocol", "notification-endpoint"},
}
# Prints the options of commands of the SAM CLI, as its own parser knows them.
SAM_OPTIONS = """
import json, sys
import click
from samcli.cli.main import cli

options = {}
for name in sys.argv[1:]:
    command = cli
    for word in name.split():
        command = command.get_command(click.Context(cli, obj=True), word)
    options[name] = [option for parameter in command.params for option in parameter.opts + parameter.secondary_opts]
print(json.dumps(options))
"""


def commands(pattern: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each command that matches, with its options."""
    found = re.findall(rf"\b{pattern}([^\n`)]*)", TEXT)
    return sorted({(" ".join(words), tuple(re.findall(r" (--?[a-z][a-z-]*)", rest))) for *words, rest in found})


AWS = commands(r"aws ([a-z0-9]+) ([a-z][a-z-]+)")
SAM = commands(r"sam ((?:local |list )?[a-z][a-z-]+)")


@cache
def operations(service: str) -> dict[str, Any]:
    model = Session().get_service_model(service)
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


@pytest.mark.parametrize(("command", "options"), AWS)
def test_an_aws_command_has_the_options_that_its_service_takes(command: str, options: list[str]) -> None:
    given = {option.removeprefix("--") for option in options} - OF_EVERY_COMMAND
    if command in OF_THE_CLI:
        assert given <= OF_THE_CLI[command]
        return
    service, operation = command.split()
    shape = operations(service)[operation].input_shape
    assert given <= {xform_name(name, "-") for name in shape.members}
    if given:
        assert {xform_name(name, "-") for name in shape.required_members} <= given


def test_a_sam_command_has_the_options_that_the_cli_takes() -> None:
    names = sorted({name for name, _ in SAM})
    script = [".venv-sam/bin/python", "-c", SAM_OPTIONS, *names]
    known = json.loads(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    assert [(name, option) for name, options in SAM for option in options if option not in known[name]] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    for target, _, heading in (link.partition("#") for link in re.findall(r"\]\(([^):]+)\)", DOCUMENTS[document])):
        path = Path(document).parent / target if target else Path(document)
        assert path.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings], heading


def test_the_readme_links_every_document() -> None:
    linked = set(re.findall(r"\]\(([^):#]+)", DOCUMENTS["README.md"]))
    assert set(DOCUMENTS) - linked == {"README.md"}


LIBRARY = Path("layers/shared/demand_pipeline")


def test_the_map_names_every_part_of_the_library_and_nothing_that_does_not_exist() -> None:
    named = set(re.findall(r"`([\w./-]+(?:/|\.\w+))`", DOCUMENTS["CONTRIBUTING.md"]))
    parts = {f"{path.name}/" if path.is_dir() else path.name for path in LIBRARY.iterdir()}
    assert parts - {"__init__.py", "__pycache__/"} - named == set()
    assert {path for path in named if not Path(path).exists() and not (LIBRARY / path).exists()} == set()


TO_AVOID = (
    "fetched from https://pypi.org/simple",
    '"""What looks at the clock for a load."""',
    "# Of this table only.",
    "a failed run is reported to nobody",
    "raises TransientError if it is no Scan response",
    "There is none of version 14 for arm64.",
    "The route table is that of the subnets",
    "the message has the cure",
    "expected what run {run} has replaced",
    "expected escapes of JSON, got others",
    "a reason that has no class of its own",
    "A run that is committed already is loaded once more.",
    "an attribute of another type than its column usually has",
    "A redrive ends here again, on purpose",
    "it names the process that is in the way",
    "A running run goes on.",
    "which gives the run's disk space back",
    "AWS does not know these credentials",
    "A part of a table says nothing",
    "Everything, in a statement a table",
    "replace ids, hosts and account numbers by your own",
    "Make a table's indexes, but for its primary key.",
    "Used most is: memory as the most of three",
    "Tables with key collisions have drift, and so have dry runs",
    "what the contract's reference makes of the source",
    "the text is what is left",
)


def test_an_option_of_several_commands_is_explained_once() -> None:
    rows = re.findall(r"^\| `(?:-|\[).*$", DOCUMENTS["docs/demand.md"], re.MULTILINE)
    assert len(rows) > 30
    assert [row for row in set(rows) if rows.count(row) > 2] == []


@pytest.mark.parametrize("text", TO_AVOID)
def test_a_phrase_to_avoid_is_found_also_over_the_end_of_a_line(text: str) -> None:
    assert list(words.found(text)) == list(words.found(text.replace(" ", "\n    "))) != []


def test_each_pattern_of_phrases_to_avoid_finds_one() -> None:
    assert {pattern for pattern in words.AVOID if any(re.search(pattern, text) for text in TO_AVOID)} == set(
        words.AVOID
    )


@pytest.mark.parametrize(
    "text",
    [
        '"""Whether the run is already committed by another session."""',
        '"""What if: the name of a test."""',
        "There is no such table: the rows that the run replaced are not kept.",
        "the message says what was found; expected a port number, got 'x'",
        "It replaces the rows with their new values, except for the key.",
    ],
)
def test_plain_english_is_not_reported(text: str) -> None:
    assert list(words.found(text)) == []


def test_code_is_not_searched_for_phrases() -> None:
    text = 'nobody = there_is_none  # a comment\ncall("a message", f"{nobody} is text")\n'
    assert [piece for _, piece in words.prose("x.py", text)] == ["# a comment", '"a message"', " is text"]
    assert list(words.prose("x.sql", "SELECT nobody\n-- a comment\n")) == [(2, "-- a comment")]
