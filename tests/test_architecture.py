"""Architecture rules, checked in the source: import directions, and no values written into SQL."""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest

# One worker parses the modules, once for all rules.
pytestmark = pytest.mark.xdist_group("tests/test_architecture.py")
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "ingest", "pages")
MODULES = sorted(path for part in PACKAGES for path in (ROOT / part).rglob("*.py") if "versions" not in path.parts)
FORBIDDEN_IMPORTS = {
    "core": {"ingest", "pages", "app", "streamlit", "httpx"},
    "ingest": {"pages", "app", "streamlit"},
    "pages": {"ingest", "app", "httpx"},
}
WARN_FILE_LINES, WARN_FUNCTION_LINES = 400, 60
MAX_FILE_LINES, MAX_FUNCTION_LINES = 1000, 150


def relative_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parse_module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """All nodes of a module."""
    return list(ast.walk(parse_module(path)))


def imported_packages(path: Path) -> Iterator[str]:
    """The top-level names that a module imports, anywhere in it."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]


def offences(paths: Iterable[Path], find: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """Return what *find* returns for each of *paths*, without those where it is nothing."""
    return {relative_path(path): found for path in paths if (found := sorted(find(path)))}


def test_imports_point_one_way():
    def forbidden(path: Path) -> set[str]:
        return set(imported_packages(path)) & FORBIDDEN_IMPORTS[path.relative_to(ROOT).parts[0]]

    assert offences(MODULES, forbidden) == {}


def test_of_the_project_only_the_web_process_knows_streamlit_and_only_ingest_knows_httpx():
    def users(library: str) -> set[str]:
        return {
            relative_path(path).split("/")[0]
            for path in [*MODULES, ROOT / "app.py"]
            if library in imported_packages(path)
        }

    assert users("streamlit") == {"app.py", "pages"}
    assert users("httpx") <= {"ingest"}


def test_no_page_shadows_a_module():
    """While a script runs, `pages/` comes first on the path."""
    pages = {path.stem for path in (ROOT / "pages").iterdir()}
    known = set(sys.stdlib_module_names) | set(packages_distributions()) | {"core", "ingest", "app"}
    assert not pages & (known - {"pages"})


def test_the_script_has_no_folder_called_pages_beside_it():
    """Streamlit would serve such a folder by itself until the navigation has run once."""
    assert not (ROOT / "pages" / "pages").exists()
    assert (ROOT / "pages" / "main.py").exists()


def root_name(node: ast.expr) -> str:
    """What an expression begins with: `held` of `held(x).y`, `ORDERS` of `ORDERS[x]`."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        elif isinstance(node, ast.IfExp):
            node = node.body
        else:
            return ast.dump(node)
    return node.id


SQL_WORD = re.compile(r"\b(SELECT|FROM|WHERE|JOIN|CASE|ORDER BY)\b")
QUERIES = sorted((ROOT / "core" / "queries").glob("*.py"))


def text_parameters(function: ast.FunctionDef) -> list[str]:
    """The parameters of *function* in order; empty for one that is not a text."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [one.arg if one.annotation and "str" in ast.unparse(one.annotation) else "" for one in arguments]


def sql_parts(text: ast.AST) -> list[ast.expr]:
    """What an f-string with SQL, or a call of `format`, writes into it."""
    if isinstance(text, ast.JoinedStr) and SQL_WORD.search(ast.unparse(text)):
        return [part.value for part in text.values if isinstance(part, ast.FormattedValue)]
    if isinstance(text, ast.Call) and isinstance(text.func, ast.Attribute) and text.func.attr == "format":
        return [*text.args, *(keyword.value for keyword in text.keywords)]
    return []


def assigned_values(name: str, function: ast.FunctionDef) -> list[ast.expr]:
    """What a local variable is assigned, or taken from by a comprehension."""
    return [
        node.value if isinstance(node, ast.Assign) else node.iter
        for node in ast.walk(function)
        if (isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets))
        or (isinstance(node, ast.comprehension) and ast.unparse(node.target) == name)
    ]


def names_behind(value: ast.expr, function: ast.FunctionDef) -> set[str]:
    """The names that a text is made of, those behind local variables too; not what is given to functions."""
    if isinstance(value, ast.JoinedStr):
        parts = [part.value for part in value.values if isinstance(part, ast.FormattedValue)]
    elif isinstance(value, ast.IfExp):
        parts = [value.body, value.orelse]
    elif isinstance(value, ast.Name | ast.Attribute):
        name = root_name(value)
        return {name}.union(*(names_behind(one, function) for one in assigned_values(name, function)))
    else:
        return set()
    return set().union(*(names_behind(part, function) for part in parts))


class SqlParameters:
    """Which text parameters of the functions of `core.queries` are written into SQL, by themselves or passed on."""

    def __init__(self, paths: Iterable[Path]) -> None:
        functions = [node for path in paths for node in nodes_of(path) if isinstance(node, ast.FunctionDef)]
        self.parameters = {function.name: text_parameters(function) for function in functions}
        self.written: dict[str, set[str]] = {name: set() for name in self.parameters}
        before = -1
        while before != (before := sum(map(len, self.written.values()))):
            for function in functions:
                parts = [part for node in ast.walk(function) for part in [*sql_parts(node), *self.passed_on(node)]]
                names = {name for part in parts for name in names_behind(part, function)}
                self.written[function.name] |= names & set(self.parameters[function.name])

    def passed_on(self, node: ast.AST) -> list[ast.expr]:
        """Arguments of a call that its function writes into SQL."""
        if not isinstance(node, ast.Call):
            return []
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        given = [*zip(self.parameters.get(name, ()), node.args, strict=False)]
        given += [(keyword.arg or "", keyword.value) for keyword in node.keywords]
        return [value for parameter, value in given if parameter in self.written.get(name, ())]

    def is_ours(self, value: ast.AST, function: ast.FunctionDef | None) -> bool:
        """Whether *value* is made of texts and constants of our source, or of a parameter checked where it is given."""
        if isinstance(value, ast.Constant):
            return True
        if isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
            name = root_name(value)
            assigned = assigned_values(name, function) if function else []
            return (
                name.isupper()
                or (function is not None and name in self.written[function.name])
                or (bool(assigned) and all(self.is_ours(one, function) for one in assigned))
            )
        inner = {
            ast.Tuple: lambda: value.elts,
            ast.IfExp: lambda: [value.body, value.orelse],
            ast.JoinedStr: lambda: [part.value for part in value.values if isinstance(part, ast.FormattedValue)],
            ast.Call: lambda: [
                *([value.func.value] if isinstance(value.func, ast.Attribute) else ()),
                *value.args,
                *(keyword.value for keyword in value.keywords),
            ],
        }.get(type(value))
        return inner is not None and all(self.is_ours(one, function) for one in inner())

    def foreign_texts(self, path: Path) -> Iterator[str]:
        """Arguments in a module that are written into SQL although a caller could have them from a person."""
        functions = [node for node in nodes_of(path) if isinstance(node, ast.FunctionDef)]
        function_of = {id(node): function for function in functions for node in ast.walk(function)}
        for node in nodes_of(path):
            for part in self.passed_on(node):
                if not self.is_ours(part, function_of.get(id(node))):
                    yield f"line {node.lineno}: {ast.unparse(part)}"


def test_what_is_written_into_sql_is_text_of_our_source():
    """Values are bound. A text that becomes part of a query is a constant wherever it is given."""
    assert offences(MODULES, SqlParameters(QUERIES).foreign_texts) == {}


def test_a_text_of_a_person_in_sql_is_found_wherever_it_comes_from(tmp_path):
    path = tmp_path / "rows.py"
    path.write_text(
        "ORDER = 'stars'\n"
        "def rows(order: str, table: str):\n    return f'SELECT * FROM {_named(table)} ORDER BY {order}'\n"
        "def _named(table: str):\n    return 'repository_{name}'.format(name=table)\n"
        "def page(chosen):\n"
        "    order = f'{ORDER} DESC'\n    rows(order, 'summary')\n    rows(chosen, 'summary')\n"
        "    name = chosen.lower()\n    return rows(ORDER, f'of_{name}')\n"
    )
    assert sorted(SqlParameters([path]).foreign_texts(path)) == ["line 11: f'of_{name}'", "line 9: chosen"]


def test_cached_queries_do_not_use_the_current_time():
    """A cached result must not depend on when it was computed."""

    def uses(path: Path) -> Iterator[str]:
        for node in nodes_of(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "SELECT" in node.value:
                text = node.value.lower()
                yield from (name for name in ("now()", "current_date", "current_time") if name in text)

    assert offences(QUERIES, uses) == {}


def nodes_run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below *node* but the bodies of functions."""
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (is_function and field == "body"):
                yield child
                yield from nodes_run_at_import(child)


def test_no_test_compares_with_the_time_its_module_was_imported():
    """It would fail on a slow machine and over midnight."""

    def clocks_read(path: Path) -> Iterator[str]:
        for node in nodes_run_at_import(parse_module(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"datetime.now", "date.today", "time.time"}:
                yield f"line {node.lineno}"

    assert offences((ROOT / "tests").rglob("*.py"), clocks_read) == {}


def streamlit_calls(path: Path, names: set[str]) -> Iterator[str]:
    """The module's uses of `st.fragment` and the like, however they are imported."""
    for node in nodes_of(path):
        if isinstance(node, ast.Attribute) and node.attr in names and root_name(node) in {"st", "streamlit"}:
            yield node.attr
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "streamlit":
            yield from (alias.name for alias in node.names if alias.name in names)


def test_fragments_and_dialogs_are_made_by_the_guard_which_checks_the_session():
    """Streamlit runs them without the main script, so each would have to think of the check itself."""
    makers = {
        relative_path(path): sorted(used)
        for path in [*MODULES, ROOT / "app.py"]
        if (used := set(streamlit_calls(path, {"fragment", "dialog", "experimental_fragment", "experimental_dialog"})))
    }
    assert makers == {"pages/session/guard.py": ["dialog", "fragment"]}


def test_only_the_wait_for_the_database_is_shown_without_a_session():
    users = [path for path in (ROOT / "pages").rglob("*.py") if "sessionless_fragment" in path.read_text("utf-8")]
    assert sorted(map(relative_path, users)) == ["pages/main.py", "pages/session/guard.py"]


def unguarded_callbacks(path: Path) -> Iterator[str]:
    """Functions of ours that the module passes to a widget as a callback without the guard's check."""
    tree = parse_module(path)
    guarded = {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(ast.unparse(decorator).startswith("guard.callback(") for decorator in function.decorator_list)
    }
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        for keyword in call.keywords:
            if not re.fullmatch(r"on_(click|change|select|submit|dismiss|\w+_change)", keyword.arg or ""):
                continue
            given = ast.unparse(keyword.value)
            # Streamlit's own functions, its names of a behaviour, and one that does nothing.
            is_harmless = given.startswith(("st.", "'")) or given == "lambda: None"
            # Guarded where it is defined: see GUARDED_ELSEWHERE.
            if not is_harmless and given not in guarded and given not in GUARDED_ELSEWHERE:
                yield given


GUARDED_ELSEWHERE = {"export.check_export_limit"}
# Scripts of the sign-in itself, whose callbacks note what the browser reported.
CALLBACKS_BEFORE_A_SESSION = {"pages/session/browser.py"}


def test_callbacks_of_widgets_check_the_session():
    """A callback runs before the main script and before the fragment of its widget."""
    paths = [path for path in (ROOT / "pages").rglob("*.py") if relative_path(path) not in CALLBACKS_BEFORE_A_SESSION]
    assert paths
    assert offences(paths, unguarded_callbacks) == {}


def test_pages_write_no_sql():
    for path in (ROOT / "pages").rglob("*.py"):
        assert "SELECT " not in path.read_text(encoding="utf-8"), relative_path(path)


def function_lengths(path: Path) -> Iterator[tuple[str, int]]:
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{relative_path(path)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_long_files_and_functions_are_reported(record_property):
    """A reviewer sees what has grown long at the end of the run; only what nobody could read in one go fails."""
    files = {
        relative_path(path): len(path.read_text(encoding="utf-8").splitlines()) for path in [*MODULES, ROOT / "app.py"]
    }
    functions = dict(item for path in MODULES if "queries" not in path.parts for item in function_lengths(path))
    record_property("long files", {name: n for name, n in files.items() if n > WARN_FILE_LINES})
    record_property("long functions", {name: n for name, n in functions.items() if n > WARN_FUNCTION_LINES})
    assert not [name for name, n in files.items() if n > MAX_FILE_LINES]
    assert not [name for name, n in functions.items() if n > MAX_FUNCTION_LINES]


@cache
def project_imports(path: Path, *, at_import: bool = False) -> set[str]:
    """Modules of ours that a module imports; with *at_import* only those that it needs while it is loaded."""
    found: set[str] = set()
    nodes = loaded_first(parse_module(path)) if at_import else nodes_of(path)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULE_NAMES else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULE_NAMES


def loaded_first(module: ast.Module) -> Iterator[ast.AST]:
    """Statements that run when a module is imported: not those in functions or below `if TYPE_CHECKING`."""
    for node in module.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from ast.walk(node)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULE_NAMES = {module_name(path) for path in MODULES}


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


# Package → what it may not import of ours.
FORBIDDEN_LAYERS = {
    "core.analysis": ("core.queries", "core.charts", "core.web", "core.auth"),
    "core.export": ("core.web", "core.auth", "core.launcher"),
    "core.charts": ("core.queries", "core.web", "core.auth", "core.db"),
    "core.queries": ("core.web", "core.auth", "core.launcher"),
    "core.db": ("core.launcher", "core.queries", "core.web", "core.auth", "core.queue"),
    "core.auth": ("core.launcher", "core.web"),
    "core.geo": ("core.db", "core.queries", "core.web"),
}
# All that the GitHub client knows of ours.
CLIENT_MAY_IMPORT = (
    "ingest.github",
    "core.errors",
    "core.settings",
    "core.budget",
    "core.circuit_breaker",
    "core.clock",
    "core.wording",
)


@pytest.mark.parametrize("package", FORBIDDEN_LAYERS)
def test_inner_layers_do_not_import_outer_ones(package):
    wrong = [
        f"{relative_path(path)}: {imported_module}"
        for path in MODULES
        if within(module_name(path), package)
        for imported_module in project_imports(path)
        if within(imported_module, *FORBIDDEN_LAYERS[package])
    ]
    assert wrong == []


def test_the_github_client_imports_almost_nothing_of_the_project():
    wrong = [
        f"{relative_path(path)}: {imported_module}"
        for path in MODULES
        if within(module_name(path), "ingest.github")
        for imported_module in project_imports(path)
        if not within(imported_module, *CLIENT_MAY_IMPORT)
    ]
    assert wrong == []


def test_there_are_no_import_cycles():
    graph = {module_name(path): project_imports(path, at_import=True) for path in MODULES}
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join([*path[path.index(module) :], module])
        if module not in finished:
            for other in graph.get(module, ()):
                if other != module:
                    visit(other, (*path, module))
            finished.add(module)

    for module in graph:
        visit(module, ())


def test_a_section_belongs_to_exactly_one_page():
    """What two pages show is a component; a section that no page shows is dead."""
    graph = {module_name(path): project_imports(path) for path in MODULES if path.is_relative_to(ROOT / "pages")}

    def reachable(module: str) -> set[str]:
        return {module}.union(*(reachable(other) for other in graph.get(module, set()) - {module}))

    pages = [module for module in graph if module.count(".") == 1 and module != "pages.main"]
    shown = {page: reachable(page) for page in pages}
    users = {
        section: [page for page in pages if section in shown[page]]
        for section in graph
        if section.startswith("pages.sections.")
    }
    assert users
    assert {section: found for section, found in users.items() if len(found) != 1} == {}


# Words that the glossary replaces.
RETIRED_WORDS = {
    "purse": "rate budget",
    "crew": "worker pool",
    "wish": "tracking request",
    "wishes": "tracking requests",
    "told": "reported, response, notified",
    "said": "reported, text",
    "heard": "received, response",
    "looked": "refreshed, checked",
    "looks": "refreshes, checks",
    "rhythm": "cadence",
    "pace": "cadence",
    "anew": "again",
    "patience": "timeout",
    "noticed": "detected, recent alert",
    "readings": "enrichment, facts",
}


def words_of(path: Path) -> set[str]:
    """All words of a file: parts of its identifiers, and the words of its texts and comments."""
    text = re.sub("looke?[ds]([ _]up)", r"found\1", path.read_text(encoding="utf-8"))
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}


def test_the_glossarys_words_are_used():
    def retired(path: Path) -> list[str]:
        return [f"{word}: {RETIRED_WORDS[word]}" for word in words_of(path) & set(RETIRED_WORDS)]

    tests = set((ROOT / "tests").rglob("*.py")) - {Path(__file__)}
    assert offences([*MODULES, ROOT / "app.py", *sorted(tests)], retired) == {}


COUNTED_NOUNS = (
    "accounts|repositories|points|requests|rows|days|hours|minutes|seconds|jobs|runs|alerts|stars|followers|forks"
    "|languages|people|sessions|keys|weeks|months|captures|snapshots|workers|tokens|files|lines|errors|changes|links"
    "|bins|clients|owners|columns|attempts|entries|logins|contributors|releases|sources|events|districts"
)
COUNTED = re.compile(rf"^ (tracked |more |other |stored |new |open |waiting |due )?({COUNTED_NOUNS})\b")


def hard_coded_plurals(path: Path) -> list[str]:
    """Return the plural nouns that follow a computed number in a sentence; constants are never 1."""
    found = []
    for node in nodes_of(path):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, text in pairwise(parts):
            if not isinstance(value, ast.FormattedValue) or not isinstance(text, ast.Constant):
                continue
            names = [part.id for part in ast.walk(value.value) if isinstance(part, ast.Name)]
            names += [part.attr for part in ast.walk(value.value) if isinstance(part, ast.Attribute)]
            is_constant = any(name.isupper() for name in names)
            if not is_constant and COUNTED.match(text.value):
                found.append(f"line {value.lineno}: {text.value.strip()[:40]}")
    return found


# SQL and GraphQL, and ages of at least two days.
WITHOUT_COUNTED_NOUNS = {"sql_display.py", "graphql_queries.py", "wording.py"}


def test_nouns_agree_with_their_number():
    """`core.wording.quantity` writes "1 account"; a plural after a number would say "1 accounts"."""
    paths = [path for path in MODULES if path.name not in WITHOUT_COUNTED_NOUNS]
    assert offences(paths, hard_coded_plurals) == {}
