"""The headers of a list's page."""

from urllib.parse import parse_qsl, quote, urlencode

from flask import Request, Response

from app.services.pages import Page

PLACING = ("page", "page_size", "cursor")


def describe(response: Response, request: Request, page: Page[object]) -> None:
    """Set X-Total-Count, X-Page, X-Page-Size and Link (RFC 8288).

    The links to the next and the previous page hold cursors beside their numbers.
    """
    response.headers["X-Total-Count"] = str(page.total)
    response.headers["X-Page"] = str(page.number)
    response.headers["X-Page-Size"] = str(page.size)
    response.headers["Link"] = _links(request, page)


def _links(request: Request, page: Page[object]) -> str:
    last = max(1, -(-page.total // page.size))
    places: dict[str, tuple[int, str | None]] = {"first": (1, None), "last": (last, None)}
    if page.before or (page.number > 1 and not page.items):
        places["prev"] = (max(1, min(page.number - 1, last)), page.before)
    if page.after:
        places["next"] = (page.number + 1, page.after)
    pairs = parse_qsl(request.query_string.decode(), keep_blank_values=True)
    kept = urlencode([pair for pair in pairs if pair[0] not in PLACING])
    start = f"<{quote(request.path)}?{kept}{'&' if kept else ''}"
    return ", ".join(
        f"{start}page={number}&page_size={page.size}"
        f'{f"&cursor={cursor}" if cursor else ""}>; rel="{rel}"'
        for rel, (number, cursor) in sorted(places.items())
    )
