import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.launcher.demo import Demo
from core.launcher.stack import StopRequested, free_port
from core.settings import Settings

from .conftest import clear, connect, new_folder, processes_of

FILL_SECONDS = 240


class SmallDemo(Demo):
    """A small sandbox; stops as soon as it is filled."""

    sandbox_arguments = ("--accounts", "4", "--seed", "7")
    refreshed: int = 0
    imported: int = 0

    def finish_start(self) -> None:
        super().finish_start()
        until = time.monotonic() + FILL_SECONDS
        while self.refreshed < 4 and time.monotonic() < until:
            self._supervise()
            self._count()
        self.received_signals.append(0)
        raise StopRequested

    def _count(self) -> None:
        with connect(self.database_url) as connection:
            count = "SELECT count(*) FROM account_snapshot"
            self.refreshed = connection.execute(count).fetchone()[0]  # type: ignore[index]
            rows = "SELECT count(*) FROM repository_snapshot JOIN source ON source.id = source_id AND name = 'sandbox'"
            self.imported = connection.execute(rows).fetchone()[0]  # type: ignore[index]


@pytest.fixture
def demo_folder() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    clear(folder / "demo")
    clear(folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_fills_itself(demo_folder: Path) -> None:
    """Accounts are refreshed, past years are imported, and a stop leaves no process behind."""
    lines: list[str] = []
    settings = Settings(
        data_dir=demo_folder, port=free_port("127.0.0.1", 0), database_url="postgresql://somewhere/else"
    )
    demo = SmallDemo.from_settings(settings, lines.append)
    demo.run()
    assert demo.refreshed == 4, lines
    assert demo.imported > 100
    assert (demo_folder / "demo" / "history.csv.gz").exists()
    assert not processes_of(demo_folder)
    assert [path.name for path in demo_folder.iterdir()] == ["demo"]


def test_the_demo_ignores_configured_databases_and_tokens(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url="postgresql://real", redis_url="redis://real", github_tokens="real"
    )
    demo = Demo.from_settings(settings, print)
    environment = demo.environment
    assert environment["DATABASE_URL"] == environment["REDIS_URL"] == ""  # until its embedded servers are started
    assert environment["GITHUB_TOKENS"] == "sandbox-token-1"
    assert environment["GITHUB_API_URL"].startswith("http://127.0.0.1:")
    assert environment["DATA_DIR"] == str(tmp_path / "demo")
