"""An Atom feed (RFC 4287) of detected changes: what readers of feeds show, with ids that never change."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid5
from xml.etree import ElementTree

from pandas import DataFrame

from core.as_of import EARLIEST
from core.markup import single_line
from core.queries.changes import LABELS, before_and_after

NAMESPACE = "http://www.w3.org/2005/Atom"
# Any constant would do; with another one all entries would appear as new to readers of the feed.
ENTRY_IDS = UUID("6d2f0a0e-7d0b-4f0e-9d59-0f3d5c1a8c11")
NOT_IN_XML = re.compile("[\ufffe\uffff\ud800-\udfff]")


def changes_feed(changes: DataFrame, *, site: str, filters: dict[str, Any], title: str) -> bytes:
    """Return *changes*, rows of `changes.list_changes`, as a feed, newest entry first.

    site     the URL of this installation, without a trailing slash
    filters  the feed's parameters that select entries; never a token, because the feed names itself by its URL
    """
    query = f"?{urlencode(filters, doseq=True)}" if filters else ""
    root = ElementTree.Element("feed", xmlns=NAMESPACE)
    _add(root, "title", title)
    _add(root, "id", uuid5(ENTRY_IDS, f"{site}{query}").urn)
    _add(root, "updated", _timestamp(changes["detected_at"].iloc[0] if len(changes) else EARLIEST))
    url = f"{site}/api/v1/changes.atom{query}"
    ElementTree.SubElement(root, "link", rel="self", type="application/atom+xml", href=url)
    ElementTree.SubElement(root, "link", rel="alternate", type="text/html", href=f"{site}/changes")
    _add(ElementTree.SubElement(root, "author"), "name", "Almanac")
    rows = changes.astype(object)
    for row in rows.where(rows.notna(), None).to_dict("records"):
        root.append(_entry({str(name): value for name, value in row.items()}, site))
    feed: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return feed


def entry_id(detected_at: datetime, kind: str, account_id: int | None, repository_id: int | None) -> str:
    """Return the id of an entry: of GitHub's ids, so that it survives renames, restored backups and other languages.

    One refresh detects at most one change of a kind of the same account or repository.
    """
    return uuid5(ENTRY_IDS, f"{detected_at.isoformat()} {kind} {account_id} {repository_id}").urn


def _entry(row: dict[str, Any], site: str) -> ElementTree.Element:
    entry = ElementTree.Element("entry")
    name = row["repository"] or row["account"]
    path, param = ("repository", "name") if row["repository"] else ("account", "login")
    detected = _timestamp(row["detected_at"])
    _add(entry, "id", entry_id(row["detected_at"], row["kind"], row["account_id"], row["repository_id"]))
    _add(entry, "title", f"{name} {LABELS[row['kind']]}")
    _add(entry, "updated", detected)
    _add(entry, "published", detected)
    url = f"{site}/{path}?{urlencode({param: name})}"
    ElementTree.SubElement(entry, "link", rel="alternate", type="text/html", href=url)
    ElementTree.SubElement(entry, "category", term=row["kind"], label=LABELS[row["kind"]])
    content = before_and_after(row["kind"], row["before"], row["after"]) or LABELS[row["kind"]]
    _add(entry, "content", content).set("type", "text")
    return entry


def _add(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name)
    element.text = NOT_IN_XML.sub("", single_line(text))
    return element


def _timestamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
