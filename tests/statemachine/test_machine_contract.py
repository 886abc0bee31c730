"""The state machine and the functions speak of the same version of events."""

from demand_pipeline.contracts.event import CONTRACT
from tests.statemachine.fakes import handlers, sized
from tests.statemachine.harness import Machine
from tests.support.functions import OF_A_RUN


def test_every_function_is_told_the_version_of_its_event() -> None:
    with Machine(handlers(), around=sized(), ParallelCopyBytes=0) as machine:
        machine.start({})
    told = {(task.function, task.event.get("contract")) for task in machine.tasks if task.function}
    assert told == {(function, CONTRACT) for function in OF_A_RUN}
