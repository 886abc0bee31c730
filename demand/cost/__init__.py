"""What a run of one table takes and costs, from measured figures, list prices and the deployment's settings."""

from demand.cost.measured import Measured
from demand.cost.model import Run, shares_of_limits
from demand.cost.prices import PRICES, Price, Prices
from demand.cost.settings import Assumptions, Settings

__all__ = ["PRICES", "Assumptions", "Measured", "Price", "Prices", "Run", "Settings", "shares_of_limits"]
