"""Parallel and Map states in JSONata: separate variables, output, and aborted siblings after a failure."""

import contextvars
import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from ministack.services import stepfunctions as sf

from local.emulator.frames import Stopped, current
from local.emulator.patching import Function, replaces

_INLINE_CONCURRENCY = 40  # Step Functions: concurrent iterations of a Map in Inline mode


def _is_jsonata(state: Any, ctx: Any) -> bool:
    return bool(sf._state_query_language(state, ctx) == "JSONata")


@replaces(sf, "_run_parallel_branches")
def _run_parallel_branches(original: Function, state: Any, given: Any, execution: Any, ctx: Any) -> Any:
    """AWS: Parallel accepts Arguments, Output and Assign; each branch has its own variables."""
    if not _is_jsonata(state, ctx):
        return original(state, given, execution, ctx)
    arguments = sf._apply_jsonata_arguments(state, given, ctx)
    jobs = [
        partial(sf._run_sub_machine, branch["States"], branch["StartAt"], arguments, execution, copy.deepcopy(ctx))
        for branch in state["Branches"]
    ]
    return _result(state, given, ctx, _run_together(ctx["State"]["Name"], jobs, len(jobs)))


@replaces(sf, "_run_map_items")
def _run_map_items(original: Function, state: Any, given: Any, execution: Any, ctx: Any) -> Any:
    """AWS: if one iteration fails, running iterations are aborted and the others are not started."""
    processor = state.get("ItemProcessor", {})
    if not _is_jsonata(state, ctx) or processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        return original(state, given, execution, ctx)
    items = sf._jsonata_state_field(state, "Items", "array", given, ctx) if "Items" in state else given
    jobs = []
    for index, item in enumerate(items):
        scope = {**copy.deepcopy(ctx), "Map": {"Item": {"Index": index, "Value": item}}}
        selected = sf._apply_jsonata_template(state["ItemSelector"], given, scope) if "ItemSelector" in state else item
        jobs.append(partial(sf._run_sub_machine, processor["States"], processor["StartAt"], selected, execution, scope))
    width = sf._apply_jsonata_template(state.get("MaxConcurrency"), given, ctx) or _INLINE_CONCURRENCY
    return _result(state, given, ctx, _run_together(ctx["State"]["Name"], jobs, min(width, _INLINE_CONCURRENCY)))


def _run_together(name: str, jobs: Sequence[Callable[[], Any]], width: int) -> list[Any]:
    """Run the jobs, `width` at a time; raises the first failure after stopping its siblings."""
    frame = current.get()
    group = frame.child(frame.visit(name)[-2:])
    results: list[Any] = [None] * len(jobs)
    failures: list[Exception] = []

    def run(index: int) -> None:
        current.set(group.child(index))
        try:
            group.check()
            results[index] = jobs[index]()
        except Stopped:
            pass
        except Exception as failure:  # noqa: BLE001 - raised below, in the thread of the state
            failures.append(failure)
            group.stop()

    with ThreadPoolExecutor(max_workers=max(width, 1)) as pool:
        for index in range(len(jobs)):
            pool.submit(contextvars.copy_context().run, run, index)
    if failures:
        raise failures[0]
    frame.check()
    return results


def _result(state: Any, given: Any, ctx: Any, results: list[Any]) -> Any:
    output = sf._apply_jsonata_output(state, given, ctx, result=results, default=results)
    sf._apply_state_assign(state, given, ctx, result=results)
    return output, sf._next_or_end(state)


@replaces(sf, "_apply_state_assign")
def _apply_state_assign(original: Function, state: Any, given: Any, ctx: Any, **outcome: Any) -> None:
    """AWS: every expression of an Assign sees the variables as they were before the state."""
    if not ctx or not _is_jsonata(state, ctx):
        original(state, given, ctx, **outcome)
        return
    before = {**ctx, "variables": dict(ctx.get("variables", {}))}
    assigned = {
        name: sf._apply_jsonata_template(template, given, before, **outcome)
        for name, template in (state.get("Assign") or {}).items()
    }
    ctx.setdefault("variables", {}).update(assigned)


@replaces(sf, "_apply_output_path")
def _apply_output_path(original: Function, state: Any, value: Any, ctx: Any = None) -> Any:
    """AWS: Succeed accepts an Output."""
    if state.get("Type") == "Succeed" and _is_jsonata(state, ctx):
        return sf._apply_jsonata_output(state, value, ctx, default=value)
    return original(state, value, ctx)


@replaces(sf, "_execute_choice")
def _execute_choice(original: Function, state: Any, given: Any, ctx: Any = None) -> Any:
    """AWS: a Choice that falls through to its Default gives the state's own Output."""
    output, after = original(state, given, ctx)
    if output is given and "Output" in state and after == state.get("Default"):
        chosen = any(sf._evaluate_jsonata_choice_rule(rule, given, ctx) for rule in state["Choices"])
        output = given if chosen else sf._apply_jsonata_output(state, given, ctx, default=given)
    return output, after
