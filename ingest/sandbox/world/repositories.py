"""Repositories of the sandbox GitHub and their counts at one time."""

from dataclasses import dataclass, field
from random import Random

from ingest.sandbox.world.accounts import Account, node_id
from ingest.sandbox.world.clock import epoch
from ingest.sandbox.world.growth_curves import DAY, CodeContents, FakeStars, GrowthCurve, PopularityWave, PushSchedule
from ingest.sandbox.world.seeded_random import hash_fraction, random_generator
from ingest.sandbox.world.vocabulary import (
    ADJECTIVES,
    COMMON_REPOSITORY_NAMES,
    DESCRIPTION_TEMPLATES,
    LICENSE_WEIGHTS,
    LICENSES,
    MAIN_LANGUAGE_WEIGHTS,
    MAIN_LANGUAGES,
    NOUNS,
    SIDE_LANGUAGES,
    TOPICS,
)

LATEST_CREATED_AT = epoch("2026-06-01")
FAR_FUTURE = epoch("2100-01-01")
EMPTY_SHARE, FORK_SHARE, ARCHIVED_SHARE = 0.02, 0.15, 0.06


@dataclass(frozen=True, slots=True)
class RepositoryCounts:
    """The counts of a repository from one time until just before *until*."""

    stars: int
    forks: int
    watchers: int
    open_issues: int
    open_pulls: int
    size_kb: int
    languages: dict[str, int]
    archived: bool
    pushed_at: int | None
    updated_at: int
    until: int

    @property
    def language(self) -> str | None:
        return next(iter(self.languages), None)


@dataclass(slots=True)
class Repository:
    """One repository; edits change its attributes, counts follow growth curves."""

    id: int
    owner: Account
    name: str
    created_at: int
    description: str | None
    homepage: str | None
    license: str | None
    topics: tuple[str, ...]
    default_branch: str
    template: bool
    fork: bool
    empty: bool
    star_curve: GrowthCurve
    fork_ratio: float
    issue_ratio: float
    work: PushSchedule
    code: CodeContents
    archived_at: int
    edited_at: int
    parent: "Repository | None" = None
    deleted: bool = False
    version: int = 0
    star_changes: list[tuple[int, int]] = field(default_factory=list)
    pushes: list[int] = field(default_factory=list)
    _counts: RepositoryCounts | None = None
    _counted_at: int = 0

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @property
    def node_id(self) -> str:
        return node_id("Repository", self.id, self.created_at)

    def counts(self, timestamp: int) -> RepositoryCounts:
        """Return the counts at *timestamp*, cached until the next time at which they may differ."""
        cached = self._counts
        if cached is None or not self._counted_at <= timestamp < cached.until:
            cached = self._counts = self.compute_counts(timestamp)
            self._counted_at = timestamp
        return cached

    def touch(self, timestamp: int) -> None:
        """Record an edit: drop everything cached about it."""
        self.edited_at = max(self.edited_at, timestamp)
        self.version += 1
        self._counts = None

    def stars_at(self, timestamp: int) -> int:
        changes = sum(change for at, change in self.star_changes if at <= timestamp)
        return max(self.star_curve.count(timestamp) + changes, 0)

    def star_fork_issue_counts(self, timestamp: int) -> tuple[int, int, int]:
        """Count stars, forks and open issues at *timestamp*."""
        tick = self.star_curve.last_change_at(timestamp)
        crowd = self.star_curve.organic_count(tick)
        wobble = 0.7 + 0.6 * hash_fraction(self.id, (tick - self.created_at) // (self.star_curve.step * 20))
        issues = 0 if self.fork else int(self.issue_ratio * crowd**0.6 * wobble)
        return self.stars_at(timestamp), int(self.fork_ratio * crowd**0.85), issues

    def compute_counts(self, timestamp: int) -> RepositoryCounts:
        """Compute the counts without the cache: for past times, which would evict the present ones."""
        tick = self.star_curve.last_change_at(timestamp)
        index, pushed = self._last_push(timestamp)
        stars, forks, issues = self.star_fork_issue_counts(timestamp)
        return RepositoryCounts(
            stars=stars,
            forks=forks,
            watchers=int(0.5 * self.star_curve.organic_count(tick) ** 0.7) + 1,
            open_issues=issues,
            open_pulls=int(issues * 0.3),
            size_kb=0 if self.empty else self.code.size_at(index, pushed - self.created_at),
            languages={} if self.empty else self.code.languages_after_push(index, pushed - self.created_at),
            archived=timestamp >= self.archived_at,
            pushed_at=None if self.empty else pushed,
            updated_at=max(tick, pushed, self.edited_at, self.archived_at if timestamp >= self.archived_at else 0),
            until=self._next_change_at(timestamp, tick),
        )

    def _last_push(self, timestamp: int) -> tuple[int, int]:
        index, pushed = self.work.push(timestamp)
        by_hand = [at for at in self.pushes if at <= timestamp]
        return index + len(by_hand), max([pushed, *by_hand])

    def _next_change_at(self, timestamp: int, tick: int) -> int:
        moments = [tick + self.star_curve.step, self.work.next(timestamp), self.archived_at, *self.pushes]
        moments += [at for at, _ in self.star_changes]
        return min((at for at in moments if at is not None and at > timestamp), default=FAR_FUTURE)


def create_repository(seed: int, index: int, owner: Account, taken: set[str]) -> Repository:
    """Create repository number *index*; its name is not in *taken* (lower case) and is added to it."""
    chance = random_generator(seed, "repository", index)
    name = _unused_name(chance, taken)
    born = owner.created_at + int((LATEST_CREATED_AT - owner.created_at) * chance.random() ** 0.8)
    number = 1_000_000 + (born - 1_290_000_000) + index
    fork = chance.random() < FORK_SHARE
    empty = not fork and chance.random() < EMPTY_SHARE
    archived_at = born + int(chance.uniform(200, 3000) * DAY) if chance.random() < ARCHIVED_SHARE else FAR_FUTURE
    stargazers = _star_curve(chance, born, owner.popularity, quiet=fork or empty)
    return Repository(
        id=number,
        owner=owner,
        name=name,
        created_at=born,
        description=_description(chance),
        homepage=chance.choice((None, "", f"https://{name.strip('.').lower()}.example")),
        license=chance.choices(list(LICENSES), LICENSE_WEIGHTS)[0] if chance.random() < 0.7 and not empty else None,
        topics=tuple(sorted(chance.sample(TOPICS, chance.choice((0, 0, 1, 2, 3, 5, 8))))),
        default_branch="main" if born > epoch("2020-10-01") else chance.choice(("master", "master", "main", "develop")),
        template=not fork and chance.random() < 0.02,
        fork=fork,
        empty=empty,
        star_curve=stargazers,
        fork_ratio=chance.uniform(0.15, 0.7),
        issue_ratio=chance.uniform(0.1, 1.5),
        work=_push_schedule(chance, number, born, archived_at),
        code=_code_contents(chance, number, stargazers.final),
        archived_at=archived_at,
        edited_at=born,
    )


def _star_curve(chance: Random, born: int, fame: float, *, quiet: bool) -> GrowthCurve:
    # Most repositories stay nearly alone, a few become famous.
    final = chance.expovariate(2) if quiet else fame * chance.lognormvariate(2.2, 2.3)
    final = min(final, 150_000.0)
    tau, shape = chance.uniform(200, 1800), chance.uniform(0.8, 2.0)
    hype = _popularity_wave(chance, final) if final > 300 and chance.random() < 0.6 else None
    spam = None
    if final > 20 and chance.random() < 0.05:
        begin = chance.uniform(100, 2500)
        spam = FakeStars(int(final * chance.uniform(0.1, 0.6)), begin, begin + chance.uniform(10, 90))
    drift = final / 2500
    busiest = drift + final / tau / 4 + (hype.size / hype.length if hype else 0)
    step = int(min(max(DAY / (busiest + 0.05), 60), 7 * DAY))
    return GrowthCurve(born, step, final, tau, shape, drift, hype, spam)


def _popularity_wave(chance: Random, final: float) -> PopularityWave:
    # The best known are talked about again and again, the others once in a year or two.
    period = chance.uniform(50, 120) if final > 1500 else chance.uniform(200, 700)
    size = chance.uniform(3000, 9000) if final > 1500 else final * chance.uniform(0.05, 0.2)
    return PopularityWave(size, period, period * chance.uniform(0.2, 0.6), chance.uniform(0, period))


def _push_schedule(chance: Random, number: int, born: int, archived_at: int) -> PushSchedule:
    every = int(DAY * min(chance.lognormvariate(2.5, 1.6), 400)) + 1800
    alive = chance.random() < 0.35
    last = FAR_FUTURE if alive else born + int(DAY * chance.lognormvariate(5.5, 1.3))
    return PushSchedule(number, born, every, min(last, archived_at))


def _code_contents(chance: Random, number: int, fame: float) -> CodeContents:
    size_kb = int(chance.lognormvariate(5.5, 2.0) * (1 + fame) ** 0.35) + 4
    if chance.random() < 0.06:  # only prose and data: Linguist counts nothing
        return CodeContents(number, size_kb)
    main = chance.choices(MAIN_LANGUAGES, MAIN_LANGUAGE_WEIGHTS)[0]
    left = int(min(size_kb, 60_000) * 1024 * chance.uniform(0.2, 0.8)) + 200
    languages = {main: left}
    for side in chance.sample(SIDE_LANGUAGES, chance.choice((0, 1, 1, 2, 3, 5, 8))):
        left = int(left * chance.uniform(0.02, 0.4))
        languages[side] = left + 20
    return CodeContents(number, size_kb, languages)


def _description(chance: Random) -> str | None:
    if chance.random() < 0.12:
        return None
    text = chance.choice(DESCRIPTION_TEMPLATES).format(adjective=chance.choice(ADJECTIVES), noun=chance.choice(NOUNS))
    return text[0].upper() + text[1:]


def _unused_name(chance: Random, taken: set[str]) -> str:
    while True:
        name = _random_name(chance)
        if name.lower() not in taken:
            taken.add(name.lower())
            return name


def _random_name(chance: Random) -> str:
    if chance.random() < 0.12:
        return chance.choice(COMMON_REPOSITORY_NAMES)
    adjective, noun, other = chance.choice(ADJECTIVES), chance.choice(NOUNS), chance.choice(NOUNS)
    forms = (
        f"{adjective}-{noun}",
        f"{noun}-{other}",
        f"{noun}{other}",
        f"{noun.capitalize()}{other.capitalize()}",
        f"{noun}.{chance.choice(('js', 'py', 'rs', 'nvim'))}",
        f"{adjective}_{noun}_{chance.randrange(2, 99)}",
        f"{noun}-{other}-{chance.randrange(2, 999)}",
    )
    return chance.choice(forms)
