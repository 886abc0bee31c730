"""The runbook's entry of an error or an alarm, from the same values as the page. It makes no call."""

import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from demand.config import Config
from demand_pipeline.builders import TABLES
from demand_pipeline.cure import READING, Cure, Then
from demand_pipeline.cures import QUESTION_CURES, RUN_CURES, cure_of_question, cure_of_run
from demand_pipeline.load.warehouse.schema import pipeline_schema
from demand_pipeline.postgres.sqlstates import kind_of
from demand_pipeline.postgres.statements import Sql, Statements, listed, literal, quote

statement = Statements(__package__)

DEFAULT_SCHEMA = "public"  # of template.yaml
# Within an installed tool, and within a checkout.
_PAGES = (Path(__file__).with_name("runbook.md"), Path(__file__).parents[1] / "docs" / "runbook.md")
_SIMILAR, _LIKENESS = 3, 0.75
_ANCHOR = re.compile(r'<a id="([\w.]+)"></a>')
_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_IS_SQLSTATE = re.compile(r"[0-9A-Z]{5}").fullmatch

_SAFE = {
    (Then.REDRIVE,): "a redrive, as often as you like: it repeats only what failed",
    (Then.NEW_RUN,): "a new run, as often as you like; a redrive would fail in the same way",
    (Then.NEW_INPUT,): "a new run, as often as you like; a redrive would fail in the same way",
    (Then.REDRIVE, Then.NEW_RUN): "both; neither changes a table before its commit",
    (Then.NOTHING,): "to wait; the warehouse is unchanged",
    (Then.REPEAT,): "to repeat the command: it changed nothing",
}
_COMMANDS = {
    Then.REJECTS: "`demand rejects RUN`",
    Then.LOGS: "`demand logs RUN --errors`",
    Then.REDRIVE: "`demand redrive RUN`",
    Then.NEW_RUN: "`demand run`",
    Then.NEW_INPUT: "`demand run` with the right options",
    Then.NOTHING: "nothing",
    Then.REPEAT: "the command again",
}
# The statements that a person may run for more about an error.
STATEMENTS: dict[str, tuple[str, ...]] = {
    "LockTimeoutError": ("show_locks",),
    "DatabaseTimeoutError": ("show_activity",),
    "DatabasePrivilegeError": ("show_owners",),
    "DiskFullError": ("show_sizes", "show_slots"),
    "RefusedRowError": ("show_rules",),
    "RejectLimitError": ("show_rejects", "show_counts"),
    "ShrinkLimitError": ("show_counts",),
    "ReconciliationError": ("show_counts",),
    "StaleRunError": ("show_runs",),
    "RunNameTakenError": ("show_runs",),
    "RunRolledBackError": ("show_runs",),
    "RollbackError": ("show_runs",),
}


@dataclass(frozen=True)
class Advice:
    """The meaning of an error where it is met, in a run or in an operator's command, and how to continue."""

    met_in: str
    names: tuple[str, ...]
    meaning: str
    do: str
    safe: str
    then: str


@dataclass(frozen=True)
class Explanation:
    """The entry of a name: an alarm has notes only.

    `sqlstate` is the given SQLSTATE, if `name` is its error. `notes` are Markdown. `similar` are similar names, for a
    name without an entry.
    """

    name: str
    sqlstate: str | None
    advice: tuple[Advice, ...]
    sql: tuple[str, ...]
    schema: str
    notes: str
    similar: tuple[str, ...]


def explain(given: str, schema: str = DEFAULT_SCHEMA) -> Explanation:
    """Explain an error, a SQLSTATE or an alarm by its name; an unknown name gets advice and similar names."""
    page = read_page()
    names = [name for entry in (*RUN_CURES, *QUESTION_CURES) for name in entry.names] + _ANCHOR.findall(page)
    known = {name.lower(): name for name in names}
    sqlstate = given.upper() if _IS_SQLSTATE(given.upper()) and given.lower() not in known else None
    wanted = kind_of(sqlstate).__name__ if sqlstate else given
    # CloudFormation names an alarm after the stack, with a suffix: demand-pipeline-prod-RunFailedAlarm-1A2B3C.
    words = [wanted.lower(), *wanted.lower().split("-")]
    name = next((known[word] for word in words if word in known), wanted)
    is_known, is_alarm = name in names, name.lower().endswith("alarm")
    of_run, of_question = (any(name in entry.names for entry in cures) for cures in (RUN_CURES, QUESTION_CURES))
    advice = []
    if of_run or not (is_known or is_alarm):
        advice.append(_advice("a run", cure_of_run(name)))
    if of_question:
        advice.append(_advice("an operator's command", cure_of_question(name)))
    similar = [] if is_known else get_close_matches(name, known.values(), _SIMILAR, 0 if is_alarm else _LIKENESS)
    notes = _notes(page, name, is_error=bool(advice))
    return Explanation(name, sqlstate, tuple(advice), statements(name, schema), schema, notes, tuple(similar))


def statements(name: str, schema: str = DEFAULT_SCHEMA) -> tuple[str, ...]:
    """Return SQL that shows more about an error, for the tables in a schema."""
    schemas = [literal(quote(each)) for each in (schema, pipeline_schema(schema))]
    parts = {
        "schema": quote(schema),
        "tables": listed([literal(table) for table in TABLES]),
        "namespaces": listed([Sql(f"to_regnamespace({each})") for each in schemas]),
    }
    return tuple(statement(each, **parts) for each in STATEMENTS.get(name, ()))


def what_is_safe(entry: Cure) -> str:
    """Return the actions that are safe without further checks."""
    return _SAFE[tuple(then for then in entry.then if then not in READING)]


def commands(entry: Cure) -> str:
    """Return the commands to continue with; `RUN` stands for the run's name."""
    first = [_COMMANDS[then] for then in entry.then if then in READING]
    last = " or ".join([_COMMANDS[then] for then in entry.then if then not in READING])
    return ", then ".join([*first, last])


def schema_of(config: Config) -> str:
    """Return the schema in samconfig.toml, or the template's default."""
    if config.config_file.value is None:
        return DEFAULT_SCHEMA
    content = tomllib.loads(Path(config.config_file.value).read_text(encoding="utf-8"))
    section = content.get(config.config_env.value or "", {})
    given = [section.get(command, {}).get("parameters", {}) for command in ("global", "deploy")]
    overrides = [text for group in given for text in _listed(group.get("parameter_overrides", []))]
    found = re.search(r"\bPostgresSchema=[\"']*(\w+)", "\n".join(overrides))
    is_of_stack = any(group.get("stack_name") == config.stack.value for group in given)
    return found[1] if found and is_of_stack else DEFAULT_SCHEMA


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def read_page() -> str:
    """Return the runbook; an empty text if it does not exist."""
    return next((page.read_text(encoding="utf-8") for page in _PAGES if page.is_file()), "")


def _advice(met_in: str, entry: Cure) -> Advice:
    return Advice(met_in, entry.names, entry.meaning, entry.action, what_is_safe(entry), commands(entry))


def _notes(page: str, name: str, *, is_error: bool) -> str:
    """Return the page's section that a name's row links to and, for an alarm, also the row's meaning."""
    [row] = re.findall(rf'^\| (.*<a id="{re.escape(name)}"></a>.*) \|$', page, re.MULTILINE) or [""]
    cells = row.split(" | ")
    parts = [] if is_error else cells[1:2]
    for target in re.findall(r"\]\(#([a-z0-9]+)\)", cells[0])[:1]:
        sections = re.split(r"^(#{2,3} .+)$", page, flags=re.MULTILINE)
        parts += [
            text for heading, text in zip(sections[1::2], sections[2::2], strict=True) if _anchor(heading) == target
        ]
    return _LINK.sub(_without_link, "\n\n".join(part.strip() for part in parts))


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading of one word."""
    return re.sub(r"[^a-z0-9]", "", heading.lower())


def _without_link(link: re.Match[str]) -> str:
    """A link's text, and the page that it leads to."""
    text, target = link.groups()
    page = target if target.startswith("https:") else f"docs/{target}"
    if target.startswith("#"):
        return text
    return page if target.startswith(text) else f"{text} ({page})"
