"""`demand doctor`: checks whether a run would work, without starting one."""

from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.console import one_line
from demand.cli.options import Direct
from demand.cli.output import FAILED, SUCCESS
from demand.doctor.diagnosis import Diagnosis, examine
from demand_pipeline.contracts.operating.check import Finding, State

_STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILURE: "bold red", State.SKIPPED: "dim"}
_WORDS = {State.OK: "OK", State.WARNING: "WARNING", State.FAILURE: "FAILURE", State.SKIPPED: "skipped"}


@command("doctor", examples=["demand doctor", "demand doctor --direct", "demand doctor --json"])
def doctor(shell: Shell, direct: Direct = False) -> int:
    """Check everything that a run needs, and show how to fix each problem. Changes nothing."""
    findings = []
    ask = lambda _: shell.warehouse(direct=direct)  # noqa: E731
    for finding in examine(shell.clients, lambda: shell.stack, ask, lambda: shell.config):
        findings.append(finding)
        shell.output.add(_line(finding))
    diagnosis = Diagnosis(tuple(findings))
    counts = [f"{diagnosis.count(state)} {_WORDS[state]}" for state in State if diagnosis.count(state)]
    shell.output.show(diagnosis, Text(f"\n{', '.join(counts)}"))
    return FAILED if diagnosis.count(State.FAILURE) else SUCCESS


def _line(finding: Finding) -> Text:
    line = Text.assemble(
        (f"{_WORDS[finding.state]:<8}", _STYLES[finding.state]), one_line(f"{finding.subject}: {finding.message}")
    )
    if finding.action and finding.state is not State.OK:
        line.append(f"\n        do: {one_line(finding.action)}", style="bold")
    return line
