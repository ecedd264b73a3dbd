"""The command line starts a sandbox GitHub in another process and exports its history."""

import csv
import gzip
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import httpx

from ingest.sandbox import World, main, write_history

PROJECT = Path(__file__).resolve().parents[3]
START_PROGRAM = "from ingest.sandbox import main; main(port=0, accounts=5, seed=3)"


def test_the_first_line_is_the_url():
    with subprocess.Popen(
        [sys.executable, "-c", START_PROGRAM], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            url = process.stdout.readline().strip()
            token = process.stdout.readline().removeprefix("token: ").strip()
            logins = process.stdout.readline().removeprefix("logins: ").strip().split(",")
            headers = {"Authorization": f"Bearer {token}", "User-Agent": "tests"}
            transport = httpx.HTTPTransport(retries=5)
            with httpx.Client(base_url=url, headers=headers, transport=transport, timeout=60) as client:
                assert [client.get(f"/users/{login}").status_code for login in logins] == [200] * 5
                assert client.get("/_sandbox/logins").json() == logins
        finally:
            process.terminate()
    assert process.returncode is not None


def test_exported_history_ends_where_the_served_counts_begin(tmp_path):
    """Another process with the same seed serves the same names and counts that continue the last row."""
    world = World(accounts=6, repositories=90, seed=3, frozen_at=datetime(2026, 9, 16, tzinfo=UTC))
    file = tmp_path / "past.csv.gz"
    written = write_history(world, file, years=2)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == written > 90
    assert list(rows[0]) == ["captured_on", "full_name", "stars", "forks", "open_issues", "language"]
    days = [date.fromisoformat(row["captured_on"]) for row in rows]
    assert {day.weekday() for day in days} == {0}
    assert max(days) == date(2026, 9, 14)
    assert {row["full_name"] for row in rows} == {r.full_name for r in world.repositories.values()}
    for repository in world.repositories.values():
        mine = [row for row in rows if row["full_name"] == repository.full_name]
        assert mine[0]["captured_on"] > datetime.fromtimestamp(repository.created_at, UTC).date().isoformat()
        monday = int(datetime(2026, 9, 14, tzinfo=UTC).timestamp())
        assert int(mine[-1]["stars"]) == repository.compute_counts(monday).stars


def test_exporting_history_starts_no_server(tmp_path, capsys):
    file = tmp_path / "past.csv.gz"
    main(accounts=2, seed=1, write_history=file)
    assert file.exists()
    assert "rows in" in capsys.readouterr().out
