"""Turns the figures into docs/performance.md and its charts."""

from benchmarks.report.page import write_performance

__all__ = ["write_performance"]
