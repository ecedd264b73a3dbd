"""The sandbox's population: accounts and the repositories they own, the same for the same seed."""

from bisect import insort
from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import RLock

from ingest.sandbox.world.accounts import Account, AccountKind, create_account
from ingest.sandbox.world.clock import Clock
from ingest.sandbox.world.edits import Edits
from ingest.sandbox.world.growth_curves import DAY, GrowthCurve
from ingest.sandbox.world.repositories import Repository, create_repository
from ingest.sandbox.world.seeded_random import random_generator

ORGANIZATION_SHARE = 0.35
REPOSITORIES_PER_ACCOUNT = 27
COLLABORATOR_SHARE = 0.25
TOKEN_OWNERS = ("sandbox-owner-1", "sandbox-owner-2", "sandbox-owner-3")


class World:
    """Accounts, repositories and a clock. `edit` changes them, everything else reads.

    accounts      how many users and organizations
    repositories  how many in all, a few owners with many, many owners with few (default: 27 an account)
    biggest       how many the first organization owns (default: random)
    seed          the same seed gives the same world
    frozen_at     time at which the clock is frozen (default: real time)
    """

    def __init__(
        self,
        *,
        accounts: int = 40,
        repositories: int | None = None,
        biggest: int | None = None,
        seed: int = 7,
        frozen_at: datetime | None = None,
    ) -> None:
        self.seed = seed
        self.clock = Clock(frozen_at)
        self.lock = RLock()
        self.version = 0
        self.accounts: list[Account] = []
        self.by_id: dict[int, Account] = {}
        self.by_login: dict[str, Account] = {}
        self.repositories: dict[int, Repository] = {}
        self.by_full_name: dict[str, Repository] = {}
        self.former_names: dict[str, Repository] = {}
        self.former_logins: dict[str, Account] = {}
        self.by_node_id: dict[str, Account | Repository] = {}
        self._owned: dict[int, list[Repository]] = {}
        self._collaborator_repositories: dict[int, list[Repository]] = {}
        self._populate(accounts, REPOSITORIES_PER_ACCOUNT * accounts if repositories is None else repositories, biggest)
        self.edit = Edits(self)

    def now(self) -> int:
        return self.clock.now()

    def freeze(self, at: datetime | None = None) -> None:
        self.clock.freeze(at)

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Advance the clock; counts grow."""
        self.clock.advance(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))

    def logins(self) -> list[str]:
        """Return the logins that can be tracked, without the token owners."""
        now = self.now()
        return [a.login for a in self.accounts if is_visible(a, now) and a.login not in TOKEN_OWNERS]

    def account(self, login: str) -> Account | None:
        return self._seen(self.by_login.get(login.lower()))

    def renamed(self, login: str) -> Account | None:
        """Return the account that had this login before, unless another has it now."""
        return None if self.account(login) else self._seen(self.former_logins.get(login.lower()))

    def account_by_id(self, number: int) -> Account | None:
        return self._seen(self.by_id.get(number))

    def repository(self, full_name: str) -> Repository | None:
        """Return the repository of this name."""
        found_one = self.by_full_name.get(full_name.lower())
        return found_one if found_one and self.shows(found_one) else None

    def moved(self, full_name: str) -> Repository | None:
        """Return the repository that had this name before, unless another has it now."""
        former = self.former_names.get(full_name.lower())
        return former if former and self.shows(former) and not self.repository(full_name) else None

    def repository_by_id(self, number: int) -> Repository | None:
        found_one = self.repositories.get(number)
        return found_one if found_one and self.shows(found_one) else None

    def node(self, node_id: str) -> Account | Repository | None:
        found_one = self.by_node_id.get(node_id)
        if isinstance(found_one, Repository):
            return found_one if self.shows(found_one) else None
        return self._seen(found_one)

    def shows(self, repository: Repository) -> bool:
        now = self.now()
        return is_visible(repository, now) and is_visible(repository.owner, now)

    def owned(self, account: Account) -> list[Repository]:
        """Return the repositories that *account* owns, oldest first."""
        now = self.now()
        return [r for r in self._owned.get(account.id, ()) if r.created_at <= now and not r.deleted]

    def collaborator_repositories(self, account: Account) -> list[Repository]:
        """Return repositories of others that *account* may push to."""
        others = self._collaborator_repositories.get(account.id, ())
        return [r for r in others if r.owner is not account and self.shows(r)]

    def members(self, organization: Account) -> list[Account]:
        """Return the public members of *organization*: each user is a member of one."""
        now = self.now()
        organizations = [account for account in self.accounts if account.kind == "Organization"]
        return [
            account
            for account in self.accounts
            if account.kind == "User"
            and is_visible(account, now)
            and account.login not in TOKEN_OWNERS
            and organizations[account.id % len(organizations)] is organization
        ]

    def add_repository(self, repository: Repository) -> None:
        """Index *repository* by its owner and its name."""
        self.repositories[repository.id] = repository
        self.by_node_id[repository.node_id] = repository
        self.by_full_name[repository.full_name.lower()] = repository
        insort(self._owned.setdefault(repository.owner.id, []), repository, key=lambda r: (r.created_at, r.id))

    def release(self, repository: Repository) -> None:
        """Remove *repository* from its owner; its name becomes a former name."""
        self._owned[repository.owner.id].remove(repository)
        self.retire_name(repository)

    def retire_name(self, repository: Repository) -> None:
        if self.by_full_name.get(repository.full_name.lower()) is repository:
            del self.by_full_name[repository.full_name.lower()]
        self.former_names[repository.full_name.lower()] = repository

    def _seen(self, account: Account | None) -> Account | None:
        return account if account and is_visible(account, self.now()) else None

    def _populate(self, accounts: int, repositories: int, biggest: int | None) -> None:
        for account in _create_accounts(self.seed, accounts, organization_first=biggest is not None):
            self._settle(account)
        sizes = _repository_counts(self.seed, self.accounts, repositories, biggest)
        index = 0
        for account, size in zip(self.accounts, sizes, strict=True):
            taken: set[str] = set()
            for _ in range(size):
                repository = create_repository(self.seed, index, account, taken)
                while repository.id in self.repositories:
                    repository.id += 1
                self.add_repository(repository)
                index += 1
        self._link_forks_and_collaborators()
        for owner in TOKEN_OWNERS:
            self._settle(_token_owner_account(owner))

    def _settle(self, account: Account) -> None:
        while account.id in self.by_id:
            account.id += 1
        self.accounts.append(account)
        self.by_id[account.id] = account
        self.by_login[account.login.lower()] = account
        self.by_node_id[account.node_id] = account

    def _link_forks_and_collaborators(self) -> None:
        """Give forks a parent and make some users collaborators."""
        chance = random_generator(self.seed, "relations")
        originals = [r for r in self.repositories.values() if not r.fork and not r.empty]
        for fork in [r for r in self.repositories.values() if r.fork]:
            parent = chance.choice(originals) if originals else None
            if parent and parent.owner is not fork.owner and parent.created_at < fork.created_at:
                fork.parent = parent
            else:
                fork.fork = False
        for account in self.accounts:
            if originals and account.kind == "User" and chance.random() < COLLABORATOR_SHARE:
                self._collaborator_repositories[account.id] = chance.sample(
                    originals, min(len(originals), chance.randrange(1, 4))
                )


def is_visible(thing: Account | Repository, now: int) -> bool:
    return not thing.deleted and thing.created_at <= now


def _create_accounts(seed: int, count: int, *, organization_first: bool) -> Iterator[Account]:
    chance = random_generator(seed, "people")
    taken: set[str] = {owner.lower() for owner in TOKEN_OWNERS}
    for index in range(count):
        organization = chance.random() < ORGANIZATION_SHARE or (index == 0 and organization_first)
        kind: AccountKind = "Organization" if organization else "User"
        yield create_account(seed, index, kind, taken)


def _repository_counts(seed: int, accounts: list[Account], total: int, biggest: int | None) -> list[int]:
    """Divide *total* repositories among *accounts*, unevenly as on GitHub, and exactly."""
    chance = random_generator(seed, "shares")
    weights = [chance.lognormvariate(0, 1.3) * (2.5 if a.kind == "Organization" else 1.0) for a in accounts]
    if not weights:
        return []
    fixed = min(biggest or 0, total)
    if biggest is not None:
        weights[0] = 0.0
    whole = sum(weights) or 1.0
    sizes = [int((total - fixed) * weight / whole) for weight in weights]
    sizes[0] += fixed
    # What rounding left over goes one by one to the last accounts, the fixed first one excepted.
    for index in range(total - sum(sizes)):
        sizes[-1 - index % max(len(sizes) - 1, 1)] += 1
    return sizes


def _token_owner_account(login: str) -> Account:
    number = int(login.rsplit("-", 1)[1])
    born = 1_500_000_000
    crowd = GrowthCurve(born, 5 * DAY, 0.0, 500.0, 1.0)
    return Account(500 + number, "User", login, born, None, None, "", None, None, crowd, 0, 0, 0.0, born)
