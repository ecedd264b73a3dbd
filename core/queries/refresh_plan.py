"""How the timetable spreads GitHub's budget over what is tracked, as the planner wrote it down."""

from pandas import DataFrame

from core.db.frames import read_frame


def list_plans(limit: int = 30) -> DataFrame:
    """List the plans: one row each, newest first; the first one holds. Empty before the scheduler made any.

    planned_at          moment
    told                text, the plan in a sentence
    accounts            int, tracked and not paused; pinned of them have a cadence of their own, unknown were seen too
                        seldom to be planned and keep the default
    unit                points or requests, what a look costs
    budget_per_hour     float, what GitHub grants
    usable_per_hour     float, what the timetable may plan for
    default_cadence_per_hour    float, what looking at all of them in the wished cadence would cost
    planned_per_hour    float, what the plan costs
    every_hours         float, the wished cadence; shortest_hours, median_hours, longest_hours: the planned ones
    stretch             float, how many times rarer than wished looks are on average; 1 unless the budget is short
    """
    sql = """
        SELECT planned_at, told, accounts, pinned, unknown, unit, budget_per_hour, usable_per_hour, default_cadence_per_hour,
               planned_per_hour, (extract(epoch FROM every) / 3600)::float AS every_hours,
               (extract(epoch FROM floor) / 3600)::float AS shortest_hours,
               (extract(epoch FROM median_cadence) / 3600)::float AS median_hours,
               (extract(epoch FROM ceiling) / 3600)::float AS longest_hours, stretch
          FROM refresh_plan
         ORDER BY id DESC LIMIT :limit
    """
    return read_frame(sql, fresh=True, limit=limit)
