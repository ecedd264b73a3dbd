"""The collections page: named groups, made, filled, renamed, shared by link and deleted by those who may."""

import pytest
from sqlalchemy import insert, text

from core.db import schema
from tests import seed_data
from tests.pages.wording import page_text
from tests.seed_data import days_ago


@pytest.fixture
def stored(database):
    """Two accounts with a repository each, captured today, and an account of which nothing is stored."""
    for number, (name, stars) in enumerate([("octo/big", 1000), ("cat/small", 3)]):
        seed_data.add_repository(database, name, {f"{days_ago(1):%Y-%m-%d}": stars}, github_id=100 + number)
    return seed_data.add_account(database, "empty", github_id=9)


@pytest.fixture
def group(database, reader):
    """A collection of the reader."""
    return seed_data.insert_row(database, schema.collection, name="Pets", person_id=reader.id)


def repositories(shown):
    return [link.partition("name=")[2] for link in shown.dataframe[-1].value["repository"]]


def recorded(database):
    sql = "SELECT details ->> 'did' FROM audit_event WHERE action = 'collection_changed' ORDER BY id"
    return list(database.scalars(text(sql)))


def test_a_collection_is_made_filled_renamed_and_deleted(open_page, stored, database):
    shown = open_page("collections")
    assert "There is no collection yet." in page_text(shown)
    shown.text_input(key="new-collection-name").set_value("  My   pets ")
    shown.button(key="create-collection").click().run()
    assert not shown.exception
    assert shown.selectbox(key="collection").value == "My pets"
    assert "It has no members yet." in page_text(shown)
    shown.text_area(key="collection-added").set_value("OCTO, https://github.com/cat/small nobody https://example.org/x")
    shown.button(key="add-members").click().run()
    assert repositories(shown) == ["octo/big", "cat/small"]
    text_now = page_text(shown)
    assert "1 account and 1 repository" in text_now
    assert "Nothing is stored about **nobody**" in text_now
    assert "is not a URL of" in text_now
    shown.multiselect(key="collection-removed").set_value(["octo"]).run()
    shown.button(key="remove-members").click().run()
    assert repositories(shown) == ["cat/small"]
    (name_key,) = (box.key for box in shown.text_input if str(box.key).startswith("collection-name-"))
    shown.text_input(key=name_key).set_value("Cats")
    shown.button(key="rename-collection").click().run()
    assert shown.selectbox(key="collection").value == "Cats"
    shown.button(key="delete-collection").click().run()
    assert "There is no collection yet." in page_text(shown)
    assert recorded(database) == [
        "created",
        "members added",
        "members removed",
        "renamed",
        "deleted",
    ]


def test_a_link_opens_a_collection_and_only_its_maker_and_admins_change_it(open_page, database, person, stored):
    other = person("other")
    theirs = seed_data.insert_row(database, schema.collection, name="Theirs", person_id=other.id)
    octo = database.scalar(text("SELECT id FROM account WHERE login = 'octo'"))
    database.execute(insert(schema.collection_member).values(collection_id=theirs, account_id=octo))
    shown = open_page("collections", collection="theirs")
    assert repositories(shown) == ["octo/big"]
    assert "Only the person who made this collection, or an admin, may change it." in page_text(shown)
    assert not [button for button in shown.button if button.key == "delete-collection"]


def test_a_name_is_taken_in_any_case(open_page, group, database):
    shown = open_page("collections")
    shown.text_input(key="new-collection-name").set_value("PETS")
    shown.button(key="create-collection").click().run()
    assert "There is a collection called Pets already" in page_text(shown)
    assert database.scalar(text("SELECT count(*) FROM collection")) == 1


def test_empty_states_stay_apart(open_page, group, stored, database):
    """No members, not tracked, not collected yet, and truly none."""
    database.execute(insert(schema.collection_member).values(collection_id=group, account_id=stored))
    assert "None of its members is tracked" in page_text(open_page("collections", collection="Pets"))
    database.execute(insert(schema.tracked_account).values(account_id=stored))
    assert "have not been collected yet" in page_text(open_page("collections", collection="Pets"))
    database.execute(insert(schema.capture_open).values(account_id=stored, captured_at=days_ago(0)))
    assert "Its accounts have no repositories." in page_text(open_page("collections", collection="Pets"))
    earlier = f"{days_ago(9):%Y-%m-%d}"
    assert "had been collected by" in page_text(open_page("collections", collection="Pets", as_of=earlier))
