"""Where a request comes from when proxies stand before the service: ours are believed, no others.

What a client says of itself in X-Forwarded- headers is worth nothing. Each proxy adds whom it heard
from at the right end of X-Forwarded-For, so that from there on leftwards the word of ours holds up
to the first address that is not ours: the client's, as the outermost of ours saw it.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from flask import Flask

from app.config import Network, Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SCHEMES = ("http", "https")
HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


def init_app(app: Flask, settings: Settings) -> None:
    if settings.trusted_proxies:
        app.wsgi_app = Proxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]


class Proxies:
    """The service behind the proxies of `trusted`."""

    def __init__(self, service: "WSGIApplication", trusted: tuple[Network, ...]) -> None:
        self._service = service
        self._trusted = trusted

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        peer = address_of(environ.get("REMOTE_ADDR", ""))
        if peer is not None and self._is_ours(peer):
            self._believe(environ, peer)
        return self._service(environ, start_response)

    def _believe(self, environ: "WSGIEnvironment", peer: IPv4Address | IPv6Address) -> None:
        environ["REMOTE_ADDR"] = str(self._client(peer, environ.get("HTTP_X_FORWARDED_FOR", "")))
        scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        if scheme in SCHEMES:
            environ["wsgi.url_scheme"] = scheme
        host = _last(environ.get("HTTP_X_FORWARDED_HOST", ""))
        if HOST.fullmatch(host):
            environ["HTTP_HOST"] = host

    def _client(
        self, peer: IPv4Address | IPv6Address, forwarded_for: str
    ) -> IPv4Address | IPv6Address:
        """The first that is not ours; what is no address ends the chain where it was heard."""
        client = peer
        for said in reversed(forwarded_for.split(",")):
            address = address_of(said.strip())
            if address is None:
                break
            client = address
            if not self._is_ours(client):
                break
        return client

    def _is_ours(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def address_of(said: str) -> IPv4Address | IPv6Address | None:
    """The address, without the zone of a link; one of IPv4 in IPv6's form is one of IPv4."""
    try:
        address = ip_address(said.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _last(said: str) -> str:
    """What the nearest proxy said: others may have said something before it."""
    return said.rpartition(",")[2].strip()
