"""What a measurement reports, and the servers it runs on."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine

from core.db import migrations
from core.launcher.embedded import Servers, lease

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Measurement:
    """One measured value; `floor` is the least possible, measured in the same run; `target` what was promised."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    target: str = ""

    @property
    def ratio(self) -> str:
        return f"{self.value / self.floor:.2f}" if self.floor else ""


def print_measurements(figures: list[Measurement]) -> None:
    table = Table("Figure", "Measured", "Floor", "Ratio", "Target", box=None, pad_edge=False)
    for figure in figures:
        floor = f"{figure.floor:,.6g} {figure.unit}" if figure.floor else ""
        table.add_row(figure.name, f"{figure.value:,.6g} {figure.unit}", floor, figure.ratio, figure.target)
    console.print(table)


@contextmanager
def temporary_servers() -> Iterator[Servers]:
    """Embedded servers of a measurement's own, as durable as those of `make run`."""
    with tempfile.TemporaryDirectory(prefix="almanac-bench-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        servers = lease(Path(folder))
        try:
            migrations.upgrade(servers.database_url)
            yield servers
        finally:
            servers.release(wait_seconds=10)


@contextmanager
def temporary_database() -> Iterator[Engine]:
    with temporary_servers() as servers:
        engine = create_engine(servers.database_url, connect_args={"options": "-c timezone=UTC"})
        yield engine
        engine.dispose()
