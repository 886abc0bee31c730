"""Look at pages in headless Chromium, and print what was seen as JSON. Runs in the environment `.venv-browser`.

`python browser.py CHROMIUM LIBRARIES AXE FOLDER PAGE…` writes a screenshot per page, width and colour scheme to FOLDER.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

WIDTHS = (360, 820, 1440)
SCHEMES = ("light", "dark")
# Of axe's rules those of WCAG 2.2 A and AA, contrast among them, and its best practices.
RUN_AXE = "axe.run().then(found => found.violations.map(each => [each.id, each.nodes.map(node => node.html)]))"
SEEN = """() => ({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    outside: [...document.querySelectorAll('main *')].filter(each =>
        each.getBoundingClientRect().right > each.closest('section').getBoundingClientRect().right + 1
    ).map(each => each.outerHTML.slice(0, 80)),
    smallest: Math.min(...[...document.querySelectorAll('body *:not(title, desc)')].filter(each =>
        [...each.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim())
    ).map(each => parseFloat(getComputedStyle(each).fontSize) * (each.getScreenCTM?.().a ?? 1))),
    elements: [...new Set([...document.querySelectorAll('*')].map(each => each.localName))],
    text: document.body.innerText,
    title: document.title,
    owned: window.owned ?? null,
})"""
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
FOCUS = """() => {
    const each = document.activeElement, style = getComputedStyle(each);
    return [each.localName, each.textContent.slice(0, 40), style.outlineStyle !== 'none'];
}"""


@dataclass(frozen=True)
class Reader:
    """A person with this browser. Screenshots go to `folder`; `axe` is the source of the accessibility checks."""

    browser: Browser
    folder: Path
    axe: str

    def look(self, page: Path, width: int, scheme: Any) -> dict[str, Any]:
        """Return the problems at this width: console messages, requests, overflowing elements, and axe's findings."""
        context = self.browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        tab = context.new_page()
        messages: list[str] = []
        requests: list[str] = []
        tab.on("console", lambda message: messages.append(message.text))
        tab.on("pageerror", lambda error: messages.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(page.as_uri())
        seen: dict[str, Any] = tab.evaluate(SEEN)
        # Of the whole page, once it is drawn: on a busy machine Chromium has no frame of a page that was just resized.
        tab.set_viewport_size({"width": width, "height": tab.evaluate("document.documentElement.scrollHeight")})
        tab.evaluate(DRAWN)
        tab.screenshot(path=self.folder / f"{page.stem}-{width}-{scheme}.png")
        tab.keyboard.press("Tab")
        first = tab.evaluate(FOCUS)
        stops = []
        for _ in range(20):
            tab.keyboard.press("Tab")
            if (stop := tab.evaluate(FOCUS))[0] == "body":  # behind the last element
                break
            stops.append(stop)
        tab.evaluate(self.axe)
        violations = tab.evaluate(RUN_AXE)
        printed = len(tab.pdf(format="A4")) if width == WIDTHS[-1] else None
        context.close()
        others = [url for url in requests if url != page.as_uri() and not url.startswith("data:")]
        found = {"page": page.stem, "width": width, "scheme": scheme, "messages": messages, "requests": others}
        return {**found, **seen, "first": first, "stops": stops, "violations": violations, "printed": printed}


def main(chromium: str, libraries: str, axe: str, folder: str, *pages: str) -> None:
    """Print a list with one object per page, width and scheme."""
    source = Path(axe).read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        # A container has no user namespaces for Chromium's sandbox; the pages are our own.
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], env={**os.environ, "LD_LIBRARY_PATH": libraries}
        )
        reader = Reader(browser, Path(folder), source)
        found = [reader.look(Path(page), width, scheme) for page in pages for width in WIDTHS for scheme in SCHEMES]
        browser.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
