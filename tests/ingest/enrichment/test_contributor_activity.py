"""Who is new, returning, active or inactive, by what GitHub listed at different times."""

from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from core.queries import repository_facts
from ingest.enrichment import contributors
from ingest.github.api.fact_types import Contributor
from tests import seed_data
from tests.seed_data import utc


def test_contributors_differ_by_when_their_commits_grew(database):
    """Listed on 1 January, 1 March, 1 September and 1 October; the last 90 days begin on 3 July."""
    cat = seed_data.add_repository(database, "octo/cat", {"2026-01-01": 10}, github_id=7)
    listed = {
        "2026-01-01": {"steady": 10, "back": 5, "gone": 7},
        "2026-03-01": {"steady": 11, "back": 5, "gone": 8},
        "2026-09-01": {"steady": 12, "back": 6, "gone": 8, "fresh": 1},
        "2026-10-01": {"steady": 13, "back": 6, "gone": 8, "fresh": 1},
    }
    ids = {"steady": 1, "back": 2, "gone": 3, "fresh": 4}
    seen = {}
    for day, commits in listed.items():
        found = [Contributor(ids[login], login, "User", count) for login, count in commits.items()]
        contributors.store(database, cat, found, utc(day), is_complete=True)
        if day == "2026-01-01":
            values = {"kind": "contributors", "due_at": utc("2027-01-01"), "state": "stored", "captured_at": utc(day)}
            database.execute(insert(schema.enrichment).values(repository_id=cat, **values))
        database.execute(schema.enrichment.update().values(captured_at=utc(day)))
        publish_data_version(database)
        rows = repository_facts.contributors(cat, None)
        activity = rows["activity"].astype(object).where(rows["activity"].notna(), None)
        seen[day] = dict(zip(rows["login"], activity, strict=True))
    assert seen["2026-01-01"] == {"steady": None, "back": None, "gone": None}
    assert seen["2026-03-01"] == {"steady": "active", "back": None, "gone": "active"}
    # steady: the growth of March is 184 days ago, so that of September is a return, too.
    assert seen["2026-09-01"] == {"steady": "returning", "back": "returning", "gone": "inactive", "fresh": "new"}
    assert seen["2026-10-01"] == {"steady": "returning", "back": "returning", "gone": "inactive", "fresh": "new"}
