"""Compare staleness of stars with equal and planned intervals on real history, for as many refreshes."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ingest.planning import change_rate
from ingest.planning.allocation import AccountArrays, IntervalBounds, allocate
from ingest.planning.change_rate import ChangeRate
from tests.bench.measurement import Measurement, console

FOLDER = Path("../shared/data/history")
FILE = "daily_recent.parquet"
TRAINING_DAYS = 60
MIN_PRESENCE = 0.9
# In a hole of the file nothing could be refreshed: after it all hold what is true, and the clock goes on by a day.
MAX_GAP_DAYS = 3
# The file tells one value a day: nothing is refreshed more often. Without a ceiling the comparison with the square
# root of the rate is fair; the other bounds are the product's.
UNBOUNDED, PRODUCT_BOUNDS = IntervalBounds(1.0, 3650.0), IntervalBounds(1.0, 7.0)


@dataclass(frozen=True)
class History:
    """Stars by day and repository; `days` counts from the first. `fresh`: days after a hole, when nobody is late."""

    days: np.ndarray
    stars: np.ndarray
    fresh: np.ndarray


@dataclass(frozen=True)
class StarErrors:
    """Errors of stored stars over all repositories and days: at the end of each day, and all day long."""

    stars: float
    all_day: float
    relative: float
    refreshes: int
    by_day: np.ndarray


def run() -> list[Measurement]:
    folder = Path(os.environ.get("HISTORY_DIR") or FOLDER)
    if not (folder / FILE).exists():
        console.print(f"skipped: no history at {folder / FILE}; HISTORY_DIR names its folder")
        return []
    history = read_history(folder / FILE)
    days = len(history.days) - TRAINING_DAYS
    shown = f"{history.stars.shape[1]:,} repositories, {days} days after {TRAINING_DAYS} learned"
    console.print(f"{shown}; each figure: the error of one interval for all / the error as planned")
    return [
        figure
        for every, targets in ((7, (2.3, 1.3)), (3, (3.7, 1.3)))
        for figure in compare_strategies(history, every, *targets)
    ]


def compare_strategies(history: History, every: int, target: float, target_relative: float) -> Iterator[Measurement]:
    evenly = uniform(history, every)
    planned = adaptive(history, every, UNBOUNDED)
    root = square_root_rate(history, every)
    relative = adaptive(history, every, UNBOUNDED, relative=True)
    name = f"a look in {every} days on average"
    for one in (planned, relative):
        assert one.refreshes <= evenly.refreshes, "more refreshes than the budget"
    draw_chart(f"cadence-{every}-days", evenly, planned, root)
    yield Measurement(f"{name}: stars", evenly.stars / planned.stars, "×", target=f"more than {target}")
    yield Measurement("  by the square root of the learned rate, never updated", evenly.stars / root.stars, "×")
    yield Measurement("  all day long", evenly.all_day / planned.all_day, "×")
    yield Measurement(
        "  relative error, weighted for it",
        evenly.relative / relative.relative,
        "×",
        target=f"more than {target_relative}",
    )
    if every < PRODUCT_BOUNDS.ceiling:
        bound = adaptive(history, every, PRODUCT_BOUNDS, important=True)
        yield Measurement(
            "  as the product does it: important first, none later than 7 days", evenly.stars / bound.stars, "×"
        )


def read_history(file: Path) -> History:
    """Repositories that were there on nine days of ten; the days between are filled in a straight line."""
    rows = pd.read_parquet(file, columns=["captured_on", "full_name", "stars"])
    wide = rows.pivot_table(index="captured_on", columns="full_name", values="stars", observed=True)
    wide = wide.loc[:, wide.notna().mean() >= MIN_PRESENCE].interpolate().bfill().ffill()
    moments = pd.to_datetime(wide.index)
    passed = np.diff((moments - moments[0]).days.to_numpy(float), prepend=0)
    fresh = passed > MAX_GAP_DAYS
    return History(np.cumsum(np.where(fresh, 1, passed)), wide.to_numpy(float), fresh)


def uniform(history: History, every: int) -> StarErrors:
    """Each repository in its turn, as many each day."""
    stars = history.stars[TRAINING_DAYS:]
    turn = np.random.default_rng(1).permutation(stars.shape[1]) % every
    return _measure_errors(history, ((turn + day) % every == 0 for day in range(1, len(stars))))


def square_root_rate(history: History, every: int) -> StarErrors:
    """Intervals by the inverse square root of the rate in the days learned from, kept for good."""
    stars, count = history.stars[TRAINING_DAYS:], history.stars.shape[1]
    seen = history.stars[:TRAINING_DAYS]
    rate = np.abs(seen[-1] - seen[0]) / history.days[TRAINING_DAYS - 1] + 0.02
    nothing = np.full(count, np.nan)
    intervals = allocate(
        AccountArrays(rate, np.ones(count), np.ones(count), nothing), count / every, UNBOUNDED
    ).intervals
    due = np.random.default_rng(1).random(count) * intervals

    def refreshes() -> Iterator[np.ndarray]:
        for day in range(1, len(stars)):
            now = due <= day
            due[now] += intervals[now]
            yield now

    return _measure_errors(history, refreshes())


def adaptive(
    history: History, every: int, bounds: IntervalBounds, *, relative: bool = False, important: bool = False
) -> StarErrors:
    """Plan as the product does: a price each day, an interval and a rate at each refresh."""
    days, stars = history.days[TRAINING_DAYS:], history.stars[TRAINING_DAYS:]
    count = stars.shape[1]
    paces = initial_change_rates(history)
    weight = 1 / stars[0] if relative else np.ones(count)
    if important:
        weight = np.array([change_rate.importance(0, int(one)) for one in stars[0]])
    stored, last = stars[0].copy(), np.full(count, days[0])
    nothing, one_each = np.full(count, np.nan), np.ones(count)

    def refreshes() -> Iterator[np.ndarray]:
        credit, due = 0.0, None
        for day in range(1, len(stars)):
            rates = np.array([one.changes_per_day for one in paces])
            made = allocate(AccountArrays(rates, weight, one_each, nothing), count / every, bounds)
            if due is None:
                due = days[0] + np.random.default_rng(1).random(count) * made.intervals
            credit += count / every
            if history.fresh[TRAINING_DAYS + day]:
                stored[:], last[:] = stars[day], days[day] - 1
            late = np.flatnonzero(due <= days[day])
            chosen = late[np.argsort(due[late], kind="stable")][: int(credit)]
            credit = min(credit - len(chosen), count / every)
            for index in chosen:
                paces[index] = paces[index].updated(days[day] - last[index], abs(stars[day, index] - stored[index]))
                mine = paces[index].changes_per_day, weight[index], 1.0, made.shadow_price
                # From the moment it was due: days are coarse, the timetable's minutes are not.
                due[index] = max(due[index], days[day] - 1) + change_rate.optimal_interval(
                    *mine, made.bounds.floor, made.bounds.ceiling
                )
            stored[chosen], last[chosen] = stars[day, chosen], days[day]
            now = np.zeros(count, dtype=bool)
            now[chosen] = True
            yield now

    return _measure_errors(history, refreshes())


def initial_change_rates(history: History) -> list[ChangeRate]:
    """Estimate rates from daily refreshes in the days before the comparison."""
    days, stars = history.days[:TRAINING_DAYS], history.stars[:TRAINING_DAYS]
    paces = [change_rate.default_change_rate(int(one)) for one in stars[0]]
    for day in range(1, len(days)):
        moved = np.abs(stars[day] - stars[day - 1])
        paces = [one.updated(days[day] - days[day - 1], by) for one, by in zip(paces, moved, strict=True)]
    return paces


def _measure_errors(history: History, refreshes: Iterator[np.ndarray]) -> StarErrors:
    stars, fresh = history.stars[TRAINING_DAYS:], history.fresh[TRAINING_DAYS:]
    stored = stars[0].copy()
    at_night, before, relative, count = [], [], [], 0
    for day, now in zip(range(1, len(stars)), refreshes, strict=True):
        if fresh[day]:
            stored = stars[day].copy()
        before.append(np.abs(stars[day] - stored).mean())
        stored[now] = stars[day, now]
        count += int(now.sum())
        error = np.abs(stars[day] - stored)
        at_night.append(error.mean())
        relative.append((error / stars[day]).mean())
    # Between two days the error grows in a straight line, from what it was at night to what a look would end.
    all_day = (np.mean(at_night) + np.mean(before)) / 2
    return StarErrors(float(np.mean(at_night)), float(all_day), float(np.mean(relative)), count, np.array(at_night))


def draw_chart(name: str, evenly: StarErrors, planned: StarErrors, root: StarErrors) -> None:
    """Write a picture of the three errors, day by day in thirty-day means, beside other temporary files."""
    width, height, margin = 720, 320, 40
    window = np.ones(30) / 30
    lines = [np.convolve(one.by_day, window, "valid") for one in (evenly, root, planned)]
    top = max(line.max() for line in lines)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">']
    labels = ("one interval for all", "root of the rate, never updated", "as planned")
    for number, (line, colour, label) in enumerate(zip(lines, ("#8c959f", "#bf8700", "#0969da"), labels, strict=True)):
        x = np.linspace(margin, width - margin, len(line))
        y = height - margin - line / top * (height - 2 * margin)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{margin}" y="{16 + 16 * number}" fill="{colour}" font-size="13">{label}</text>')
    parts.append(
        f'<text x="{margin}" y="{height - 12}" font-size="12">stars missed on average, at most {top:.1f}</text>'
    )
    file = Path(tempfile.gettempdir()) / f"almanac-{name}.svg"
    file.write_text("\n".join([*parts, "</svg>"]), encoding="utf-8")
    console.print(f"drawn: {file}")
