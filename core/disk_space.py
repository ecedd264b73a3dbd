"""Free space on the disk of the embedded Postgres; that of another server is unknown here."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from core.launcher.embedded.server_folders import existing_data_root
from core.settings import Settings
from core.settings_report import is_embedded_url
from core.wording import byte_size

LOW_BYTES, LOW_SHARE = 10**9, 0.05
FULL_BYTES = 50 * 10**6


@dataclass(frozen=True)
class DiskSpace:
    """Free and total bytes of the file system that holds *folder*."""

    folder: Path
    free: int
    total: int

    @property
    def is_low(self) -> bool:
        """Whether less than a gigabyte is left, on a small disk less than 5 % of it."""
        return self.free < min(LOW_BYTES, LOW_SHARE * self.total) or self.is_full

    @property
    def is_full(self) -> bool:
        """Whether Postgres is about to stop writing, or already has."""
        return self.free < FULL_BYTES

    @property
    def summary(self) -> str:
        return f"{byte_size(self.free)} of {byte_size(self.total)} free"


def embedded_disk_space(settings: Settings) -> DiskSpace | None:
    """Measure the disk of the embedded Postgres; None where another server is used or nothing was started yet."""
    if not is_embedded_url(settings.database_url, settings):
        return None
    folder = existing_data_root(settings.data_dir)
    if folder is None:
        return None
    usage = shutil.disk_usage(folder)
    return DiskSpace(folder, usage.free, usage.total)
