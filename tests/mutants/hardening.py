"""The guards against who is not who they say, and against too much."""

from tests.mutants import Mutant

PROXIES = "app/web/proxies.py"
HEADERS = "app/web/headers.py"
CORS = "app/web/cors.py"
KEYS = "app/services/signing_keys.py"
TOKENS = "app/web/tokens.py"
FAILURES = "app/services/login_failures.py"
AUTH = "app/services/auth.py"
SIGNING_KEYS = "tests/routes/test_signing_keys.py"
LIMITS = "app/web/limits.py"
COUNTS = "app/cache/counts.py"
ENDPOINT = "app/web/endpoint.py"
HELD = "tests/web/test_limits.py"
LOGIN = "tests/routes/test_login.py"

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
        'return more if "Cache-Control" in names else more + unkept',
        "return more",
        "tests/web/test_headers.py -k kept_by_no_cache",
    ),
    Mutant(
        "no cookie goes with a call from another site",
        CORS,
        "supports_credentials=False",
        "supports_credentials=True",
        "tests/web/test_cors.py -k cookies",
    ),
    Mutant(
        "a retired key's tokens are dead",
        TOKENS,
        'min(claims["exp"], int(retires_at.timestamp())) if retires_at else claims["exp"]',
        'claims["exp"]',
        f"{SIGNING_KEYS} -k whatever_they_say",
    ),
    Mutant(
        "a former key counts while its tokens live",
        KEYS,
        "now() if at_once else now() + _longest_life()",
        "now()",
        f"{SIGNING_KEYS} -k 'logs_nobody_out or side_by_side'",
    ),
    Mutant(
        "a key that is over counts no longer",
        KEYS,
        "or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > now())",
        "or_(True)",
        f"{SIGNING_KEYS} -k can_be_good",
    ),
    Mutant(
        "the newest key signs",
        KEYS,
        "SigningKey.created_at.desc(), SigningKey.id.desc()",
        "SigningKey.created_at, SigningKey.id",
        f"{SIGNING_KEYS} -k newest_signs",
    ),
    Mutant(
        "a new key ends the former's signing",
        KEYS,
        "            _retire(former, now() if at_once else now() + _longest_life())\n",
        "",
        f"{SIGNING_KEYS} -k as_long_as",
    ),
    Mutant(
        "at once ends every session",
        KEYS,
        "            auth.end_sessions()",
        "            pass",
        f"{SIGNING_KEYS} -k every_session",
    ),
    Mutant(
        "keys are made one at a time",
        KEYS,
        "    db.session.execute(select(func.pg_advisory_xact_lock(MAKING_LOCK)))",
        "    pass",
        f"{SIGNING_KEYS} -k 'make_one or rotations_at_once'",
    ),
    Mutant(
        "what is left is sealed under the present SECRET_KEY",
        KEYS,
        "                former.sealed = _sealed(former.name, secret)",
        "                pass",
        f"{SIGNING_KEYS} -k beside_the_former",
    ),
    Mutant(
        "strangers together have few guesses",
        FAILURES,
        "    return here, Counted(email, STRANGERS_SHARES)",
        "    return (here,)",
        f"{LOGIN} -k changing_addresses",
    ),
    Mutant(
        "one stranger has few of them",
        FAILURES,
        "    return here, Counted(email, STRANGERS_SHARES)",
        "    return (Counted(email, STRANGERS_SHARES),)",
        f"{LOGIN} -k 'repeated_failures or locks_out_nobody'",
    ),
    Mutant(
        "where one has logged in before nobody else uses the share up",
        FAILURES,
        "        return (here,)",
        "        pass",
        f"{LOGIN} -k logged_in_before",
    ),
    Mutant(
        "a place is known to one e-mail",
        "app/services/known_places.py",
        "return f\"{email}\\n{place_of(address) if address else ''}\"",
        "return place_of(address) if address else ''",
        f"{LOGIN} -k that_logged_in_there_alone",
    ),
    Mutant(
        "a body is not cut at the limit",
        "app/web/bodies.py",
        "    must_be_whole(request)\n",
        "",
        "tests/test_bad_input.py -k 'without_a_length_is_too_large and deposits'",
    ),
    Mutant(
        "a network of IPv6 is one place",
        "app/services/known_places.py",
        "    if isinstance(place, IPv6Address):",
        "    if False:",
        f"{LOGIN} -k one_network",
    ),
    Mutant(
        "IPv4 in the form of IPv6 is no network of IPv6",
        "app/services/known_places.py",
        '    place = getattr(place, "ipv4_mapped", None) or place\n',
        "",
        f"{LOGIN} -k in_the_form_of_ipv6",
    ),
    Mutant(
        "a place is known for a while",
        "app/services/known_places.py",
        "        KnownPlace.known_until > now(),\n",
        "",
        f"{LOGIN} -k forgotten_after",
    ),
    Mutant(
        "a guess comes back after its time",
        FAILURES,
        "        return _window() // (config.current().login_failures_allowed * self.shares)",
        "        return _window()",
        f"{LOGIN} -k 'come_back or repeated'",
    ),
    Mutant(
        "an address is counted",
        LIMITS,
        "    app.before_request(limits.of_address)\n",
        "",
        f"{HELD} -k 'address_has_its_limit or forged_headers'",
    ),
    Mutant(
        "a caller is counted",
        ENDPOINT,
        "            limits.of_caller(actor)",
        "            pass",
        f"{HELD} -k 'caller'",
    ),
    Mutant(
        "bad credentials are counted",
        ENDPOINT,
        "            limits.of_bad_credential()\n",
        "",
        f"{HELD} -k bad_credentials",
    ),
    Mutant(
        "health is free",
        LIMITS,
        "        if request.endpoint not in FREE:",
        "        if True:",
        f"{HELD} -k is_well",
    ),
    Mutant(
        "a pace is held",
        LIMITS,
        "            app.view_functions[endpoint] = _refusing(limiter, held(view))\n",
        "",
        f"{HELD} -k 'pace_is_kept_by_address or has_one_pace'",
    ),
    Mutant(
        "routes of one secret share a pace",
        LIMITS,
        "limiter.shared_limit(str(limit), scope=pace.value)",
        "limiter.limit(str(limit), scope=pace.value)",
        f"{HELD} -k has_one_pace",
    ),
    Mutant(
        "a pace is kept with Redis away",
        LIMITS,
        "in_memory_fallback_enabled=True",
        "in_memory_fallback_enabled=False, swallow_errors=True",
        f"{HELD} -k redis",
    ),
    Mutant(
        "processes tell what they counted",
        COUNTS,
        "                    count.told = total",
        "                    pass",
        f"{HELD} -k 'each_others or told_again'",
    ),
    Mutant(
        "what was told is not told again",
        COUNTS,
        "                    count.mine -= told\n",
        "",
        f"{HELD} -k told_again",
    ),
    Mutant(
        "processes tell every second",
        COUNTS,
        "            self._thread.start()\n",
        "            pass\n",
        "tests/network/test_guessing.py -k tell_each_other",
    ),
    Mutant(
        "counts are bounded",
        COUNTS,
        "            self._counts.clear()",
        "            pass",
        f"{HELD} -k fills_the_memory",
    ),
    Mutant(
        "guesses at many e-mails are few",
        "app/routes/auth.py",
        "    pace=Pace.LOGIN,\n",
        "",
        "tests/network/test_guessing.py -k many_e_mails",
    ),
    Mutant(
        "a key that was ended is known as that in a while",
        TOKENS,
        " or monotonic() >= self._read_at + KEYS_SECONDS",
        "",
        f"{SIGNING_KEYS} -k nobody_has_shown",
    ),
)
