"""GitHub's rate budget as the scheduler sees it: who pays for which account, and what is left."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from redis import Redis
from redis.exceptions import RedisError

from core.budget import cost_model, rate_limits
from core.budget.cost_model import INTERACTIVE_RESERVE
from core.budget.rate_limits import ANONYMOUS_LIMIT, USUAL_LIMIT, RateBudgetSummary
from core.queue.enrichment import RESOURCES, Resource
from core.settings import Settings
from ingest.github.client import credential_pool
from ingest.github.http.credentials import ANONYMOUS, CredentialPool
from ingest.github.http.etag_cache import ResponseCache
from ingest.planning.fair_queue import HourlyLimit

log = structlog.get_logger()
# Share of an hour's budget that one minute may queue, so that a backlog does not arrive all at once.
BURST_SHARE = 0.05
MIN_BURST = 20


@dataclass(frozen=True)
class AvailableBudget:
    """One token owner's budget: the hourly limit, what is left of it, and the cost of the accounts already queued."""

    limit: int
    remaining: int
    queued_cost: float = 0.0

    @property
    def available(self) -> float:
        """What the scheduler may still queue; the reserve is left for people who are waiting."""
        return self.remaining - self.limit * INTERACTIVE_RESERVE - self.queued_cost

    @property
    def available_this_minute(self) -> float:
        return min(self.available, max(self.limit * BURST_SHARE, MIN_BURST))


class RateBudget:
    """Reads the budget that the client writes to Redis (core/budget/rate_limits.py); sends no request to GitHub."""

    def __init__(self, pool: CredentialPool, redis: "Redis | None", api_url: str) -> None:
        self._pool = pool
        self._redis = redis
        self._api_url = api_url
        self._cache = ResponseCache(redis, rate_limits.key_prefix(api_url))
        self._pool.denials = self._cache
        # By owner and resource. A bucket disappears from the shared state when it is full again; its limit still holds.
        self._limits: dict[tuple[str, str], int] = {}

    @classmethod
    def from_settings(cls, settings: Settings, redis: "Redis | None") -> "RateBudget":
        return cls(credential_pool(settings), redis, settings.github_api_url)

    @property
    def with_token(self) -> bool:
        return not self._pool.is_anonymous

    @property
    def unit(self) -> str:
        return "points" if self.with_token else "requests"

    def cost(self, repositories: int | None, payer: str) -> float:
        """Return the cost of one refresh of an account with *repositories*, in what *payer* pays with."""
        return cost_model.refresh_cost(repositories, with_token=self.with_token and payer != ANONYMOUS)

    def payer(self) -> Callable[[str, str | None], str]:
        """Return a function from (login, fingerprint of the pinned token) to the token owner who pays.

        ANONYMOUS for an account to which all tokens were denied access in the last day.
        """
        self._load_token_owners()
        pinnable = {one.fingerprint: self._pool.owner(one) for one in self._pool.credentials}

        def payer_of(login: str, pinned: str | None) -> str:
            if pinned in pinnable:  # who is pinned was granted access: checking denials reads Redis
                return pinnable[pinned]
            credential = self._pool.choose(login, pinned)
            return "" if credential is None else self._pool.owner(credential)

        return payer_of

    def available_budgets(self, now: datetime) -> tuple[dict[str, AvailableBudget], datetime | None]:
        """Return each token owner's budget for refreshes, and until when GitHub's pause lasts (None: there is none)."""
        self._load_token_owners()
        state = self._load_state(now)
        return self._budgets(state, "graphql" if self.with_token else "core", now), state.paused_until

    def with_anonymous(self, budgets: Mapping[str, AvailableBudget], now: datetime) -> dict[str, AvailableBudget]:
        """Return *budgets* and that of anonymous requests, which pay for what all tokens were denied."""
        state = self._load_state(now)
        found = next((one for one in state.buckets if (one.owner, one.resource) == (ANONYMOUS, "core")), None)
        limit, left = (found.limit, found.remaining_at(now)) if found else (ANONYMOUS_LIMIT, ANONYMOUS_LIMIT)
        return {ANONYMOUS: AvailableBudget(limit, left), **budgets}

    def enrichment_limits(self, now: datetime) -> Callable[[str | None, Resource], HourlyLimit]:
        """Return a function from (fingerprint of the pinned token, rate limit) to what is left of it for enrichment.

        Nothing is left during GitHub's pause. Accounts whose token is no longer configured are taken over by any other.
        """
        self._load_token_owners()
        state, is_anonymous = self._load_state(now), not self.with_token
        budgets = {resource: self._budgets(state, resource, now) for resource in RESOURCES}
        owners = {one.fingerprint: self._pool.owner(one) for one in self._pool.credentials}

        def limit_of(token: str | None, resource: Resource) -> HourlyLimit:
            of_resource = budgets[resource]
            found = of_resource.get(owners.get(token or "", "")) or max(
                of_resource.values(), key=lambda one: one.remaining
            )
            return HourlyLimit(found.limit, 0 if state.paused_until else found.remaining, is_anonymous)

        return limit_of

    def publish_credentials(self) -> None:
        """Publish the owners and fingerprints of the configured tokens; without Redis, the next time."""
        if self._redis is None:
            return
        fingerprints = [credential.fingerprint for credential in self._pool.credentials]
        owner_keys = [self._cache.owner_key(fingerprint) for fingerprint in fingerprints]
        try:
            rate_limits.publish_credentials(self._redis, self._api_url, fingerprints, self._read_owners, owner_keys)
        except RedisError as error:
            log.warning("Redis unavailable, configured tokens not published", error=str(error))

    def _budgets(self, state: RateBudgetSummary, resource: str, now: datetime) -> dict[str, AvailableBudget]:
        owners = {self._pool.owner(credential) for credential in self._pool.credentials}
        left = {one.owner: one.remaining_at(now) for one in state.buckets if one.resource == resource}
        self._limits |= {(one.owner, resource): one.limit for one in state.buckets if one.resource == resource}
        default = USUAL_LIMIT if self.with_token else ANONYMOUS_LIMIT
        limits = {owner: self._limits.get((owner, resource), default) for owner in owners}
        return {owner: AvailableBudget(limit, left.get(owner, limit)) for owner, limit in limits.items()}

    def exhausted_tokens(self, budgets: Mapping[str, AvailableBudget]) -> list[str]:
        """Return fingerprints of the credentials whose owner's budget has nothing available for the scheduler."""
        return [one.fingerprint for one in self._pool.credentials if budgets[self._pool.owner(one)].available <= 0]

    def _read_owners(self) -> set[str]:
        self._load_token_owners()
        return {self._pool.owner(credential) for credential in self._pool.credentials}

    def _load_token_owners(self) -> None:
        for credential in self._pool.credentials:
            owner = self._cache.owner(credential.fingerprint)
            if owner:
                self._pool.learn_owner(credential.fingerprint, owner)

    def _load_state(self, now: datetime) -> RateBudgetSummary:
        if self._redis is None:
            return RateBudgetSummary()
        try:
            return rate_limits.load_every_bucket(self._redis, self._api_url, now)
        except RedisError as error:
            log.warning("Redis unavailable, assuming full rate budget", error=str(error))
            return RateBudgetSummary()
