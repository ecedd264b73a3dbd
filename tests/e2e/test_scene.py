"""The scene in a real browser: it is drawn, stands where Python says, and a click tells what was clicked."""

from io import BytesIO

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Page, expect

from core.charts.scene import city, deck
from core.charts.scene.camera import Canvas
from tests.e2e import rows

MAX_TRIES = 60


def canvas_pixels(page: Page) -> np.ndarray:
    canvas = page.get_by_test_id("stDeckGlJsonChart")
    return np.asarray(Image.open(BytesIO(canvas.screenshot())).convert("RGB"), dtype=float)


def wait_for_drawing(page: Page) -> np.ndarray:
    """The picture, once there is more on it than its ground."""
    for _ in range(MAX_TRIES):
        seen = canvas_pixels(page)
        if seen.std(axis=(0, 1)).max() > 20:
            return seen
        page.wait_for_timeout(500)
    raise AssertionError("nothing was drawn")


def roof_position(page: Page, address: str, name: str) -> tuple[float, float]:
    """Where the middle of that tower's roof is on the page, reckoned as the page reckons its camera."""
    answer = page.request.get(f"{address}/api/v1/scene/city")
    towers = pd.DataFrame(answer.json()["data"])
    tower = towers.set_index("name").loc[name]
    box = page.get_by_test_id("stDeckGlJsonChart").bounding_box()
    assert box
    height = int(box["height"])
    plan = city_layout(towers)
    # The page rounds its width down; what it draws is centred all the same.
    reckoned = Canvas(2 * (height - 130), height)
    camera = deck.camera_for(plan, reckoned)
    roof = [[tower.x + tower.width / 2, tower.y + tower.depth / 2, tower.height]]
    across, down = camera.project(np.array(roof, dtype=float), Canvas(box["width"], box["height"]))[0]
    return box["x"] + across, box["y"] + down


def city_layout(towers: pd.DataFrame) -> city.City:
    return city.build_city(
        pd.DataFrame(
            {
                "full_name": towers["name"],
                "owner": towers["name"].str.partition("/")[0],
                "stars": towers["stars"],
                "stars_30d": towers["growth"],
            }
        )
    )


def test_the_city_is_drawn_nothing_is_cut_and_a_click_tells_what_was_clicked(read, address):
    reader = read(height=1100)
    page = reader.open("/scene", "Scene")
    seen = wait_for_drawing(page)
    # A band along each edge holds nothing but ground: neither towers nor names are cut.
    ground = seen[2, 2]
    for band in (seen[:4], seen[-4:], seen[:, :4], seen[:, -4:]):
        assert np.abs(band - ground).max() < 12
    x, y = roof_position(page, address, rows.MOST_STARRED)
    for _ in range(4):
        page.mouse.move(x - 30, y - 5)
        page.mouse.move(x, y)
        page.wait_for_timeout(700)
        page.mouse.click(x, y)
        try:
            expect(page.get_by_role("link", name="All of octo")).to_be_visible(timeout=6000)
            break
        except AssertionError:
            continue  # a click while the scene is still busy is lost
    expect(page.get_by_role("link", name=rows.MOST_STARRED)).to_have_attribute(
        "href", f"https://github.com/{rows.MOST_STARRED}"
    )
    assert "repository=octo%2Fr0" in page.url
    page.get_by_role("link", name="All of octo").click()
    reader.wait_until_ready("Account")
    assert "login=octo" in page.url


def test_a_link_to_a_tower_opens_with_it_marked_also_on_a_narrow_page(read):
    reader = read(theme="dark", width=420)
    page = reader.open(f"/scene?repository={rows.MOST_STARRED}&min_stars=1000", "Scene")
    expect(page.get_by_role("link", name="All of octo")).to_be_visible()
    seen = wait_for_drawing(page)
    accent = np.abs(seen - np.array([14, 165, 233])).max(axis=2) < 12
    assert accent.sum() > 50
    ground = seen[2, 2]
    assert np.abs(seen[:, :2] - ground).max() < 12
    assert np.abs(seen[:, -2:] - ground).max() < 12
    assert reader.overflow_px() <= 0


def test_rows_are_small_tagged_and_refused_clearly(read, address):
    page = read().open("/repositories", "Repositories")
    answer = page.request.get(f"{address}/api/v1/scene/city.csv")
    assert answer.headers["content-encoding"] == "gzip"
    again = page.request.get(f"{address}/api/v1/scene/city.csv", headers={"if-none-match": answer.headers["etag"]})
    assert again.status == 304
    refused = page.request.get(f"{address}/api/v1/scene/city.csv?owners=many")
    assert refused.status == 422
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
