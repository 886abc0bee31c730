"""What a run needs, looked at one thing after the other, without a run: `diagnosis` has the order."""
