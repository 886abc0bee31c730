"""Duration and cost of a run, from measured figures, list prices and the deployment's settings."""

from demand.cost.measured import Measured
from demand.cost.prices import PRICES, Price, Prices
from demand.cost.run import Run
from demand.cost.settings import Assumptions, Settings
from demand.cost.table_run import TableRun

__all__ = ["PRICES", "Assumptions", "Measured", "Price", "Prices", "Run", "Settings", "TableRun"]
