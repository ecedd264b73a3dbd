"""Changes over the API: filters, and the same entries as an Atom feed."""

from xml.etree import ElementTree

import pytest

from core.export.atom import NAMESPACE
from core.web.api import conditional
from tests import seed_data

URL = "/api/v1/changes"


@pytest.fixture
def stored(database):
    cat = seed_data.add_repository(database, "octo/cat", {"2026-03-01": 5}, github_id=8)
    dog = seed_data.add_repository(database, "octo/dog", {"2026-03-01": 5}, github_id=9)
    seed_data.add_change(database, cat, "archived", "2026-03-01")
    seed_data.add_change(database, dog, "relicensed", "2026-03-20", before="MIT", after="<b>&\x01")


def names(client, **params):
    return [row["repository"] for row in client.get(URL, params=params).json()["data"]]


def titles(response):
    feed = ElementTree.fromstring(response.content)
    return [entry.findtext(f"{{{NAMESPACE}}}title") for entry in feed.iter(f"{{{NAMESPACE}}}entry")]


def test_a_repository_and_a_number_of_days_filter(analyst, stored):
    assert names(analyst) == ["octo/dog", "octo/cat"]
    assert names(analyst, repository="octo/cat") == ["octo/cat"]
    assert names(analyst, repository="octo/none") == []
    assert names(analyst, days=10, as_of="2026-03-25") == ["octo/dog"]
    assert analyst.get(URL, params={"repository": "octo"}).status_code == 422


def test_the_feed_has_the_same_entries_and_filters(analyst, stored):
    feed = analyst.get(f"{URL}.atom")
    assert feed.headers["content-type"].startswith("application/atom+xml")
    assert titles(feed) == ["octo/dog changed its licence", "octo/cat archived"]
    assert titles(analyst.get(f"{URL}.atom", params={"kind": "archived"})) == ["octo/cat archived"]
    assert titles(analyst.get(f"{URL}.atom", params={"limit": 1})) == ["octo/dog changed its licence"]


def test_the_feed_is_unchanged_until_new_data_and_never_contains_the_token(analyst, stored):
    params = {"token": "almfeed_secret"}
    feed = analyst.get(f"{URL}.atom", params=params)
    assert b"almfeed_secret" not in feed.content
    again = analyst.get(
        f"{URL}.atom", params={"token": "almfeed_secret"}, headers={"if-none-match": feed.headers["etag"]}
    )
    assert again.status_code == 304


@pytest.mark.parametrize("path", [URL, f"{URL}.csv", f"{URL}.atom"])
def test_the_days_before_now_are_unchanged_until_an_entry_leaves_them(analyst, stored, database, monkeypatch, path):
    owl = seed_data.add_repository(database, "octo/owl", {"2026-03-01": 5}, github_id=10)
    seed_data.add_change(database, owl, "archived", "2026-03-20 12:00")

    def status_and_text(at, tag="", **params):
        monkeypatch.setattr(conditional, "now_utc", lambda: seed_data.utc(at))
        response = analyst.get(path, params={"days": 10, **params}, headers={"if-none-match": tag})
        return response.status_code, response.text, response.headers["etag"]

    status, text, tag = status_and_text("2026-03-30 11:00")
    assert (status, "octo/owl" in text, "octo/dog" in text) == (200, True, False)
    assert status_and_text("2026-03-30 11:59", tag) == (304, "", tag)
    status, text, tag = status_and_text("2026-03-30 12:01", tag)
    assert (status, "octo/owl" in text) == (200, False)
    assert status_and_text("2026-03-30 13:00", tag) == (304, "", tag)
    status, text, tag = status_and_text("2026-03-30 11:00", as_of="2026-03-29")
    assert (status, "octo/dog" in text) == (200, True)
    assert status_and_text("2026-03-31 12:01", tag, as_of="2026-03-29")[0] == 304


def test_only_the_newest_over_all_pages(analyst, stored):
    assert names(analyst, top=1) == ["octo/dog"]
    assert analyst.get(f"{URL}.csv", params={"top": 1}).text.count("octo/") == 1
    first = analyst.get(URL, params={"top": 2, "limit": 1}).json()
    second = analyst.get(URL, params={"top": 2, "limit": 1, "cursor": first["next_cursor"]}).json()
    assert ([row["repository"] for row in second["data"]], second["next_cursor"]) == (["octo/cat"], None)
