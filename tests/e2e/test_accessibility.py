"""What the browser tests would find on a page with barriers."""

from playwright.sync_api import Page

from tests.e2e.accessibility import serious_findings

PAGE_WITH_BARRIERS = """
    <html lang="en"><title>Barriers</title><main><h1>Barriers</h1><h3>Deep</h3><button></button>
    <p style="color: #ccc; background: #fff">Pale text</p></main></html>
"""


def test_barriers_are_found_with_their_elements(shared_page: Page):
    shared_page.set_content(PAGE_WITH_BARRIERS)
    found = serious_findings(shared_page)
    shared_page.goto("about:blank")
    assert [finding.partition(":")[0] for finding in found] == [
        "critical button-name", "serious color-contrast", "moderate heading-order",
    ]  # fmt: skip
    assert "<button></button>" in found[0]
    assert "Pale text" in found[1]
