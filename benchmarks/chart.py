"""Draws docs/performance.svg: python -m benchmarks.chart RESULTS SVG, in Matplotlib's environment."""

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

CONTESTANTS = {"ours": "this project", "singer": "Singer", "dlt": "dlt", "pandas": "pandas"}
MEASURES = {
    "items_per_s": "items per second\n(more is better)",
    "cpu_us_per_item": "CPU per item, µs\n(less is better)",
    "peak_rss_mb": "peak memory, MB\n(less is better)",
}
# Readable on white and on black: the picture has no background.
TEXT, OURS, OTHERS = "#7a8088", "#2f81f7", "#8b949e"


def main(results: str, picture: str) -> None:
    """Draw one panel per measure, and one bar per contestant with its value."""
    figures = json.loads(Path(results).read_text())["figures"]
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "demand", "font.family": "sans-serif", "font.size": 11}
    mpl.rcParams |= {"text.color": TEXT, "xtick.color": TEXT, "ytick.color": TEXT}
    panels, axes = plt.subplots(1, len(MEASURES), figsize=(10, 2.6), sharey=True, layout="constrained")
    for axis, (name, title) in zip(axes, MEASURES.items(), strict=True):
        values = [figures[f"e2e_{contestant}_{name}"]["value"] for contestant in CONTESTANTS]
        bars = axis.barh(list(CONTESTANTS.values()), values, color=[OURS, *[OTHERS] * (len(values) - 1)])
        axis.bar_label(bars, [f"{value:,.0f}" for value in values], padding=4)
        axis.set_title(title, fontsize=11)
        axis.set_xlim(0, 1.25 * max(values))
        axis.xaxis.set_visible(False)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    axes[0].invert_yaxis()
    panels.savefig(picture, format=Path(picture).suffix[1:], transparent=True, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
