"""How much staler stars are held with one interval for all, on real history, for the same number of looks."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ingest.planning import change_rate
from ingest.planning.allocation import Accounts, Bounds, allocate
from ingest.planning.change_rate import Pace
from tests.bench.figures import Figure, out

FOLDER = Path("../shared/data/history")
FILE = "daily_recent.parquet"
LEARN_DAYS = 60
PRESENT = 0.9
# In a hole of the file nobody could have looked: after it all hold what is true, and the clock goes on by a day.
HOLE_DAYS = 3
# The file tells one value a day: nothing is looked at more often. Without a ceiling the comparison with the square
# root of the rate is fair; the other bounds are the product's.
FREE, BOUND = Bounds(1.0, 3650.0), Bounds(1.0, 7.0)


@dataclass(frozen=True)
class History:
    """Stars by day and repository; `days` counts from the first. `fresh`: days after a hole, when nobody is late."""

    days: np.ndarray
    stars: np.ndarray
    fresh: np.ndarray


@dataclass(frozen=True)
class Errors:
    """Of the stars held, over all repositories and days: at the end of each day, and all day long."""

    stars: float
    stars_all_day: float
    relative: float
    looks: int
    by_day: np.ndarray


def run() -> list[Figure]:
    folder = Path(os.environ.get("HISTORY_DIR") or FOLDER)
    if not (folder / FILE).exists():
        out.print(f"skipped: no history at {folder / FILE}; HISTORY_DIR names its folder")
        return []
    history = read(folder / FILE)
    shown = f"{history.stars.shape[1]:,} repositories, {len(history.days) - LEARN_DAYS} days after {LEARN_DAYS} learned"
    out.print(f"{shown}; each figure: the error of one interval for all / the error as planned")
    return [
        figure for every, targets in ((7, (2.3, 1.3)), (3, (3.7, 1.3))) for figure in compared(history, every, *targets)
    ]


def compared(history: History, every: int, target: float, target_relative: float) -> Iterator[Figure]:
    evenly = uniform(history, every)
    planned = adaptive(history, every, FREE)
    root = fixed_by_root(history, every)
    relative = adaptive(history, every, FREE, relative=True)
    name = f"a look in {every} days on average"
    for one in (planned, relative):
        assert one.looks <= evenly.looks, "more looks than the budget"
    draw(f"cadence-{every}-days", evenly, planned, root)
    yield Figure(f"{name}: stars", evenly.stars / planned.stars, "×", target=f"more than {target}")
    yield Figure("  by the square root of the learned rate, never updated", evenly.stars / root.stars, "×")
    yield Figure("  all day long", evenly.stars_all_day / planned.stars_all_day, "×")
    yield Figure(
        "  relative error, weighted for it",
        evenly.relative / relative.relative,
        "×",
        target=f"more than {target_relative}",
    )
    if every < BOUND.ceiling:
        bound = adaptive(history, every, BOUND, important=True)
        yield Figure(
            "  as the product does it: important first, none later than 7 days", evenly.stars / bound.stars, "×"
        )


def read(file: Path) -> History:
    """Repositories that were there on nine days of ten; the days between are filled in a straight line."""
    rows = pd.read_parquet(file, columns=["captured_on", "full_name", "stars"])
    wide = rows.pivot_table(index="captured_on", columns="full_name", values="stars", observed=True)
    wide = wide.loc[:, wide.notna().mean() >= PRESENT].interpolate().bfill().ffill()
    moments = pd.to_datetime(wide.index)
    passed = np.diff((moments - moments[0]).days.to_numpy(float), prepend=0)
    fresh = passed > HOLE_DAYS
    return History(np.cumsum(np.where(fresh, 1, passed)), wide.to_numpy(float), fresh)


def uniform(history: History, every: int) -> Errors:
    """Each repository in its turn, as many each day."""
    stars = history.stars[LEARN_DAYS:]
    turn = np.random.default_rng(1).permutation(stars.shape[1]) % every
    return _judge(history, ((turn + day) % every == 0 for day in range(1, len(stars))))


def fixed_by_root(history: History, every: int) -> Errors:
    """Intervals by the inverse square root of the rate in the days learned from, kept for good."""
    stars, count = history.stars[LEARN_DAYS:], history.stars.shape[1]
    seen = history.stars[:LEARN_DAYS]
    rate = np.abs(seen[-1] - seen[0]) / history.days[LEARN_DAYS - 1] + 0.02
    nothing = np.full(count, np.nan)
    intervals = allocate(Accounts(rate, np.ones(count), np.ones(count), nothing), count / every, FREE).every
    due = np.random.default_rng(1).random(count) * intervals

    def looks() -> Iterator[np.ndarray]:
        for day in range(1, len(stars)):
            now = due <= day
            due[now] += intervals[now]
            yield now

    return _judge(history, looks())


def adaptive(
    history: History, every: int, bounds: Bounds, *, relative: bool = False, important: bool = False
) -> Errors:
    """As the product does it: a price each day, an interval at each look, rates learned from the looks alone."""
    days, stars = history.days[LEARN_DAYS:], history.stars[LEARN_DAYS:]
    count = stars.shape[1]
    paces = learned(history)
    weight = 1 / stars[0] if relative else np.ones(count)
    if important:
        weight = np.array([change_rate.importance(0, int(one)) for one in stars[0]])
    held, last = stars[0].copy(), np.full(count, days[0])
    nothing, one_each = np.full(count, np.nan), np.ones(count)

    def looks() -> Iterator[np.ndarray]:
        credit, due = 0.0, None
        for day in range(1, len(stars)):
            rates = np.array([one.per_day for one in paces])
            made = allocate(Accounts(rates, weight, one_each, nothing), count / every, bounds)
            if due is None:
                due = days[0] + np.random.default_rng(1).random(count) * made.every
            credit += count / every
            if history.fresh[LEARN_DAYS + day]:
                held[:], last[:] = stars[day], days[day] - 1
            late = np.flatnonzero(due <= days[day])
            chosen = late[np.argsort(due[late], kind="stable")][: int(credit)]
            credit = min(credit - len(chosen), count / every)
            for index in chosen:
                paces[index] = paces[index].seen(days[day] - last[index], abs(stars[day, index] - held[index]))
                mine = paces[index].per_day, weight[index], 1.0, made.price
                # From the moment it was due: days are coarse, the timetable's minutes are not.
                due[index] = max(due[index], days[day] - 1) + change_rate.interval(
                    *mine, made.bounds.floor, made.bounds.ceiling
                )
            held[chosen], last[chosen] = stars[day, chosen], days[day]
            now = np.zeros(count, dtype=bool)
            now[chosen] = True
            yield now

    return _judge(history, looks())


def learned(history: History) -> list[Pace]:
    """What a look a day tells in the days before the judgement."""
    days, stars = history.days[:LEARN_DAYS], history.stars[:LEARN_DAYS]
    paces = [change_rate.usual(int(one)) for one in stars[0]]
    for day in range(1, len(days)):
        moved = np.abs(stars[day] - stars[day - 1])
        paces = [one.seen(days[day] - days[day - 1], by) for one, by in zip(paces, moved, strict=True)]
    return paces


def _judge(history: History, looks: Iterator[np.ndarray]) -> Errors:
    stars, fresh = history.stars[LEARN_DAYS:], history.fresh[LEARN_DAYS:]
    held = stars[0].copy()
    at_night, before, relative, count = [], [], [], 0
    for day, now in zip(range(1, len(stars)), looks, strict=True):
        if fresh[day]:
            held = stars[day].copy()
        before.append(np.abs(stars[day] - held).mean())
        held[now] = stars[day, now]
        count += int(now.sum())
        error = np.abs(stars[day] - held)
        at_night.append(error.mean())
        relative.append((error / stars[day]).mean())
    # Between two days the error grows in a straight line, from what it was at night to what a look would end.
    all_day = (np.mean(at_night) + np.mean(before)) / 2
    return Errors(float(np.mean(at_night)), float(all_day), float(np.mean(relative)), count, np.array(at_night))


def draw(name: str, evenly: Errors, planned: Errors, root: Errors) -> None:
    """Write a picture of the three errors, day by day in thirty-day means, beside other temporary files."""
    width, height, margin = 720, 320, 40
    window = np.ones(30) / 30
    lines = [np.convolve(one.by_day, window, "valid") for one in (evenly, root, planned)]
    top = max(line.max() for line in lines)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">']
    told = ("one interval for all", "root of the rate, never updated", "as planned")
    for number, (line, colour, label) in enumerate(zip(lines, ("#8c959f", "#bf8700", "#0969da"), told, strict=True)):
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
    out.print(f"drawn: {file}")
