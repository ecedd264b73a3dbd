"""What may be spent, as far as any process has heard: whose budget pays for whom, and what is left of it."""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from redis import Redis
from redis.exceptions import RedisError

from core.budget import cost_model, shared_state
from core.budget.shared_state import BudgetSeen
from core.settings import Settings
from ingest.github.client import pool_of
from ingest.github.http.credentials import Pool
from ingest.github.http.etag_cache import Cache
from ingest.planning.backoff import Means

log = structlog.get_logger()
# Until GitHub has told.
USUAL_LIMIT = {"graphql": 5_000, "core": 60}


class Purse:
    """Reads what the client writes down (core/budget/shared_state.py); asks GitHub nothing."""

    def __init__(self, pool: Pool, redis: "Redis | None", api_url: str) -> None:
        self._pool = pool
        self._redis = redis
        self._api_url = api_url
        self._cache = Cache(redis, shared_state.key(api_url).removesuffix(":budget"))
        # A budget that is full again is forgotten by those who share it; how large it was stays true.
        self._limits: dict[str, int] = {}

    @classmethod
    def from_settings(cls, settings: Settings, redis: "Redis | None") -> "Purse":
        return cls(pool_of(settings), redis, settings.github_api_url)

    @property
    def with_token(self) -> bool:
        return not self._pool.is_anonymous

    @property
    def unit(self) -> str:
        return "points" if self.with_token else "requests"

    def cost(self, repositories: int | None) -> float:
        """What a look at an account with so many repositories costs."""
        return cost_model.look_cost(repositories, with_token=self.with_token)

    def payer(self) -> Callable[[str, str | None], str]:
        """Make a function that tells whose budget pays for an account (login, fingerprint it is pinned to)."""
        self._learn_owners()

        def pays(login: str, pinned: str | None) -> str:
            credential = self._pool.choose(login, pinned)
            return "" if credential is None else self._pool.owner(credential)

        return pays

    def means(self, now: datetime) -> tuple[dict[str, Means], datetime | None]:
        """What is left of each owner's budget, and until when GitHub told us to wait (None: it did not)."""
        self._learn_owners()
        seen = self._seen(now)
        resource = "graphql" if self.with_token else "core"
        usual = USUAL_LIMIT[resource]
        owners = {self._pool.owner(credential) for credential in self._pool.credentials}
        left = {one.owner: one.left(now) for one in seen.buckets if one.resource == resource}
        self._limits |= {one.owner: one.limit for one in seen.buckets if one.resource == resource}
        limits = {owner: self._limits.get(owner, usual) for owner in owners}
        return {owner: Means(limit, left.get(owner, limit)) for owner, limit in limits.items()}, seen.paused_until

    def spent(self, means: Mapping[str, Means]) -> list[str]:
        """Fingerprints of the credentials whose owner's budget has nothing left for the timetable."""
        return [one.fingerprint for one in self._pool.credentials if means[self._pool.owner(one)].free <= 0]

    def _learn_owners(self) -> None:
        for credential in self._pool.credentials:
            owner = self._cache.owner(credential.fingerprint)
            if owner:
                self._pool.learn_owner(credential.fingerprint, owner)

    def _seen(self, now: datetime) -> BudgetSeen:
        if self._redis is None:
            return BudgetSeen()
        try:
            return shared_state.seen(self._redis, self._api_url, now)
        except RedisError as error:
            log.warning("redis is away, the budget is taken to be whole", error=str(error))
            return BudgetSeen()
