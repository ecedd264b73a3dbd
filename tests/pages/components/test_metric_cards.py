"""Metric cards: a value with its age, its growth, and what it is compared with."""

from datetime import UTC, datetime

from streamlit.testing.v1 import AppTest


def cards(vs=None):
    def page():
        from datetime import UTC, datetime  # the page is a script of its own

        from pages.components.metric_cards import Card, metric_row

        at = datetime(2026, 3, 31, 12, tzinfo=UTC)
        metric_row(
            [
                Card("Stars", 150, 100, reported_at=at, vs=120),
                Card("Forks", 7, 7, reported_at=at, vs=7),
                Card("Watchers", None, 3, reported_at=at, vs=3),
                Card("Followers", 9, reported_at=at),
            ],
            "test",
        )

    app = AppTest.from_function(page)
    if vs:
        app.session_state["vs_selected"] = vs
    app.run()
    assert not app.exception
    return app


def texts(app):
    return [caption.value for caption in app.caption]


def test_a_card_without_a_value_has_no_age():
    """Three of four values are known, so three ages are shown."""
    app = cards()
    assert [card.value for card in app.metric] == ["150", "7", "—", "9"]
    assert len([text for text in texts(app) if "schedule" in text]) == 3


def test_a_card_shows_its_growth():
    """150 - 100 = 50; 7 - 7 = 0."""
    app = cards()
    assert [card.delta for card in app.metric] == ["+50", "0", "", ""]


def test_a_card_shows_the_value_that_it_is_compared_with_below_the_difference():
    """150 - 120 = 30, which is 25 % of 120; nine followers are compared with an unknown number."""
    app = cards(vs=datetime(2025, 3, 31, tzinfo=UTC))
    assert [(card.delta, card.proto.delta_description) for card in app.metric[:2]] == [
        ("+30", "+25.0\N{NO-BREAK SPACE}%"), ("0", ""),
    ]  # fmt: skip
    compared = [text for text in texts(app) if text.startswith("vs ")]
    assert compared == ["vs 120 on 2025-03-31", "vs 7 on 2025-03-31", "vs — on 2025-03-31"]
