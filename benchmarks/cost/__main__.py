"""Writes docs/cost.md from the latest figures: python -m benchmarks.cost."""

from benchmarks.cost import write_cost
from benchmarks.figures import Results

if __name__ == "__main__":
    write_cost(Results.load())
