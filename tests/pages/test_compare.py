"""The compare page: what is chosen and refused, the choices in the URL, differences and ranks."""

import json
from urllib.parse import unquote

import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data
from tests.pages.wording import page_text
from tests.seed_data import utc


@pytest.fixture
def stored(database):
    account = seed_data.add_account(database, "octo", created_at=utc("2015-01-01"), kind="user", github_id=1)
    database.execute(
        insert(schema.account_snapshot).values(
            account_id=account, captured_at=utc("2026-01-04"), stars=260, forks=9, repositories=2, followers=3
        )
    )
    for number, (name, first, last) in enumerate((("cat", 100, 200), ("dog", 50, 60))):
        seed_data.add_repository(
            database, f"octo/{name}", {"2026-01-01": first, "2026-01-03": last}, github_id=10 + number,
            created_at=utc(f"202{4 + number}-01-01"), captures=["2026-01-02"], primary_language="C",
        )  # fmt: skip
    seed_data.add_imported_repository(database, "old/old", {"2025-01-05": 7, "2025-01-12": 8})
    publish_data_version(database)
    return database


def traces(shown) -> list[str]:
    spec = json.loads(next(iter(shown.get("plotly_chart"))).proto.spec)
    return [trace["name"] for trace in spec["data"] if "name" in trace]


@pytest.mark.parametrize("view", ["Together", "Small multiples"])
@pytest.mark.parametrize("scale", ["Absolute", "Indexed", "Log"])
@pytest.mark.parametrize("align", ["By date", "By age"])
def test_every_choice_shows_the_two(open_page, stored, view, scale, align):
    shown = open_page("compare", **{"with": "octo/cat,OCTO/dog"}, view=view, scale=scale, align=align)
    assert not shown.exception
    assert not shown.warning
    assert {"octo/cat", "octo/dog"} <= {name for name in traces(shown) if name}
    table = shown.dataframe[1].value
    assert table["difference"].tolist() == [0, -140]
    assert table["link"].iloc[1] == "/repository?name=octo/dog"


def test_accounts_have_followers_and_a_link_of_their_own(open_page, stored):
    shown = open_page("compare", **{"with": "octo"}, measure="Followers")
    assert not shown.exception
    assert "How many followers" in shown.header[0].value
    assert shown.dataframe[1].value["link"].tolist() == ["/account?login=octo"]


def test_by_age_what_has_no_known_creation_is_left_out_and_named(open_page, stored):
    shown = open_page("compare", **{"with": "octo/cat,old/old"}, align="By age")
    assert "creation is not known: old/old" in page_text(shown).replace("\\", "")
    assert traces(shown) == ["octo/cat"]
    assert "cannot be ranked: when it was created is not known" in page_text(shown)


@pytest.mark.parametrize(
    ("names", "sentences"),
    [
        ("octo/cat,nobody,no/thing", ["Nothing is stored about **nobody**, **no/thing**"]),
        ("octo/cat,octo", ["cannot be compared with each other", "they are accounts: **octo**"]),
        ("octo,octo/cat", ["they are repositories: **octo/cat**"]),
        ("<b>x</b>,octo/cat,=1+1,a b!,x?,:zap:", ["is not a GitHub login", "So 2 others"]),
        (",".join(f"n{number}" for number in range(10_000)), ["the first of 10,000 names", "and 7 more"]),
        ("octo/cat,Octo/Cat,https://github.com/octo/cat", []),
        ("\x00,octo/cat", ["Ignored invalid parameters"]),
    ],
    ids=["unknown", "account among repositories", "repository among accounts", "no names", "pasted", "twice", "NUL"],
)
def test_what_cannot_be_compared_is_named(open_page, stored, names, sentences):
    shown = open_page("compare", **{"with": names})
    assert not shown.exception
    assert not shown.error
    warned = "\n".join(element.value for element in shown.warning).replace("\\", "")
    assert [sentence for sentence in sentences if sentence not in warned] == []
    assert bool(warned) == bool(sentences)


def test_pasted_text_becomes_names_in_the_url(open_page, stored):
    shown = open_page("compare")
    shown.multiselect(key="compared_names").set_value(["octo/cat https://github.com/octo/dog, <script>"]).run()
    assert not shown.exception
    assert shown.query_params["with"] == "octo/cat,octo/dog"
    assert "is not a GitHub login" in page_text(shown)


def test_as_of_a_day_the_younger_one_did_not_exist(open_page, stored):
    text = page_text(open_page("compare", **{"with": "octo/cat,octo/dog"}, as_of="2024-06-01"))
    assert "**octo/dog** did not exist on 2024-06-01" in text.replace("\\", "")
    then = open_page("compare", **{"with": "octo/cat,octo/dog"}, as_of="2026-01-02")
    assert then.dataframe[1].value["stars"].tolist() == [100, 50]


def test_a_rank_among_twenty_peers_is_shown_with_its_group(open_page, stored):
    for number in range(20):
        seed_data.add_repository(
            stored, f"p/{number}", {"2026-01-01": number}, primary_language="C", created_at=utc("2024-01-01")
        )
    publish_data_version(stored)
    shown = open_page("compare", **{"with": "octo/cat"}, as_of="2026-06-30")
    # The twenty and octo/dog, which is a year younger: all have fewer stars.
    assert "**octo/cat** is ahead of 100\N{NO-BREAK SPACE}% of 21 peers (C, 1 to 3 years)" in page_text(shown).replace(
        "\\", ""
    )


@pytest.mark.parametrize(
    ("page", "parameters", "names"),
    [
        ("account", {"login": "octo"}, "octo"),
        ("repository", {"name": "octo/cat"}, "octo/cat"),
        ("repositories", {}, "octo/cat,octo/dog,old/old"),
    ],
)
def test_pages_lead_to_the_comparison(open_page, stored, page, parameters, names):
    links = open_page(page, **parameters).get("page_link")
    assert any(link.proto.page == "compare" and unquote(link.proto.query_string) == f"with={names}" for link in links)


def test_the_account_leads_to_its_own_scene(open_page, stored):
    links = open_page("account", login="octo").get("page_link")
    assert any((link.proto.page, link.proto.query_string) == ("scene", "account=octo") for link in links)
    shown = open_page("scene", account="OCTO")
    assert not shown.exception
    assert "of 2 repositories" in page_text(shown)
