"""The secret key that signs tokens: SECRET_KEY, or generated once into `DATA_DIR`."""

import os
import secrets
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from core.errors import ServerUnavailable
from core.settings import settings

KEY_FILE = "secret_key"
MIN_KEY_LENGTH = 32


def secret_key() -> bytes:
    """Return 32 bytes, the same in every process that shares `SECRET_KEY` or `DATA_DIR`.

    Raises ServerUnavailable when SECRET_KEY is empty and the key file cannot be read or written.
    """
    given = settings().secret_key.get_secret_value()
    # A digest has the length that HMAC needs, whatever the setting's length.
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
        raise ServerUnavailable(f"The secret key cannot be stored in {folder}: {error}; set SECRET_KEY") from error
    if len(key) < MIN_KEY_LENGTH:
        raise ServerUnavailable(
            f"{path} contains no valid secret key; delete it to generate a new one, which ends all sessions"
        )
    return key


def _create_key_file(path: Path) -> None:
    """Create the file atomically, so that processes that start concurrently read the same key."""
    temporary = path.with_name(f".{KEY_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(temporary)
    except FileExistsError:
        pass  # another process was first: its key is used
    finally:
        temporary.unlink()
