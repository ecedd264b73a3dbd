"""Uploaded files are counted by page and by person."""

import pytest

from core.web.middleware import upload_bounds
from core.web.middleware.upload_bounds import MAX_FILES_PER_PAGE, MAX_UPLOADS_PER_PERSON, PERIOD_SECONDS, Uploads
from tests.core.web.middleware_client import PUBLIC_URL, sign_in


def test_a_page_holds_few_files_and_takes_more_once_it_dropped_one():
    uploads = Uploads(lambda: 0.0)
    assert all(uploads.allow(1, "page", str(number)) for number in range(MAX_FILES_PER_PAGE))
    assert not uploads.allow(1, "page", "more")
    assert uploads.allow(1, "page", "0")  # again, in place of itself
    uploads.remove("page", "1")
    assert uploads.allow(1, "page", "more")


def test_a_person_uploads_only_so_often_on_however_many_pages():
    now = [0.0]
    uploads = Uploads(lambda: now[0])
    allowed = [uploads.allow(1, f"page {number}", "file") for number in range(300)]
    assert allowed.count(True) == MAX_UPLOADS_PER_PERSON
    assert uploads.allow(2, "another person's", "file")
    now[0] = PERIOD_SECONDS
    assert uploads.allow(1, "later", "file")


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(upload_bounds, "MAX_PAGES", 5)
    uploads = Uploads(lambda: 0.0)
    for number in range(100):
        uploads.allow(number, f"page {number}", "file")
    assert len(uploads._files) == 5


@pytest.mark.parametrize("pages", [1, 300])
def test_a_flood_of_uploads_is_refused(web, person, pages):
    sign_in(web, person())
    statuses = [
        web.put(f"/_stcore/upload_file/page{number % pages}/{number}", headers={"origin": PUBLIC_URL}).status_code
        for number in range(300)
    ]
    expected = MAX_FILES_PER_PAGE if pages == 1 else MAX_UPLOADS_PER_PERSON
    assert statuses.count(200) == expected
    assert statuses.count(429) == 300 - expected
