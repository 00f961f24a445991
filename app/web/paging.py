"""The headers of a list's page."""

from urllib.parse import parse_qsl, quote, urlencode

from flask import Request, Response

from app.services.pages import Page


def describe(response: Response, request: Request, page: Page[object]) -> None:
    """Set X-Total-Count, X-Page, X-Page-Size and Link (RFC 8288)."""
    response.headers["X-Total-Count"] = str(page.total)
    response.headers["X-Page"] = str(page.number)
    response.headers["X-Page-Size"] = str(page.size)
    response.headers["Link"] = _links(request, page)


def _links(request: Request, page: Page[object]) -> str:
    last = max(1, -(-page.total // page.size))
    numbers = {"first": 1, "last": last}
    if page.number > 1:
        numbers["prev"] = min(page.number - 1, last)
    if page.number < last:
        numbers["next"] = page.number + 1
    pairs = parse_qsl(request.query_string.decode(), keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name not in ("page", "page_size")]
    path = quote(request.path)
    return ", ".join(
        f'<{path}?{urlencode([*kept, ("page", number), ("page_size", page.size)])}>; rel="{rel}"'
        for rel, number in sorted(numbers.items())
    )
