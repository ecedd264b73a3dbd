"""What may be spent, as far as any process has heard: whose budget pays for whom, and what is left of it."""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from redis import Redis
from redis.exceptions import RedisError

from core.budget import cost_model, shared_state
from core.budget.shared_state import RateBudgetSummary
from core.settings import Settings
from ingest.github.client import credential_pool
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.etag_cache import ResponseCache
from ingest.planning.backoff import AvailableBudget

log = structlog.get_logger()
# Until GitHub has told.
DEFAULT_LIMITS = {"graphql": 5_000, "core": 60}


class RateBudget:
    """Reads what the client writes down (core/budget/shared_state.py); asks GitHub nothing."""

    def __init__(self, pool: CredentialPool, redis: "Redis | None", api_url: str) -> None:
        self._pool = pool
        self._redis = redis
        self._api_url = api_url
        self._cache = ResponseCache(redis, shared_state.key_prefix(api_url))
        # A budget that is full again is forgotten by those who share it; how large it was stays true.
        self._limits: dict[str, int] = {}

    @classmethod
    def from_settings(cls, settings: Settings, redis: "Redis | None") -> "RateBudget":
        return cls(credential_pool(settings), redis, settings.github_api_url)

    @property
    def with_token(self) -> bool:
        return not self._pool.is_anonymous

    @property
    def unit(self) -> str:
        return "points" if self.with_token else "requests"

    def cost(self, repositories: int | None) -> float:
        """What a look at an account with so many repositories costs."""
        return cost_model.refresh_cost(repositories, with_token=self.with_token)

    def payer(self) -> Callable[[str, str | None], str]:
        """Make a function that tells whose budget pays for an account (login, fingerprint it is pinned to)."""
        self._load_token_owners()

        def pays(login: str, pinned: str | None) -> str:
            credential = self._pool.choose(login, pinned)
            return "" if credential is None else self._pool.owner(credential)

        return pays

    def available_budgets(self, now: datetime) -> tuple[dict[str, AvailableBudget], datetime | None]:
        """What is left of each owner's budget, and until when GitHub told us to wait (None: it did not)."""
        self._load_token_owners()
        seen = self._seen(now)
        resource = "graphql" if self.with_token else "core"
        usual = DEFAULT_LIMITS[resource]
        owners = {self._pool.owner(credential) for credential in self._pool.credentials}
        left = {one.owner: one.left(now) for one in seen.buckets if one.resource == resource}
        self._limits |= {one.owner: one.limit for one in seen.buckets if one.resource == resource}
        limits = {owner: self._limits.get(owner, usual) for owner in owners}
        return {
            owner: AvailableBudget(limit, left.get(owner, limit)) for owner, limit in limits.items()
        }, seen.paused_until

    def spent(self, means: Mapping[str, AvailableBudget]) -> list[str]:
        """Fingerprints of the credentials whose owner's budget has nothing left for the timetable."""
        return [one.fingerprint for one in self._pool.credentials if means[self._pool.owner(one)].available <= 0]

    def _load_token_owners(self) -> None:
        for credential in self._pool.credentials:
            owner = self._cache.owner(credential.fingerprint)
            if owner:
                self._pool.learn_owner(credential.fingerprint, owner)

    def _seen(self, now: datetime) -> RateBudgetSummary:
        if self._redis is None:
            return RateBudgetSummary()
        try:
            return shared_state.load_rate_budget(self._redis, self._api_url, now)
        except RedisError as error:
            log.warning("redis is away, the budget is taken to be whole", error=str(error))
            return RateBudgetSummary()
