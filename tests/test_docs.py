"""The documentation names everything that a user can call: pages, commands, routes, metrics."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from core import prometheus
from core.web.api.application import build_app
from core.web.routes import metrics
from pages.components import navigation

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_the_readme_names_every_page():
    for entry in navigation.MENU:
        assert f"`/{entry.path}`" in README, entry.path


@pytest.mark.parametrize("module", ["core", "ingest"])
def test_the_readme_names_every_command(module):
    application = __import__(f"{module}.__main__", fromlist=["app"]).app
    # "`python -m core backup`, `restore`" names both.
    rows = [line for line in README.splitlines() if line.startswith(f"| `python -m {module} ")]
    named = set(re.findall(r"`(?:python -m \w+ )?([a-z-]+)`", " ".join(row.split("|")[1] for row in rows)))
    assert set(get_command(application).commands) == named


def test_the_readme_names_every_route_of_the_api():
    application = build_app()
    while not hasattr(application, "openapi"):
        application = application.app
    paths = {path.removeprefix("/v1/") for path in application.openapi()["paths"]}
    undocumented = [
        path
        for path in paths
        if not path.endswith((".csv", ".parquet")) and not re.search(rf"{re.escape(path)}`", README)
    ]
    assert undocumented == []


def test_the_architecture_names_every_metric(monkeypatch):
    own = {metric.name + "_total" * (metric.type == "counter") for metric in prometheus.registry.collect()}
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    others = {f"almanac_{name}" for name in re.findall(r'\bgauge\(\s*"(\w+)"', source)}
    others |= set(re.findall(r'"(almanac_\w+)"', source))
    assert len(others) > 10
    names = {name for name in own | others if name.startswith("almanac_")}
    assert [name for name in sorted(names) if f"`{name}`" not in ARCHITECTURE] == []


def test_the_architecture_names_every_folder():
    folders = [
        path.relative_to(ROOT)
        for part in ("core", "ingest", "pages")
        for path in (ROOT / part).iterdir()
        if path.is_dir() and any(path.glob("*.py"))
    ]
    assert [folder for folder in map(str, sorted(folders)) if f"`{folder}/`" not in ARCHITECTURE] == []


def test_files_that_the_documentation_names_exist():
    others = ("CONTRIBUTING.md", "OPERATIONS.md", "SCALE.md", "SECURITY.md")
    text = README + ARCHITECTURE + "".join((ROOT / name).read_text(encoding="utf-8") for name in others)
    named = set(re.findall(r"`((?:core|ingest|pages|tests|findings)/[a-z0-9_/]+(?:\.py|/))`", text))
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_findings_list_every_script():
    listed = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "findings/README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(script.stem for script in (ROOT / "findings").glob("*.sh"))


def test_links_between_documents_lead_to_a_file_and_a_heading():
    documents = [*ROOT.glob("*.md"), ROOT / "findings/README.md", ROOT / "tests/bench/README.md"]
    links = [
        (document, target)
        for document in documents
        for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    assert len(links) > 20
    assert [f"{document.name}: {target}" for document, target in links if not leads_somewhere(document, target)] == []


def leads_somewhere(document: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    path = document.parent / name if name else document
    return path.exists() and (not anchor or anchor in heading_anchors(path))


def heading_anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a Markdown file."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
