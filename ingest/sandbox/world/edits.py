"""Edits that no growth curve has: rename, transfer, archive, delete, push, star."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from ingest.sandbox.world.accounts import Account
from ingest.sandbox.world.repositories import FAR_FUTURE, Repository, create_repository

if TYPE_CHECKING:
    from ingest.sandbox.world.population import World


P = ParamSpec("P")
R = TypeVar("R")


def _atomic(act: Callable[Concatenate[Edits, P], R]) -> Callable[Concatenate[Edits, P], R]:
    """Run *act* under the world's lock, and drop what was cached."""

    @wraps(act)
    def locked(self: Edits, /, *args: P.args, **values: P.kwargs) -> R:
        with self.world.lock:
            done = act(self, *args, **values)
            self.world.version += 1
            return done

    return locked


class Edits:
    """Changes a world at its present time. Names are the present ones; unknown ones raise KeyError."""

    def __init__(self, world: World) -> None:
        self.world = world

    @_atomic
    def rename(self, name: str, new: str) -> None:
        """Rename an account (`login`) or a repository (`owner/name`; *new* without the owner)."""
        if "/" in name:
            self._rename_repository(self._repository(name), new)
        else:
            self._rename_account(self._account(name), new)

    @_atomic
    def transfer(self, full_name: str, login: str) -> None:
        repository, owner = self._repository(full_name), self._account(login)
        before = repository.owner
        self.world.release(repository)
        repository.owner = owner
        self.world.add_repository(repository)
        self._mark_edited(repository, before, owner)

    @_atomic
    def archive(self, full_name: str) -> None:
        repository, now = self._repository(full_name), self.world.now()
        repository.archived_at = now
        repository.work = replace(repository.work, last=min(repository.work.last, now))
        self._mark_edited(repository)

    @_atomic
    def unarchive(self, full_name: str) -> None:
        repository = self._repository(full_name)
        repository.archived_at = FAR_FUTURE
        self._mark_edited(repository)

    @_atomic
    def delete(self, name: str) -> None:
        """Delete an account with all it owns, or a repository. `restore` by the same name undoes it."""
        self._set_deleted(name, deleted=True)

    @_atomic
    def restore(self, name: str) -> None:
        self._set_deleted(name, deleted=False)

    @_atomic
    def relicense(self, full_name: str, license_key: str | None) -> None:
        """Give *full_name* another licence by GitHub's key, such as `apache-2.0`, or none."""
        repository = self._repository(full_name)
        repository.license = license_key
        self._mark_edited(repository)

    @_atomic
    def push(self, full_name: str, languages: dict[str, int] | None = None) -> None:
        """Push now; with *languages* these are the bytes that Linguist counts."""
        repository = self._repository(full_name)
        repository.empty = False
        repository.pushes.append(self.world.now())
        if languages is not None:
            repository.code = replace(repository.code, languages=dict(languages), recounted=False)
        self._mark_edited(repository)

    @_atomic
    def recount(self, full_name: str, languages: dict[str, int]) -> None:
        """Report exactly these bytes from now on, without a push, as when Linguist runs late or again."""
        repository = self._repository(full_name)
        repository.code = replace(repository.code, languages=dict(languages), recounted=True)
        self._mark_edited(repository)

    @_atomic
    def star(self, full_name: str, change: int = 1) -> None:
        """Give stars, or take them away with a negative *change*."""
        repository = self._repository(full_name)
        repository.star_changes.append((self.world.now(), change))
        self._mark_edited(repository)

    @_atomic
    def describe(self, full_name: str, description: str | None) -> None:
        repository = self._repository(full_name)
        repository.description = description
        self._mark_edited(repository)

    @_atomic
    def retopic(self, full_name: str, topics: list[str]) -> None:
        repository = self._repository(full_name)
        repository.topics = tuple(topics)
        self._mark_edited(repository)

    @_atomic
    def rebranch(self, full_name: str, default_branch: str) -> None:
        repository = self._repository(full_name)
        repository.default_branch = default_branch
        self._mark_edited(repository)

    @_atomic
    def create(self, login: str, name: str) -> str:
        """Create a repository now and return its full name."""
        owner, now = self._account(login), self.world.now()
        index = len(self.world.repositories)
        repository = create_repository(self.world.seed, index, owner, {name.lower()})
        repository.name, repository.created_at, repository.edited_at = name, now, now
        repository.id = max(self.world.repositories) + 1
        repository.fork, repository.archived_at = False, FAR_FUTURE
        repository.star_curve = replace(repository.star_curve, created_at=now)
        repository.work = replace(repository.work, created_at=now, number=repository.id, last=FAR_FUTURE)
        self.world.add_repository(repository)
        self._mark_edited(repository)
        return repository.full_name

    def _rename_repository(self, repository: Repository, new: str) -> None:
        self.world.retire_name(repository)
        repository.name = new
        self.world.by_full_name[repository.full_name.lower()] = repository
        self._mark_edited(repository)

    def _rename_account(self, account: Account, new: str) -> None:
        owned = [r for r in self.world.repositories.values() if r.owner is account]
        for repository in owned:
            self.world.retire_name(repository)
        self.world.by_login.pop(account.login.lower(), None)
        self.world.former_logins[account.login.lower()] = account
        account.login = new
        self.world.by_login[new.lower()] = account
        for repository in owned:
            self.world.by_full_name[repository.full_name.lower()] = repository
            self._mark_edited(repository)
        self._mark_edited(account)

    def _set_deleted(self, name: str, *, deleted: bool) -> None:
        thing = self._repository(name) if "/" in name else self._account(name)
        thing.deleted = deleted
        self._mark_edited(thing)

    def _mark_edited(self, *things: Account | Repository) -> None:
        now = self.world.now()
        for thing in things:
            if isinstance(thing, Repository):
                thing.touch(now)
                self._mark_edited(thing.owner)
            else:
                thing.edited_at = max(thing.edited_at, now)
                thing.version += 1

    def _account(self, login: str) -> Account:
        return self.world.by_login[login.lower()]

    def _repository(self, full_name: str) -> Repository:
        return self.world.by_full_name[full_name.lower()]
