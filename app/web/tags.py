"""Entity tags: telling a reader who has an answer already that it still holds."""

from hashlib import sha256

from flask import Request, Response, request


def tagged(response: Response, etag: str) -> Response:
    """The answer with its entity tag; 304 without a body for a reader who has it already."""
    if is_known(request, etag) or (_is_read(request) and request.if_none_match.star_tag):
        return not_modified(etag)
    response.headers["ETag"] = etag
    return response


def made_of(body: bytes) -> str:
    """A strong entity tag of an answer that has no version: another one shows something else."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def is_known(asked: Request, etag: str) -> bool:
    """Whether the reader named this very answer as one that they have; `*` names none."""
    if not (_is_read(asked) and "If-None-Match" in asked.headers):
        return False
    known = asked.if_none_match
    return not known.star_tag and known.contains_weak(etag.removeprefix("W/").strip('"'))


def not_modified(etag: str) -> Response:
    """That what the reader has still holds."""
    return Response(status=304, headers={"ETag": etag})


def _is_read(asked: Request) -> bool:
    return asked.method in ("GET", "HEAD")
