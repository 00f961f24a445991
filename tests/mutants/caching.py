"""The guards that keep what is cached from being stale, another's, or in the way."""

from tests.mutants import Mutant

CACHE = "app/cache/__init__.py"
LOCKS = "app/cache/locks.py"
SEAL = "app/cache/seal.py"
SERVER = "app/cache/server.py"
REMEMBERED = "app/web/remembered.py"
DOMAINS = "app/services/domains.py"
ACTOR = "app/services/actor.py"
GENERATIONS = "migrations/versions/0003_generations.py"
RAISING = "migrations/versions/0006_tallies.py"

CACHE_TESTS = "tests/test_cache.py"
REMEMBERED_TESTS = "tests/web/test_remembered.py"
DOMAIN_TESTS = "tests/services/test_domains.py"
GENERATION_TESTS = "tests/services/test_generations.py"

# Keep an answer under the generation that is found when it is done.
KEPT_LATE = """\
        from app.services import generations

        found = cache.find(key)
        response = respond() if found is None else _unpacked(found)
        if found is None:
            late = generations.current(self.topic)
            cache.keep(namespace.key(late, *parts[1:]), _packed(response))
"""

CACHING = (
    Mutant(
        "cache: the generation is in an answer's key",
        REMEMBERED,
        "parts = (actor.generation, ",
        "parts = (",
        f"{REMEMBERED_TESTS} -k 'every_deed or was_away'",
    ),
    Mutant(
        "cache: the generation is in an answer's key, seen under load",
        REMEMBERED,
        "parts = (actor.generation, ",
        "parts = (",
        "tests/test_never_stale.py",
    ),
    Mutant(
        "cache: the generation is read before what it names",
        REMEMBERED,
        "        response = _remembered(key, respond) if cache.is_at_hand(namespace) else "
        "respond()\n",
        KEPT_LATE,
        f"{REMEMBERED_TESTS} -k made_before_a_write",
    ),
    Mutant(
        "cache: without a generation nothing is kept",
        REMEMBERED,
        "        if actor.generation is None:\n            return respond()\n",
        "",
        f"{REMEMBERED_TESTS} -k without_a_generation",
    ),
    Mutant(
        "cache: who may see it is in an answer's key",
        REMEMBERED,
        "generation, actor.scope, ",
        "generation, ",
        f"{REMEMBERED_TESTS} -k whoever_asked_before",
    ),
    Mutant(
        "cache: who may see it is in an answer's tag",
        REMEMBERED,
        "        etag = f'W/\"{key.tag}\"'\n",
        "        etag = f'W/\"{namespace.key(actor.generation, *parts[2:]).tag}\"'\n",
        f"{REMEMBERED_TESTS} -k tag_is_good",
    ),
    Mutant(
        "cache: the generation is in an answer's tag",
        REMEMBERED,
        "        etag = f'W/\"{key.tag}\"'\n",
        "        etag = f'W/\"{namespace.key(*parts[1:]).tag}\"'\n",
        f"{REMEMBERED_TESTS} -k until_it_does_not",
    ),
    Mutant(
        "cache: to know anything is to know no report",
        "app/web/tags.py",
        "return not known.star_tag and known",
        "return known.star_tag or known",
        f"{REMEMBERED_TESTS} -k know_anything",
    ),
    Mutant(
        "cache: a refusal has no tag",
        REMEMBERED,
        "        if response.status_code == 200:\n            response.headers",
        "        if True:\n            response.headers",
        f"{REMEMBERED_TESTS} -k nothing_but_a_200",
    ),
    Mutant(
        "cache: an applicant shares no scope",
        ACTOR,
        '("" if self.is_staff else f"/{self.id}")',
        '""',
        f"{REMEMBERED_TESTS} -k whoever_asked_before",
    ),
    Mutant(
        "cache: the role is in the scope",
        ACTOR,
        'f"{self.kind}/{self.role}"',
        'f"{self.kind}"',
        f"{REMEMBERED_TESTS} -k whoever_asked_before",
    ),
    Mutant(
        "cache: a program and a user share no scope",
        ACTOR,
        'f"{self.kind}/{self.role}"',
        'f"{self.role}"',
        f"{REMEMBERED_TESTS} -k share_a_scope",
    ),
    Mutant(
        "cache: the path is in an answer's key",
        REMEMBERED,
        "asked.path, ",
        "",
        f"{REMEMBERED_TESTS} -k asked_for_apart",
    ),
    Mutant(
        "cache: the query is in an answer's key",
        REMEMBERED,
        "asked.query_string, ",
        "",
        f"{REMEMBERED_TESTS} -k asked_for_apart",
    ),
    Mutant(
        "cache: the form is in an answer's key",
        REMEMBERED,
        "asked.query_string, form)",
        "asked.query_string)",
        f"{REMEMBERED_TESTS} -k asked_for_apart",
    ),
    Mutant(
        "cache: only a 200 is remembered",
        REMEMBERED,
        " if made[0].status_code == 200 else None",
        "",
        f"{REMEMBERED_TESTS} -k but_a_200",
    ),
    Mutant(
        "cache: what is open to all is not remembered",
        "app/web/terms.py",
        "        if (\n            self.cached or self.reads or self.upload\n"
        "        ) and self.credential is not Credential.REQUIRED:",
        "        if False:",
        f"{REMEMBERED_TESTS} -k open_to_all",
    ),
    Mutant(
        "what is nearby is asked for anew after a while",
        "app/cache/near.py",
        "TTLCache(most_bytes, SECONDS, timer",
        "TTLCache(most_bytes, 2 * SECONDS, timer",
        f"{CACHE_TESTS} -k a_while_ago",
    ),
    Mutant(
        "nearby is room for so much alone",
        "app/cache/near.py",
        "TTLCache(most_bytes, ",
        "TTLCache(2 * most_bytes, ",
        f"{CACHE_TESTS} -k room_for_so_much",
    ),
    Mutant(
        "with the cache off nothing is kept nearby",
        CACHE,
        "    if not _server().is_on:\n        return compute()\n",
        "",
        f"{CACHE_TESTS} -k without_a_cache",
    ),
    Mutant(
        "cache: a Redis that is away costs no generation",
        CACHE,
        "    return server.is_at_hand\n",
        "    return server.is_on\n",
        f"{REMEMBERED_TESTS} -k left_alone",
    ),
    Mutant(
        "cache: what the document shows of the settings is in its key",
        "app/web/openapi.py",
        'DOCUMENT.key(app.extensions["settings"].api_key_header)',
        "DOCUMENT.key()",
        f"{REMEMBERED_TESTS} -k document",
    ),
    Mutant(
        "cache: the release is in every key",
        CACHE,
        "loans:{release.digest()}:",
        "loans:",
        f"{CACHE_TESTS} -k one_release",
    ),
    Mutant(
        "cache: the code is in the release",
        "app/cache/release.py",
        "        hashed.update(sha256(module.read_bytes()).digest())\n",
        "",
        f"{CACHE_TESTS} -k every_line",
    ),
    Mutant(
        "cache: a key tells where each part ends",
        CACHE,
        "repr(parts).encode()",
        '"".join(map(str, parts)).encode()',
        f"{CACHE_TESTS} -k where_each_ends",
    ),
    Mutant(
        "cache: nothing is kept for ever",
        CACHE,
        "value), ex=key.namespace.seconds)\n            pipeline.eval",
        "value))\n            pipeline.eval",
        f"{CACHE_TESTS} -k kept_longer",
    ),
    Mutant(
        "cache: one computes",
        CACHE,
        "ARGV[1], 'NX', 'PX'",
        "ARGV[1], 'PX'",
        f"{CACHE_TESTS} -k one_computes",
    ),
    Mutant(
        "cache: a lock is given back",
        CACHE,
        "then redis.call('DEL', KEYS[1]) end",
        "then return 1 end",
        f"{CACHE_TESTS} -k 'takes_over or ends_by_itself'",
    ),
    Mutant(
        "cache: only its holder gives a lock back",
        CACHE,
        "if redis.call('GET', KEYS[1]) == ARGV[1] then",
        "if redis.call('GET', KEYS[1]) then",
        f"{CACHE_TESTS} -k gives_a_lock_back",
    ),
    Mutant(
        "cache: a lock ends by itself",
        CACHE,
        "ARGV[1], 'NX', 'PX', ARGV[2])",
        "ARGV[1], 'NX')",
        f"{CACHE_TESTS} -k ends_by_itself",
    ),
    Mutant(
        "cache: nobody waits for ever",
        CACHE,
        " or monotonic() > deadline",
        "",
        f"{CACHE_TESTS} -k died_computing",
    ),
    Mutant(
        "cache: a lock that is nobody's ends soon",
        LOCKS,
        "LIFE_SECONDS = 1.0",
        "LIFE_SECONDS = 5.0",
        f"{CACHE_TESTS} -k never_told",
    ),
    Mutant(
        "cache: a lock that is nobody's ends soon, seen by a reader",
        LOCKS,
        "LIFE_SECONDS = 1.0",
        "LIFE_SECONDS = 5.0",
        f"{REMEMBERED_TESTS} -k hiccup",
    ),
    Mutant(
        "cache: one who waits asks again soon, seen under load",
        CACHE,
        "PAUSES = (0.002, 0.005, 0.01, 0.02)",
        "PAUSES = (2.5,)",
        "tests/test_never_stale.py",
    ),
    Mutant(
        "cache: a lock lasts as long as the computing",
        LOCKS,
        "                self._prolong(names)\n",
        "                pass\n",
        f"{CACHE_TESTS} -k takes_longer",
    ),
    Mutant(
        "cache: one waits as long as a statement may run",
        CACHE,
        "WAIT_SECONDS = 12",
        "WAIT_SECONDS = 1",
        f"{CACHE_TESTS} -k takes_longer",
    ),
    Mutant(
        "cache: only its holder prolongs a lock",
        LOCKS,
        "if redis.call('GET', KEYS[1]) == ARGV[1] then",
        "if redis.call('GET', KEYS[1]) then",
        f"{CACHE_TESTS} -k holder_prolongs",
    ),
    Mutant(
        "cache: locks are prolonged only while something is computed",
        LOCKS,
        "                if not names:\n",
        "                if False:\n",
        f"{CACHE_TESTS} -k while_something",
    ),
    Mutant(
        "cache: a lock without an end is nobody's",
        CACHE,
        "if redis.call('PTTL', KEYS[2]) > 0 then return 0 end",
        "if true then return 0 end",
        f"{CACHE_TESTS} -k without_an_end",
    ),
    Mutant(
        "cache: what was not kept is not answered",
        SEAL,
        "    if seal != _seal(name, value):\n",
        "    if False:\n",
        f"{CACHE_TESTS} -k not_kept",
    ),
    Mutant(
        "cache: what was not kept is not answered to a reader",
        SEAL,
        "    if seal != _seal(name, value):\n",
        "    if False:\n",
        f"{REMEMBERED_TESTS} -k never_answered",
    ),
    Mutant(
        "cache: what was not kept counts no customers",
        SEAL,
        "    if seal != _seal(name, value):\n",
        "    if False:\n",
        f"{REMEMBERED_TESTS} -k counts_no_customers",
    ),
    Mutant(
        "cache: what was kept under another key is not answered",
        SEAL,
        "blake2b(name.encode(), ",
        'blake2b(b"", ',
        f"{CACHE_TESTS} -k under_another",
    ),
    Mutant(
        "cache: a value of the wrong type is no refusal",
        SERVER,
        "(self._foreign if WRONG_TYPE in str(error) else refusal)",
        "refusal",
        f"{CACHE_TESTS} -k not_kept",
    ),
    Mutant(
        "cache: what was not kept is told",
        SERVER,
        "            self._foreign.is_seen(error)\n",
        "",
        f"{CACHE_TESTS} -k not_kept",
    ),
    Mutant(
        "cache: CACHE_ENABLED=false",
        SERVER,
        "if not (self.is_on and ",
        "if not (True and ",
        f"{CACHE_TESTS} -k without_a_cache",
    ),
    Mutant(
        "cache: what does not answer is left alone",
        SERVER,
        "if not (self.is_on and self._absence.may_be_tried()):",
        "if not self.is_on:",
        f"{CACHE_TESTS} -k left_alone",
    ),
    Mutant(
        "cache: one at a time tries",
        SERVER,
        "            if is_time:\n",
        "            if False:\n",
        f"{CACHE_TESTS} -k one_at_a_time",
    ),
    Mutant(
        "cache: a refusal is no absence",
        SERVER,
        "        except ResponseError:\n            self._absence.is_not_seen(asked_at)\n"
        "            raise\n",
        "",
        f"{CACHE_TESTS} -k full_one",
    ),
    Mutant(
        "cache: an outage is told once",
        SERVER,
        "        if is_news:\n            log",
        "        if True:\n            log",
        f"{CACHE_TESTS} -k told_once",
    ),
    Mutant(
        "cache: trouble is over only after a while",
        SERVER,
        " or asked_at < self._last_at + REST_SECONDS",
        "",
        f"{CACHE_TESTS} -k comes_and_goes",
    ),
    Mutant(
        "cache: room for a lock is no room for a value",
        CACHE,
        "redis.eval(*asked), proves_well=False)",
        "redis.eval(*asked))",
        f"{CACHE_TESTS} -k no_proof",
    ),
    Mutant(
        "cache: the generation is in a domain's key",
        DOMAINS,
        "CUSTOMERS.key(generation, domain)",
        "CUSTOMERS.key(domain)",
        f"{DOMAIN_TESTS} -k every_change",
    ),
    Mutant(
        "cache: without a generation no domain is kept",
        DOMAINS,
        "    if not generation:\n        return _count(domain)\n",
        '    generation = generation or ""\n',
        f"{DOMAIN_TESTS} -k without_a_generation",
    ),
    Mutant(
        "a throw-away domain written in letters",
        DOMAINS,
        "_in_ascii(domain).split",
        "domain.split",
        f"{DOMAIN_TESTS} -k lies_under",
    ),
    Mutant(
        "a throw-away domain's own subdomains",
        DOMAINS,
        "range(len(labels) - 1)",
        "range(1)",
        f"{DOMAIN_TESTS} -k lies_under",
    ),
    Mutant(
        "generation: raised by a loan",
        GENERATIONS,
        '    ("loans", "loans", "INSERT OR UPDATE OR DELETE OR TRUNCATE"),\n',
        "",
        GENERATION_TESTS,
    ),
    Mutant(
        "generation: raised by a customer's external id",
        GENERATIONS,
        '    ("loans", "customers", "UPDATE OF external_id"),\n',
        "",
        GENERATION_TESTS,
    ),
    Mutant(
        "generation: raised by a customer's address",
        GENERATIONS,
        "INSERT OR UPDATE OF email OR DELETE OR TRUNCATE",
        "INSERT OR DELETE OR TRUNCATE",
        GENERATION_TESTS,
    ),
    Mutant(
        "generation: writers do not wait",
        RAISING,
        "FOR UPDATE SKIP LOCKED",
        "FOR UPDATE",
        f"{GENERATION_TESTS} -k do_not_wait",
    ),
    Mutant(
        "generation: never used twice",
        RAISING,
        "UPDATE generations SET token = gen_random_uuid() WHERE",
        "UPDATE generations SET token = md5(slot::text)::uuid WHERE",
        f"{GENERATION_TESTS} -k never",
    ),
    Mutant(
        "cache: what is no Redis is a Redis that is away",
        "app/cache/server.py",
        "except (OSError, TypeError, ValueError) as error:",
        "except ZeroDivisionError as error:",
        f"{CACHE_TESTS} -k no_redis",
    ),
)
