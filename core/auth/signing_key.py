"""The key that signs tokens: set by whoever runs Almanac, or generated once into `DATA_DIR`."""

import os
import secrets as random
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from core.errors import ServerUnavailable
from core.settings import settings

KEY_FILE = "secret_key"
MIN_KEY_LENGTH = 32


def secret_key() -> bytes:
    """Thirty-two bytes, the same in every process that shares `SECRET_KEY` or `DATA_DIR`.

    Raises ServerUnavailable when none is set and none can be kept.
    """
    given = settings().secret_key.get_secret_value()
    # A digest has the length that HMAC wants, whatever was set.
    return sha256((given or _load_or_generate(settings().data_dir.resolve())).encode()).digest()


@lru_cache(maxsize=8)
def _load_or_generate(folder: Path) -> str:
    path = folder / KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create_key_file(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServerUnavailable(f"The secret key cannot be kept in {folder}: {error}; set SECRET_KEY") from error
    if len(key) < MIN_KEY_LENGTH:
        raise ServerUnavailable(f"{path} holds no secret key; remove it to get a new one, which signs everybody out")
    return key


def _create_key_file(path: Path) -> None:
    """Give the file its name when it is whole: of two processes that start at once both read the same key."""
    coming = path.with_name(f".{KEY_FILE}.{random.token_hex(8)}")
    descriptor = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(random.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(coming)
    except FileExistsError:
        pass  # somebody else was first, and their key is everybody's
    finally:
        coming.unlink()
