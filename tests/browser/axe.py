"""What axe-core finds on a page as it stands, and whether it is wider than its window."""

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What may have made a page wider than its window.
TOO_WIDE = """() => {
    const most = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= most) return [];
    const wide = [...document.querySelectorAll("main *")]
        .filter((each) => each.getBoundingClientRect().right > most);
    return wide.map((each) => `too wide: ${each.outerHTML.slice(0, 100)}`);
}"""
SCHEMES = ("light", "dark")
WINDOWS = {"phone": {"width": 360, "height": 800}, "desk": {"width": 1280, "height": 800}}


def violations(page: Page) -> list[str]:
    """What axe-core finds."""
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, "
        "resultTypes: ['violations']})",
        RULES,
    )
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def faults(page: Page) -> list[str]:
    """What is wrong with the page, by axe-core and by its width."""
    page.wait_for_load_state()  # unstyled, any page may be too wide
    wide: list[str] = page.evaluate(TOO_WIDE)
    return violations(page) + wide
