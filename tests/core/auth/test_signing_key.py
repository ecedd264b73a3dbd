"""The signing key: a configured key takes precedence; a generated key is private and reused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.auth import signing_key
from core.auth.signing_key import secret_key
from core.errors import ServerUnavailable


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_generated_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    key = secret_key()
    signing_key._load_or_generate.cache_clear()
    assert secret_key() == key
    assert len(key) == 32
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == ["secret_key"]


def test_two_installations_have_different_keys(setting: Callable[..., None], tmp_path: Path) -> None:
    key = secret_key()
    setting(data_dir=tmp_path / "other" / "deeper")
    assert secret_key() != key


def test_a_configured_key_is_used_and_no_file_is_written(setting: Callable[..., None], tmp_path: Path) -> None:
    setting(secret_key="short")
    key = secret_key()
    assert len(key) == 32
    setting(secret_key="another")
    assert secret_key() != key
    assert not names_in(tmp_path)


def test_simultaneous_starts_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        # Bypass the cache, as separate processes do.
        keys = set(pool.map(lambda _: signing_key._load_or_generate.__wrapped__(tmp_path), range(16)))
    assert len(keys) == 1
    assert names_in(tmp_path) == ["secret_key"]


def test_an_invalid_key_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("")
    with pytest.raises(ServerUnavailable, match="contains no valid secret key"):
        secret_key()


def test_an_impossible_folder_is_reported_in_a_sentence(setting: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    setting(data_dir=tmp_path / "file")
    with pytest.raises(ServerUnavailable, match="set SECRET_KEY"):
        secret_key()
