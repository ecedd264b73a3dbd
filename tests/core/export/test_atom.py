"""The feed of changes is valid Atom, its ids never change, and strangers' text is text."""

from xml.etree import ElementTree

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from core.export.atom import NAMESPACE, changes_feed
from tests.seed_data import utc

SITE = "https://almanac.example"


def changes(*rows):
    columns = ["detected_at", "kind", "account", "account_id", "repository", "repository_id", "before", "after"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"account_id": "Int64", "repository_id": "Int64"})


def parsed(frame, **filters):
    return ElementTree.fromstring(changes_feed(frame, site=SITE, filters=filters, title="Changes"))


def texts(element, name):
    return [found.text for found in element.iter(f"{{{NAMESPACE}}}{name}")]


RENAMED = (utc("2026-03-01 06:00"), "renamed", "octo", 7, "octo/dog", 8, "octo/cat", "octo/dog")
ARCHIVED = (utc("2026-02-01"), "archived", "octo", 7, None, None, None, None)


def test_a_feed_has_everything_that_atom_requires():
    feed = parsed(changes(RENAMED, ARCHIVED), kind=["renamed", "archived"], account="octo")
    assert texts(feed, "updated") == ["2026-03-01T06:00:00Z"] * 2 + ["2026-02-01T00:00:00Z"]
    assert texts(feed, "title") == ["Changes", "octo/dog renamed", "octo archived"]
    assert texts(feed, "content") == ["octo/cat → octo/dog", "archived"]
    assert all(text.startswith("urn:uuid:") for text in texts(feed, "id"))
    assert texts(feed, "name") == ["Almanac"]
    links = [(one.get("rel"), one.get("href")) for one in feed.iter(f"{{{NAMESPACE}}}link")]
    assert links == [
        ("self", f"{SITE}/api/v1/changes.atom?kind=renamed&kind=archived&account=octo"),
        ("alternate", f"{SITE}/changes"),
        ("alternate", f"{SITE}/repository?name=octo%2Fdog"),
        ("alternate", f"{SITE}/account?login=octo"),
    ]


def test_a_licence_that_was_removed_became_none():
    removed = (utc("2026-03-01"), "relicensed", "octo", 7, "octo/cat", 8, "MIT", None)
    assert texts(parsed(changes(removed)), "content") == ["MIT → none"]


def test_ids_differ_and_survive_a_rename():
    first, second = texts(parsed(changes(RENAMED, ARCHIVED)), "id")[1:]
    assert first != second
    later = (*RENAMED[:4], "octo/bird", *RENAMED[5:])
    assert texts(parsed(changes(later)), "id")[1] == first
    assert first == "urn:uuid:c8ad8076-7e7c-5496-93af-529868b2d106"


def test_a_feed_without_entries_is_valid_and_dates_from_the_beginning():
    feed = parsed(changes())
    assert texts(feed, "updated") == ["2007-10-01T00:00:00Z"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_is_text(text):
    row = (utc("2026-03-01"), "relicensed", "octo", 7, "octo/<b>&", 8, text, f"]]>{text}")
    feed = parsed(changes(row))
    assert texts(feed, "title")[1] == "octo/<b>& changed its licence"
    assert not list(feed.iter("b"))
