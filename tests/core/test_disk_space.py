"""The disk of the embedded Postgres is measured where its data lies, and reported when little is left."""

import shutil
from collections import namedtuple

import pytest

from core import disk_space
from core.disk_space import DiskSpace, embedded_disk_space
from core.launcher.check import run_checks
from core.settings import Settings
from core.web.routes import health
from ingest.alerts.evaluate import check_disk
from pages.sections.system_status import disk_status

GB = 10**9
Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free", "total", "is_low", "is_full"),
    [
        (200 * GB, 500 * GB, False, False),
        (0.9 * GB, 500 * GB, True, False),
        (0.9 * GB, 10 * GB, False, False),
        (0.4 * GB, 10 * GB, True, False),
        (0.04 * GB, 0.5 * GB, True, True),
        (0, 500 * GB, True, True),
    ],
)
def test_little_space_is_less_than_a_gigabyte_or_5_percent_of_a_small_disk(tmp_path, free, total, is_low, is_full):
    space = DiskSpace(tmp_path, int(free), int(total))
    assert (space.is_low, space.is_full) == (is_low, is_full)


def test_the_disk_of_the_data_is_measured_once_there_is_data(tmp_path):
    settings = Settings(data_dir=tmp_path)
    assert embedded_disk_space(settings) is None
    (tmp_path / "servers").mkdir()
    assert embedded_disk_space(settings).total == shutil.disk_usage(tmp_path).total


def test_the_disk_of_another_server_is_unknown(tmp_path):
    (tmp_path / "servers").mkdir()
    assert embedded_disk_space(Settings(data_dir=tmp_path, database_url="postgresql://db/almanac")) is None


@pytest.fixture
def nearly_full(tmp_path, monkeypatch):
    (tmp_path / "servers").mkdir()
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda _folder: Usage(100 * GB, 99.8 * GB, 0.2 * GB))
    given = Settings(data_dir=tmp_path)
    monkeypatch.setattr(health, "settings", lambda: given)
    return given


def test_health_the_system_page_and_an_alert_name_the_disk(nearly_full):
    assert health.disk_state() == "nearly full: 200 MB of 100 GB free"
    assert disk_status(embedded_disk_space(nearly_full)).word == "nearly full"
    (fired,) = check_disk(1, GB, embedded_disk_space(nearly_full))
    assert fired.message == "Only 200 MB of 100 GB free on the disk of Postgres: without space nothing is stored"
    assert list(check_disk(1, GB // 10, embedded_disk_space(nearly_full))) == []


def test_the_check_names_folder_and_space(nearly_full, committing_database, redis, monkeypatch):
    monkeypatch.setattr("core.launcher.check._server_urls", lambda _settings: (str(committing_database.url), ""))
    (result,) = (one for one in run_checks(nearly_full) if one.component == "data")
    assert not result.is_ok
    assert str(nearly_full.data_dir / "servers") in result.message
    assert "only 200 MB of 100 GB free" in result.message
