"""Random activity on the sandbox GitHub: stars, pushes, and sometimes a rename or an archive.

Kept in a file, it is repeated by the next start at the times at which it happened: what grew does not shrink again.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

from core.errors import BadInput
from ingest.sandbox.world.population import World
from ingest.sandbox.world.repositories import Repository

TICK_SECONDS = 1.0
STARRED_PER_TICK = 6
MAX_STARS = 30
PUSH_CHANCE = 0.25
EVENT_CHANCE = 0.05
LICENSES = ("mit", "apache-2.0", "gpl-3.0", "bsd-3-clause")
BRANCHES = ("main", "trunk", "develop")
DETAILED_SECONDS = 86_400
LoggedEdit = tuple[int, int, str, list[Any]]
"""Number of the line, time, edit and its arguments."""


class RandomActivity:
    """Changes *world* step by step; the same seed and the same past make the same changes.

    log  a file of past edits, one JSON array a line (time, edit, arguments): repeated first, then continued
    """

    def __init__(self, world: World, seed: int, log: Path | None = None) -> None:
        self._world = world
        past = _repeat_edits(world, log) if log else 0
        if log:
            log.touch()  # one that cannot be written fails the start
        self._log = log
        self._edits: list[str] = []
        self._rng = Random(seed + past)  # noqa: S311 - no secret
        self._events: tuple[Callable[[Repository], None], ...] = (
            lambda one: self._edit("relicense", one.full_name, self._rng.choice(LICENSES)),
            lambda one: self._edit("rebranch", one.full_name, self._rng.choice(BRANCHES)),
            lambda one: self._edit("archive", one.full_name),
            lambda one: self._edit("rename", one.full_name, self._free_name(one, one.name)),
            self._create_repository,
        )

    def run(self, stop: Event) -> None:
        while not stop.wait(TICK_SECONDS):
            self.step()

    def step(self) -> None:
        """Make the changes of one tick."""
        for one in self._sample_repositories(STARRED_PER_TICK):
            self._edit("star", one.full_name, self._rng.randint(1, MAX_STARS))
        if self._rng.random() < PUSH_CHANCE:
            for one in self._sample_repositories(1):
                self._edit("push", one.full_name)
        if self._rng.random() < EVENT_CHANCE:
            for one in self._sample_repositories(1):
                self._rng.choice(self._events)(one)
        if self._log:
            with self._log.open("a", encoding="utf-8") as file:
                file.writelines(self._edits)
        self._edits.clear()

    def _edit(self, name: str, *arguments: str | int) -> None:
        at = self._world.now()
        getattr(self._world.edit, name)(*arguments)
        self._edits.append(_to_line(at, name, arguments))

    def _sample_repositories(self, count: int) -> list[Repository]:
        """Pick repositories that can be pushed to."""
        world, now = self._world, self._world.now()
        with world.lock:
            alive = [one for one in world.repositories.values() if world.shows(one) and one.archived_at > now]
        return self._rng.sample(alive, min(count, len(alive)))

    def _create_repository(self, neighbour: Repository) -> None:
        self._edit("create", neighbour.owner.login, self._free_name(neighbour, f"new-{neighbour.name}"))

    def _free_name(self, one: Repository, stem: str) -> str:
        number = 2
        while self._world.repository(f"{one.owner.login}/{stem}-{number}"):
            number += 1
        return f"{stem}-{number}"


def _repeat_edits(world: World, log: Path) -> int:
    """Make the edits of *log* again, each at its time; return how many.

    A last line that was not written to its end is removed, and older stars are merged, so that the file of a sandbox
    that runs for months is still read in seconds. Raises BadInput where the edits do not fit the world.
    """
    if not log.exists():
        return 0
    written = log.read_bytes()
    lines = written.rpartition(b"\n")[0].splitlines()
    number = 0
    try:
        edits = []
        for number, line in enumerate(lines, start=1):
            at, name, *arguments = json.loads(line)
            edits.append((number, int(at), str(name), arguments))
        edits = _merge_stars(edits, before=world.now() - DETAILED_SECONDS)
        for number, at, name, arguments in edits:  # noqa: B007 - an error names the line
            with world.clock.frozen_at(at):
                getattr(world.edit, name)(*arguments)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"Line {number} of {log} is no edit of this sandbox; delete the file to start afresh") from error
    kept = "".join(_to_line(at, name, arguments) for _, at, name, arguments in edits).encode()
    if kept != written:
        partial = log.with_name(f"{log.name}.partial")
        partial.write_bytes(kept)
        partial.replace(log)
    return len(lines)


def _merge_stars(edits: Sequence[LoggedEdit], *, before: int) -> list[LoggedEdit]:
    """Add up the stars that one repository was given within an hour, where that is long ago."""
    merged: list[LoggedEdit] = []
    latest: dict[str, tuple[int, list[Any]]] = {}
    for edit in edits:
        _, at, name, arguments = edit
        if name == "star" and at < before:
            hour, counted = latest.get(arguments[0], (None, arguments))
            if hour == at // 3600:
                counted[1] += arguments[1]
                continue
            latest[arguments[0]] = at // 3600, arguments
        elif name == "rename":  # the names may be another repository's from here on
            latest.pop(arguments[0], None)
            latest.pop(f"{arguments[0].partition('/')[0]}/{arguments[1]}", None)
        elif name == "create":
            latest.pop("/".join(arguments), None)
        merged.append(edit)
    return merged


def _to_line(at: int, name: str, arguments: Sequence[Any]) -> str:
    return json.dumps([at, name, *arguments]) + "\n"
