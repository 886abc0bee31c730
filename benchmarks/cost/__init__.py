"""What a run costs, from measured figures and list prices: writes docs/cost.md."""

from benchmarks.cost.page import write_cost

__all__ = ["write_cost"]
