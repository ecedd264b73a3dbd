"""Up to ten accounts or repositories side by side: which they are, their numbers over time, and their differences."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pandas as pd
from pandas import DataFrame, Series

from core.analysis import comparison
from core.analysis.difference import with_differences
from core.db.frames import derived
from core.queries import accounts, changes, peers, repository_detail, repository_facts, sql_display, star_history
from core.queries.attributes import owned_repository_ids
from core.wording import DAYS_PER_YEAR, SECONDS_PER_DAY

Kind = Literal["account", "repository"]
Measure = Literal["stars", "forks", "followers"]
Align = Literal["date", "age"]
MEASURES: dict[Kind, tuple[Measure, ...]] = {
    "account": ("stars", "forks", "followers"),
    "repository": ("stars", "forks"),
}
COMPARED_COLUMNS = ("stars", "forks", "followers", "repositories")
LATEST_TYPES = {
    **dict.fromkeys(("id", "stars", "forks", "gained", "gained_days", "followers", "repositories"), "Int64"),
    **dict.fromkeys(("name", "source"), "string"),
    **dict.fromkeys(("created_at", "checked_at"), "datetime64[us, UTC]"),
}


@dataclass(frozen=True)
class Subject:
    """An account or repository that is compared.

    id            our own, for other queries only
    asked         the name that was asked for; another one than the next two if it is a former name
    name          login or `owner/name`, as it was then
    current_name  as it is now
    """

    id: int
    kind: Kind
    asked: str
    name: str
    current_name: str
    created_at: datetime | None


@dataclass(frozen=True)
class Choice:
    """The subjects of the names in a request: all *subjects* are of one kind, that of the first.

    unknown      names of which nothing is stored
    other_kind   names of the other kind
    not_created  names of what did not exist then
    """

    subjects: tuple[Subject, ...] = ()
    unknown: tuple[str, ...] = ()
    other_kind: tuple[str, ...] = ()
    not_created: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.subjects[0].kind if self.subjects else "account"


@dataclass(frozen=True)
class Latest:
    """The latest numbers of one subject; see `differences`."""

    id: int
    name: str
    created_at: datetime | None
    stars: int | None = None
    forks: int | None = None
    gained: int | None = None
    gained_days: int | None = None
    followers: int | None = None
    repositories: int | None = None
    checked_at: datetime | None = None
    source: str | None = None


def choose(names: Sequence[str], as_of: datetime | None) -> Choice:
    """Find what *names* lead to, each subject once, in their order; a former name counts like the present one."""
    subjects: dict[int, Subject] = {}
    unknown, other_kind, not_created = [], [], []
    kind: Kind | None = None
    for name in names:
        found = find(name, as_of)
        if found is None:
            unknown.append(name)
        elif as_of is not None and found.created_at is not None and found.created_at > as_of:
            not_created.append(found.name)
        elif kind not in {None, found.kind}:
            other_kind.append(found.name)
        else:
            kind = found.kind
            subjects.setdefault(found.id, found)
    return Choice(tuple(subjects.values()), tuple(unknown), tuple(other_kind), tuple(not_created))


def find(name: str, as_of: datetime | None) -> Subject | None:
    """Find the account of a login, or the repository of `owner/name`; None where nothing is stored."""
    owner, _, short_name = name.partition("/")
    if short_name:
        found = repository_detail.find(owner, short_name, as_of)
        if found is None:
            return None
        names = (name, found.full_name, found.current_full_name)
        return Subject(found.repository_id, "repository", *names, found.created_at)
    account = accounts.find(owner, as_of)
    if account is None:
        return None
    return Subject(account.account_id, "account", name, account.login, account.current_login, account.created_at)


def series(subjects: Sequence[Subject], measure: Measure, as_of: datetime | None) -> DataFrame:
    """Return *measure* of each subject over time: the last number of each day with a change, oldest first.

    name                login or `owner/name`
    at                  timestamp, when it was captured
    age_years           float, age of the subject then; null where its creation is unknown, and before it
    value               int
    source_id, source   1 and GitHub for this installation; stars by day of giving before it; others are imports
    """
    read = {"account": accounts.history, "repository": star_history.star_series}
    frames, parts = [], []
    for one in subjects:
        found = [read[one.kind](one.id, as_of)]
        if one.kind == "repository" and measure == "stars":
            given = star_history.stars_before_captures(one.id, as_of)
            found += [] if given.empty else [given]
        frames += found
        parts.append(_last_of_each_day(pd.concat(found, ignore_index=True), one, measure))
    combined = pd.concat(parts, ignore_index=True)
    combined.attrs = _combined_attrs(frames)
    return combined


def events(subjects: Sequence[Subject], as_of: datetime | None) -> DataFrame:
    """Return releases and changes of the subjects, for marks on charts: see `repository_facts.events`."""
    releases, entries = [], []
    for one in subjects:
        if one.kind == "repository":
            releases.append(repository_facts.releases_of([one.id], as_of))
            entries.append(changes.list_changes(as_of, repository_id=one.id, limit=changes.MAX_OF_ONE))
        else:
            releases.append(repository_facts.releases_of(owned_repository_ids(one.id, as_of), as_of))
            login = one.current_name
            entries.append(changes.list_changes(as_of, login=login, limit=changes.MAX_OF_ONE))
    return pd.concat(
        [repository_facts.events(*parts, named=True) for parts in zip(releases, entries, strict=True)]
    ).sort_values("at", ignore_index=True)


def coverage_intervals(subjects: Sequence[Subject], as_of: datetime | None) -> dict[str, DataFrame]:
    """Return when each subject was captured, by its name: `coverage_intervals` of `accounts` or `star_history`."""
    return {
        one.name: accounts.coverage_intervals(one.id, as_of) if one.kind == "account" else _intervals(one.id, as_of)
        for one in subjects
    }


def _intervals(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return when a repository was captured, and before that the time whose stars are known by day of giving."""
    captured = star_history.coverage_intervals(repository_id, as_of)
    given = star_history.stars_before_captures(repository_id, as_of)
    if given.empty:
        return captured
    first, last = given["captured_at"].iloc[0], given["captured_at"].iloc[-1]
    known = {"source_id": star_history.BY_DAY_SOURCE_ID, "source": star_history.BY_DAY_SOURCE, "from_at": [first]}
    return pd.concat([DataFrame({**known, "to_at": [last], "overdue_at": [last], "captures": [1]}), captured])


@dataclass(frozen=True)
class Indexed:
    """A frame of `series` with the column `indexed`, in percent of the numbers that `comparison.index_bases` finds.

    base_at         when or at which age, in years, all are 100; both None where each one starts at 100
    base_age_years
    """

    rows: DataFrame
    base_at: datetime | None
    base_age_years: float | None


def with_index(frame: DataFrame, intervals: dict[str, DataFrame], subjects: Sequence[Subject], align: Align) -> Indexed:
    """Index the values of `series` to the first common date, or the first common age."""
    born = {one.name: one.created_at for one in subjects}
    names = [one.name for one in subjects if align == "date" or one.created_at is not None]
    compared = [
        _step_series(frame[frame["name"] == name], intervals[name], born[name] if align == "age" else None)
        for name in names
    ]
    found = comparison.index_bases(compared)
    bases = dict(zip(names, found.values, strict=True))
    base = frame["name"].map(bases.get).astype("Float64")
    rows = derived(frame.assign(indexed=frame["value"].astype("Float64") / base * 100), frame)
    if found.position is None:
        return Indexed(rows, None, None)
    if align == "date":
        return Indexed(rows, datetime.fromtimestamp(found.position, UTC), None)
    return Indexed(rows, None, found.position / SECONDS_PER_DAY / DAYS_PER_YEAR)


def differences(subjects: Sequence[Subject], as_of: datetime | None) -> DataFrame:
    """Set the subjects' latest numbers side by side, in their order; what is unknown is null.

    name                          login or `owner/name`
    stars, forks                  int
    difference, difference_share  stars minus those of the first subject, and that as a share of the first one's
    gained, gained_days           stars gained in the days up to the last capture: 28 of accounts, 30 of repositories
    followers, repositories       int, of accounts
    created_at, age_years         age at the last capture
    checked_at, source            the last capture, and the source of these numbers
    language, age_class, unranked, peers, rank   see `core.queries.peers.repository_ranks`
    """
    kind = subjects[0].kind
    ids = [one.id for one in subjects]
    latest = {"account": _latest_of_account, "repository": _latest_of_repository}[kind]
    rows = DataFrame([asdict(latest(one, as_of)) for one in subjects]).astype(LATEST_TYPES)
    first = rows["stars"].iloc[0]
    rows["difference"] = rows["stars"] - first
    rows["difference_share"] = rows["difference"].astype("Float64") / (first or pd.NA if pd.notna(first) else pd.NA)
    days = (rows["checked_at"] - rows["created_at"]).dt.total_seconds() / SECONDS_PER_DAY
    rows["age_years"] = (days / DAYS_PER_YEAR).astype("Float64").where(days >= 0)
    ranked = (peers.account_ranks if kind == "account" else peers.repository_ranks)(ids, as_of)
    joined = rows.merge(ranked, on="id", how="left")
    joined["peers"] = joined["peers"].fillna(0)
    return derived(joined.drop(columns="id"), ranked)


def compared_differences(subjects: Sequence[Subject], as_of: datetime | None, vs: datetime) -> DataFrame:
    """Return `differences` in the same order beside the numbers at *vs*.

    stars_vs, stars_difference, stars_percent, the same of forks, followers, repositories   see `with_differences`
    """
    now, then = differences(subjects, as_of), differences(subjects, vs)
    return with_differences(now, then, "name", COMPARED_COLUMNS, changed_first=False)


def _latest_of_account(subject: Subject, as_of: datetime | None) -> Latest:
    totals, capture = accounts.totals(subject.id, as_of), accounts.latest_capture(subject.id, as_of)
    if totals is None:
        return Latest(subject.id, subject.name, subject.created_at)
    known = totals.stars is not None and totals.stars_before is not None
    return Latest(
        subject.id,
        subject.name,
        subject.created_at,
        stars=totals.stars,
        forks=totals.forks,
        gained=(totals.stars or 0) - (totals.stars_before or 0) if known else None,
        gained_days=accounts.FOUR_WEEKS.days,
        followers=totals.followers,
        repositories=totals.repositories,
        checked_at=capture.captured_at if capture else totals.captured_at,
        source=totals.source,
    )


def _latest_of_repository(subject: Subject, as_of: datetime | None) -> Latest:
    detail = repository_detail.detail(subject.id, as_of)
    if detail is None:
        return Latest(subject.id, subject.name, subject.created_at)
    return Latest(
        subject.id,
        subject.name,
        subject.created_at,
        stars=detail.stars,
        forks=detail.forks,
        gained=detail.stars_30d,
        gained_days=30,
        checked_at=detail.checked_at,
        source=detail.source,
    )


def _last_of_each_day(frame: DataFrame, subject: Subject, measure: Measure) -> DataFrame:
    known = frame.dropna(subset=[measure])
    last = known.groupby([known["source_id"], known["captured_at"].dt.floor("D")], sort=False).tail(1)
    days = Series(pd.NA, index=last.index, dtype="Float64")
    if subject.created_at is not None:
        passed = last["captured_at"] - pd.Timestamp(subject.created_at)
        days = (passed.dt.total_seconds() / SECONDS_PER_DAY).astype("Float64")
    rows = DataFrame(
        {
            "name": pd.array([subject.name] * len(last), dtype="string"),
            "at": last["captured_at"].array,
            "age_years": (days / DAYS_PER_YEAR).where(days >= 0).array,
            "value": last[measure].astype("Int64").array,
            "source_id": last["source_id"].array,
            "source": last["source"].array,
        }
    )
    return rows.sort_values(["at", "source_id"], ignore_index=True)


def _step_series(rows: DataFrame, intervals: DataFrame, born: datetime | None) -> comparison.StepSeries:
    """Return a subject's values by date, or by age where *born* is given, both in seconds."""
    start = born.timestamp() if born else 0.0
    return comparison.StepSeries(
        [at.timestamp() - start for at in rows["at"]],
        [float(value) for value in rows["value"]],
        [
            (from_at.timestamp() - start, overdue_at.timestamp() - start)
            for from_at, overdue_at in zip(intervals["from_at"], intervals["overdue_at"], strict=True)
        ],
    )


def _combined_attrs(frames: Sequence[DataFrame]) -> dict[Any, Any]:
    """Return the SQL of all *frames* as one script, each with its own values."""
    values: dict[str, object] = {}
    scripts = []
    for number, frame in enumerate(frames, 1):
        values |= {f"{name}_{number}": value for name, value in frame.attrs["values"].items()}
        scripts.append(sql_display.PARAMETER.sub(rf":\1_{number}", frame.attrs["sql"]))
    return {"sql": ";\n\n".join(scripts), "values": values}
