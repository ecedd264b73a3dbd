"""Time from opening a page in Chromium to its last chart, beside an app of one chart.

SCALE (default 0.02) sizes the database, BASE names a checkout of an older version to measure beside this one, KEEP a
folder that keeps the databases for the next run, ONLY one page, CHROMIUM the browser.
"""

import os
import shutil
from statistics import median

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.bench.measurement import Measurement, console
from tests.bench.reruns import PAGES, Web, running_processes

ROUNDS = 3
TIMEOUT_MS = 120_000
QUIET_MS = 3_000
# performance.now() counts from the start of the navigation. Tables and the scene are drawn on a canvas.
NOTE_LAST_CHART = """
    window.lastChartAt = 0;
    const drawn = "svg.main-svg, canvas";
    new MutationObserver(changes => {
        for (const change of changes) for (const node of change.addedNodes)
            if (node.nodeType === 1 && (node.matches(drawn) || node.querySelector(drawn)))
                window.lastChartAt = performance.now();
    }).observe(document, {childList: true, subtree: true});
"""
IS_QUIET = f"() => window.lastChartAt > 0 && performance.now() - window.lastChartAt > {QUIET_MS}"
VISITED = {name: f"/{'' if name == 'overview' else name}?{query}" for name, query in PAGES.items()} | {
    "largest account": "/account?login={largest}"
}
Visits = tuple[float, float]


def run() -> list[Measurement]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        console.print("skipped: no Chromium on the PATH; CHROMIUM names one")
        return []
    with running_processes() as webs, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        figures = [
            figure
            for page, path in VISITED.items()
            if page == (os.environ.get("ONLY") or page)
            for figure in measure_page(browser, webs, page, path)
        ]
        browser.close()
    return figures


def measure_page(browser: Browser, webs: list[Web], page: str, path: str) -> list[Measurement]:
    """Visit one page of each process in turns; the first process is the app of one chart."""
    floor, *others = webs
    visits: dict[str, list[Visits]] = {web.name: [] for web in webs}
    for _ in range(ROUNDS):
        visits[floor.name].append(first_and_second_visit(browser, floor, "/"))
        for web in others:
            visits[web.name].append(first_and_second_visit(browser, web, path.format(**web.subjects)))
    figures = []
    for number, visit in enumerate(("first visit", "second visit")):
        least = median(one[number] for one in visits[floor.name])
        for web in others:
            took = median(one[number] for one in visits[web.name])
            figures.append(Measurement(f"{page} ({web.name}), {visit}", took, "ms", least, "at most 1.3 times"))
            console.print(figures[-1])
    return figures


def first_and_second_visit(browser: Browser, web: Web, path: str) -> Visits:
    """Return the milliseconds until the last chart, in a fresh profile, and again with what the browser has cached."""
    context = browser.new_context()
    for pair in next(web.readers).split("; "):
        name, _, value = pair.partition("=")
        if value:
            context.add_cookies([{"name": name, "value": value, "url": web.address}])
    context.add_init_script(NOTE_LAST_CHART)
    visits = (
        milliseconds_to_last_chart(context, web.address + path),
        milliseconds_to_last_chart(context, web.address + path),
    )
    context.close()
    return visits


def milliseconds_to_last_chart(context: BrowserContext, url: str) -> float:
    page = context.new_page()
    page.goto(url, wait_until="commit", timeout=TIMEOUT_MS)
    page.wait_for_function("() => window.lastChartAt > 0", timeout=TIMEOUT_MS)
    page.locator('.stApp[data-test-script-state="notRunning"]').wait_for(timeout=TIMEOUT_MS)
    page.wait_for_function(IS_QUIET, timeout=TIMEOUT_MS)
    took = float(page.evaluate("window.lastChartAt"))
    page.close()
    return took
