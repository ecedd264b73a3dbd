"""What axe-core finds on a page: https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md"""

from functools import cache
from importlib.resources import files

from playwright.sync_api import Page

SERIOUS = ("serious", "critical")
# The rule "region" has moderate impact and goes through all elements.
OPTIONS = "{resultTypes: ['violations'], rules: {region: {enabled: false}}}"
REFUSED_RULES = ("heading-order",)  # of moderate impact to axe-core; these pages are read by their headings


# A page that runs again pales and fades: what is found is what stands there when it is done.
STILL = """
    const still = new CSSStyleSheet();
    still.replaceSync('*, [data-stale] { transition: none !important; animation: none !important }'
        + '[data-stale="true"] { opacity: 1 !important }');
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, still];
"""


@cache
def axe_script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def serious_findings(page: Page) -> list[str]:
    """Return the serious and critical findings on *page*, and skipped levels of headings, one line each."""
    # In the page's own world, which its content security policy allows to the browser's driver.
    page.evaluate(axe_script())
    page.evaluate(STILL)
    found = page.evaluate(f"axe.run(document, {OPTIONS}).then(result => result.violations)")
    return [
        f"{rule['impact']} {rule['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for rule in found
        if rule["impact"] in SERIOUS or rule["id"] in REFUSED_RULES
        for node in rule["nodes"]
    ]
