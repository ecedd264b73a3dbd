"""Every page with an account whose texts look like markup: all of it is shown as text."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from sqlalchemy import select

from core.db import schema
from tests import hostile_rows
from tests.hostile_rows import MARKUP, REPOSITORY, TRAPS, WORD

# Elements and fields that the browser shows as plain text, or not at all.
PLAIN_ELEMENTS = {
    "arrow_data_frame",
    "code",
    "text",
    "json",
    "bidi_component",
    "component_instance",
    "iframe",
    "deck_gl_json_chart",
}
PLAIN_FIELDS = {
    *("id", "key", "form_id", "alt", "placeholder", "default", "value", "string_value", "raw_values", "url", "page"),
    *("raw_value", "query_string", "user_key", "bind", "query_param_key", "icon", "options_plain", "columns"),
}
# Options of these are plain text in the browser.
WITH_PLAIN_OPTIONS = {"selectbox", "multiselect"}


def strings(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        for one in value if not isinstance(value, str | bytes | Message | int | float | bool) else [value]:
            if isinstance(one, Message):
                yield from strings(one, f"{path}.{field.name}")
            elif isinstance(one, str):
                yield f"{path}.{field.name}", one


def elements(block: Any) -> Iterator[tuple[str, Message]]:
    for child in block.children.values():
        if hasattr(child, "children"):
            if child.proto is not None:
                yield child.type, child.proto
            yield from elements(child)
        elif child.proto is not None:
            yield child.type, child.proto


def unescaped(kind: str, text: str) -> str:
    """Return what is left of *text* without what its language shows literally."""
    if kind == "plotly_chart":  # knows tags and entities only
        return "".join(re.findall(r"<.{0,9}", text))
    without_code = re.sub(r"`[^`]*`", "", text)
    without_urls = re.sub(r"\]\(https://github\.com/[\w/%-]+\)", "]", without_code)
    return re.sub(r"\\.", "\\\\", without_urls)


def marked_up(shown: Any) -> Iterator[tuple[str, str]]:
    """Yield each string of the page that the browser reads as Markdown, HTML or Plotly's HTML."""
    for kind, proto in elements(shown._tree):
        if kind in PLAIN_ELEMENTS:
            continue
        for path, text in strings(proto):
            field = path.rsplit(".", 1)[-1]
            is_option = field == "options" and kind in WITH_PLAIN_OPTIONS
            if field not in PLAIN_FIELDS and not is_option:
                yield f"{kind}{path}", unescaped(kind, text)


PAGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {}),
    ("account", {"login": "octo"}),
    ("account", {"login": MARKUP}),
    ("account", {"login": hostile_rows.NAME}),
    ("repositories", {}),
    ("repositories", {"search": "nothing at all", "owner": "__in", "language": MARKUP, "order": "`x` **bold**"}),
    ("compare", {"with": f"{REPOSITORY},octo/none,octo"}),
    ("compare", {"with": f"octo,{MARKUP}", "view": "**bold** <b>"}),
    ("languages", {}),
    ("languages", {"source": MARKUP, "by": "**bold** `code`"}),
    ("scene", {"repository": REPOSITORY}),
    ("alerts", {"kind": "**bold** <b>"}),
    ("tracking", {}),
    ("ingestion", {"ingestion": "1"}),
    ("people", {"person": "stranger"}),
    ("people", {"person": MARKUP}),
    ("system", {}),
    ("profile", {}),
)


@pytest.mark.parametrize(("page", "parameters"), PAGES, ids=lambda value: str(value)[:40])
def test_texts_of_others_are_shown_literally(person, browser, visit, database, page, parameters):
    hostile_rows.insert_rows(database)
    browser.sign_in(person("boss", role="admin", display_name=hostile_rows.SHORT))
    if page == "alerts":
        parameters = parameters | {"webhook": str(database.scalar(select(schema.webhook.c.id)))}
    if page == "ingestion":
        parameters = {"ingestion": str(database.scalar(select(schema.ingestion.c.id)))}
    shown = visit(page, **parameters)
    assert not shown.exception
    found = [(where, trap, text[:300]) for where, text in marked_up(shown) for trap in TRAPS if trap in text]
    assert found == []
    everything = json.dumps([text for _, proto in elements(shown._tree) for _, text in strings(proto)])
    assert WORD in everything
