"""A report's page, as a browser takes it apart."""

from html.parser import HTMLParser
from typing import Any

from demand.cli.output import duration
from demand.report.page import render


class Page(HTMLParser):
    """The elements of a page, its text, and whatever would be fetched or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "srcset", "action", "data"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "id":
                self.ids.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def page(made: Any) -> Page:
    return Page(render(made, duration))
