"""The guards against who is not who they say, and against too much."""

from tests.mutants import Mutant

PROXIES = "app/web/proxies.py"
HEADERS = "app/web/headers.py"
CORS = "app/web/cors.py"

HARDENED = (
    Mutant(
        "only our proxies are believed",
        PROXIES,
        "        if peer is not None and self._is_ours(peer):",
        "        if peer is not None:",
        "tests/web/test_proxies.py -k nobody_elses",
    ),
    Mutant(
        "what the client said of itself is passed over",
        PROXIES,
        "in reversed(forwarded_for",
        "in iter(forwarded_for",
        "tests/web/test_proxies.py -k last_address",
    ),
    Mutant(
        "the chain of proxies ends at the first that is not ours",
        PROXIES,
        "            if not self._is_ours(client):\n                break\n",
        "",
        "tests/web/test_proxies.py -k last_address",
    ),
    Mutant(
        "a host is one that there can be",
        PROXIES,
        "        if HOST.fullmatch(host):",
        "        if host:",
        "tests/web/test_proxies.py -k host",
    ),
    Mutant(
        "gunicorn believes nobody by itself",
        "gunicorn.conf.py",
        'forwarded_allow_ips = ""\n',
        "",
        "tests/local/test_gunicorn_conf.py -k forwarded_allow_ips",
    ),
    Mutant(
        "no answer is framed",
        HEADERS,
        '    common.append(("Content-Security-Policy", NO_PAGE))\n',
        "",
        "tests/web/test_headers.py -k shown_by_nobody",
    ),
    Mutant(
        "no answer is kept by a cache unless its route says so",
        HEADERS,
        '            response.headers["Cache-Control"] = "no-store"\n',
        "            pass\n",
        "tests/web/test_headers.py -k kept_by_no_cache",
    ),
    Mutant(
        "no cookie goes with a call from another site",
        CORS,
        "supports_credentials=False",
        "supports_credentials=True",
        "tests/web/test_cors.py -k cookies",
    ),
)
