"""Random activity on the sandbox GitHub: stars, pushes, and sometimes a rename or an archive."""

from collections.abc import Callable
from random import Random
from threading import Event

from ingest.sandbox.world.population import World
from ingest.sandbox.world.repositories import Repository

TICK_SECONDS = 1.0
STARRED_PER_TICK = 6
MAX_STARS = 30
PUSH_CHANCE = 0.25
EVENT_CHANCE = 0.05
LICENSES = ("mit", "apache-2.0", "gpl-3.0", "bsd-3-clause")
BRANCHES = ("main", "trunk", "develop")


class RandomActivity:
    """Changes *world* step by step; the same seed makes the same changes."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._rng = Random(seed)  # noqa: S311 - no secret
        self._events: tuple[Callable[[Repository], None], ...] = (
            lambda one: world.edit.relicense(one.full_name, self._rng.choice(LICENSES)),
            lambda one: world.edit.rebranch(one.full_name, self._rng.choice(BRANCHES)),
            lambda one: world.edit.archive(one.full_name),
            lambda one: world.edit.rename(one.full_name, self._free_name(one, one.name)),
            self._create_repository,
        )

    def run(self, stop: Event) -> None:
        while not stop.wait(TICK_SECONDS):
            self.step()

    def step(self) -> None:
        """Make the changes of one tick."""
        for one in self._sample_repositories(STARRED_PER_TICK):
            self._world.edit.star(one.full_name, self._rng.randint(1, MAX_STARS))
        if self._rng.random() < PUSH_CHANCE:
            for one in self._sample_repositories(1):
                self._world.edit.push(one.full_name)
        if self._rng.random() < EVENT_CHANCE:
            for one in self._sample_repositories(1):
                self._rng.choice(self._events)(one)

    def _sample_repositories(self, count: int) -> list[Repository]:
        """Pick repositories that can be pushed to."""
        world, now = self._world, self._world.now()
        with world.lock:
            alive = [one for one in world.repositories.values() if world.shows(one) and one.archived_at > now]
        return self._rng.sample(alive, min(count, len(alive)))

    def _create_repository(self, neighbour: Repository) -> None:
        self._world.edit.create(neighbour.owner.login, self._free_name(neighbour, f"new-{neighbour.name}"))

    def _free_name(self, one: Repository, stem: str) -> str:
        number = 2
        while self._world.repository(f"{one.owner.login}/{stem}-{number}"):
            number += 1
        return f"{stem}-{number}"
