"""Numbers and units as people read them."""

TIMES = "\N{MULTIPLICATION SIGN}"  # the unit of a ratio


def number(value: float) -> str:
    """About three significant digits: 22,900, 44.1, 0.85; whole numbers below 1,000 stay whole."""
    size = abs(value)
    if value == round(value) or size >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    if size >= 10:  # noqa: PLR2004
        return f"{value:,.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def unit(text: str) -> str:
    """A unit as it is printed: `us/item` is `µs/item`."""
    return f"µ{text[1:]}" if text.startswith("us") else text


def with_unit(value: float, text: str) -> str:
    """A number with its unit: `44.1 µs/item`, `83 %` for a share; a ratio's without space."""
    if text == "share":
        return f"{number(100 * value)} %"
    return f"{number(value)}{'' if text == TIMES else ' '}{unit(text)}"
