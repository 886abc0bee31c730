"""`demand explain`: the runbook's entry of an error."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.markdown import Markdown
from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.output import facts
from demand.explain import Explanation, schema_of
from demand.explain import explain as explained

Name = Annotated[str, typer.Argument(metavar="NAME", help="An error, a SQLSTATE or an alarm.")]
Schema = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The schema of the warehouse's tables. Default: the schema in samconfig.toml."),
]


@command(
    "explain", examples=["demand explain LockTimeoutError", "demand explain 55P03", "demand explain RunFailedAlarm"]
)
def explain(shell: Shell, name: Name, schema: Schema = None) -> None:
    """Explain an error, a SQLSTATE or an alarm, with SQL that shows more. Works offline."""
    found = explained(name, schema or schema_of(shell.config))
    shell.output.show(found, *_parts(found, is_terminal=shell.output.results.is_terminal))


def _parts(found: Explanation, *, is_terminal: bool) -> Iterator[RenderableType]:
    yield Text(f"{found.name} (SQLSTATE {found.sqlstate})" if found.sqlstate else found.name, style="bold")
    for each in found.advice:
        yield ""
        yield Text(f"in {each.met_in}")
        yield facts([("means", each.meaning), ("do", each.do), ("safe", each.safe), ("then", each.then)])
    if found.similar:
        yield Text(f"\nsimilar names: {', '.join(found.similar)}")
    if found.notes:
        yield ""
        yield Markdown(found.notes) if is_terminal else Text(found.notes)
    for text in found.sql:
        yield Text(f"\n{text}")
    if found.sql:
        yield Text(f"\nThe SQL is for the tables in the schema {found.schema}.", style="dim")
