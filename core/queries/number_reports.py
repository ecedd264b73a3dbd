"""Reports of doubtful numbers, for admins; not cached."""

from pandas import DataFrame

from core.db.frames import read_frame


def reports(*, is_open: bool, limit: int) -> DataFrame:
    """List reports that are open, or closed ones, newest first.

    id, url, question, note, query, comment   see `core.number_reports`; query null without one
    bound, rows                               JSON text
    row_count, data_version                   int
    reported_at, username                     when, by whom
    closed_at, closed_by                      null while it is open
    """
    sql = """
        SELECT report.id, url, question, note, query, bound::text AS bound, rows::text AS rows, row_count, data_version,
               comment, reported_at, username, closed_at, closed_by
          FROM report
          JOIN person ON person.id = report.person_id
         WHERE (closed_at IS NULL) = :is_open
         ORDER BY coalesce(closed_at, reported_at) DESC, report.id DESC
         LIMIT :limit
    """
    return read_frame(sql, fresh=True, is_open=is_open, limit=limit)
