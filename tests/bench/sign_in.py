"""Sign-in costs what bcrypt costs, whoever is refused and why; what a signed-in rerun pays for its checks."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from statistics import median, quantiles

import bcrypt

from core import log, redis_client
from core.auth import passwords, people, sessions, sign_in
from core.auth.identity import Origin
from core.db import engine
from core.ratelimit import limiter
from core.settings import settings
from tests.bench.measurement import Measurement, temporary_servers

SIGN_IN_ATTEMPTS, RERUNS = 15, 2_000
PASSWORD, WRONG_PASSWORD = "Correct horse 1", "Wrong horse 1"
log.configure("ERROR", as_json=True)
origins = (Origin(f"198.18.{number // 250}.{number % 250}") for number in count())


def run() -> list[Measurement]:
    with configured_servers():
        people.create("ada", actor="bench", password=PASSWORD)
        resting = people.create("rest", actor="bench", password=PASSWORD)
        people.set_active("bench", resting.id, False, Origin())
        return [*measure_sign_ins(), *measure_rerun_checks(people.create("bob", actor="bench").id)]


@contextmanager
def configured_servers() -> Iterator[None]:
    """Everything of `core` works on servers of this measurement's own."""
    with temporary_servers() as servers:
        os.environ |= {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "LIMIT_PAGES": "1000000/minute",
        }
        os.environ["SECRET_KEY"] = "known to everybody, used for nothing else"
        settings.cache_clear()
        yield
        engine.engine().dispose()
        redis_client.redis().close()


def measure_sign_ins() -> list[Measurement]:
    """One of each in turn, so that whatever else the machine does meets all alike; the fastest of each is its cost."""
    stored = passwords.hash_password(PASSWORD).encode()
    ways: dict[str, Callable[[], object]] = {
        "bcrypt": lambda: bcrypt.checkpw(b"x" * 44, stored),
        "right password": lambda: try_sign_in("ada", PASSWORD),
        "wrong password": lambda: try_sign_in("ada", WRONG_PASSWORD),
        "unknown name": lambda: try_sign_in("nobody", WRONG_PASSWORD),
        "deactivated": lambda: try_sign_in("rest", PASSWORD),
        "10,000 characters": lambda: try_sign_in("x" * 10_000, WRONG_PASSWORD),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(SIGN_IN_ATTEMPTS):
        for name, way in ways.items():
            took[name].append(elapsed_milliseconds(way))
    floor = min(took.pop("bcrypt"))
    return [Measurement(f"sign-in, {name}", min(times), "ms", floor, "bcrypt's alone") for name, times in took.items()]


def try_sign_in(name: str, password: str) -> None:
    """From an address of its own, and without the pause that many failures bring: it has nothing to do with why."""
    try:
        sign_in.sign_in(name, password, next(origins), lambda _seconds: None)
    except sign_in.SignInRefused:
        return


def measure_rerun_checks(person_id: int) -> list[Measurement]:
    """Session and limit, as `pages/main.py` checks them; every ten seconds one of them asks Postgres."""
    session_id = sessions.start(person_id, Origin()).session_id
    redis = redis_client.redis()

    def checks() -> None:
        sessions.identity_of(session_id)
        limiter.check("pages", str(person_id))

    def bare() -> None:
        redis.get("nothing")
        redis.get("nothing")

    for once in (checks, bare):
        once()
    took = quantiles([elapsed_milliseconds(checks) for _ in range(RERUNS)], n=20)
    floor = quantiles([elapsed_milliseconds(bare) for _ in range(RERUNS)], n=20)
    first = median(elapsed_milliseconds(lambda: check_uncached_session(session_id)) for _ in range(50))
    return [
        Measurement("rerun checks, median", took[9], "ms", floor[9], "at most 3 ms"),
        Measurement("rerun checks, 95 of 100", took[18], "ms", floor[18], "at most 3 ms"),
        Measurement("rerun checks, Redis forgot", first, "ms", floor[9], ""),
    ]


def check_uncached_session(session_id: object) -> None:
    redis_client.redis().delete(f"almanac:session:{session_id}")
    sessions.identity_of(session_id)  # type: ignore[arg-type]


def elapsed_milliseconds(what: Callable[[], object]) -> float:
    started = time.perf_counter()
    what()
    return (time.perf_counter() - started) * 1_000
