"""Request bodies that are too long are refused, with or without a declared length."""

from collections.abc import Iterator

import pytest

from core.web.api.errors import MAX_BODY_BYTES
from tests.core.web.api.conftest import api_client

JSON_HEADERS = {"content-type": "application/json"}
TOO_LONG_BODY = b'{"username": "' + b"x" * MAX_BODY_BYTES + b'", "password": "x"}'


def body_chunks() -> Iterator[bytes]:
    for start in range(0, len(TOO_LONG_BODY), 1024):
        yield TOO_LONG_BODY[start : start + 1024]


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/auth/register", "/api/v1/auth/refresh"])
@pytest.mark.parametrize("has_length", [True, False])
def test_a_body_that_is_too_long_is_refused_without_reading_it(redis, path, has_length):
    response = api_client(None).post(path, content=TOO_LONG_BODY if has_length else body_chunks(), headers=JSON_HEADERS)
    assert response.status_code == 413
    assert response.json()["error"] == "too_large"
    assert response.json()["message"] == "Send at most 65,536 bytes."
