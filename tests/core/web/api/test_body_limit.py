"""Whoever sends without an end is refused, whether they say how much is to come or not."""

from collections.abc import Iterator

import pytest

from core.web.api.errors import MOST_BYTES

from .conftest import client

JSON = {"content-type": "application/json"}
LONG = b'{"username": "' + b"x" * MOST_BYTES + b'", "password": "x"}'


def in_pieces() -> Iterator[bytes]:
    for start in range(0, len(LONG), 1024):
        yield LONG[start : start + 1024]


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/auth/register", "/api/v1/auth/refresh"])
@pytest.mark.parametrize("said", [True, False])
def test_a_body_that_is_too_long_is_refused_unread(redis, path, said):
    answer = client(None).post(path, content=LONG if said else in_pieces(), headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["error"] == "too_large"
    assert answer.json()["message"] == "Send at most 65,536 bytes."
