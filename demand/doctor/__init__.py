"""Checks of everything that a run needs, without a run; `diagnosis` defines their order."""
