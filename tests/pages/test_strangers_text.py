"""No page writes text of GitHub or of people into Markdown without `escape_markdown` (or `code_span`).

Every f-string in `pages/`, and every argument that Streamlit reads as Markdown, may hold only: constants, numbers and
times (by format or by the function that wrote them), text that was escaped, and the names in REVIEWED.
"""

import ast
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "pages").rglob("*.py"))
# Functions whose result is literal in Markdown: escaped, or numbers and times in words.
LITERAL = {
    *(
        "escape_markdown",
        "code_span",
        "link",
        "account_link",
        "quantity",
        "pluralize",
        "time_ago",
        "window",
        "len",
        "type",
    ),
    *(
        "number",
        "signed",
        "signed_number",
        "percent",
        "byte_size",
        "day",
        "duration",
        "round",
        "int",
        "float",
        "min",
        "max",
        "sum",
    ),
}
# Arguments that Streamlit reads as Markdown: the first one, or by these names.
SINKS = {
    *("markdown", "caption", "header", "subheader", "title", "info", "warning", "error", "success", "toast", "write"),
    *(
        "badge",
        "metric",
        "popover",
        "expander",
        "page_link",
        "link_button",
        "download_button",
        "button",
        "tabs",
        "pills",
    ),
    *(
        "form_submit_button",
        "checkbox",
        "toggle",
        "radio",
        "segmented_control",
        "dialog",
        "status",
        "spinner",
        "progress",
    ),
    *("show_notice", "cell", "table_cell", "line_cell", "shares_cell"),
}
CELLS = {"cell", "table_cell", "line_cell", "shares_cell"}
SINK_KEYWORDS = {"help", "label", "body", "text", "empty", "note", "definition"}
# These take plain text: keys, names of files, texts for screen readers.
PLAIN_KEYWORDS = {"key", "alt", "file_name", "query_params", "placeholder", "args", "name", "login"}
PLAIN_CALLS = {"debug", "exception", "text", "code", "html", "get", "pop", "setdefault", "export_button", "startswith"}
# Attributes and columns that hold numbers, times or our own words, not text of others.
OWN = {
    *("id", "remaining", "amount", "limit", "checked_out", "max_connections", "state", "role", "http_status", "type"),
    *("request_id", "days", "hours", "captured_at", "run_id", "word", "summary", "hint", "priority", "__version__"),
}  # fmt: skip


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@lru_cache(maxsize=1)
def page_functions() -> dict[str, ast.FunctionDef]:
    return {one.name: one for path in PAGES for one in ast.walk(tree(path)) if isinstance(one, ast.FunctionDef)}


class Scope:
    """What the names of one function (and of its module) were assigned."""

    def __init__(self, module: ast.Module, function: ast.AST | None) -> None:
        self.functions = page_functions()
        self.values: dict[str, list[ast.expr]] = {}
        self.own: set[str] = set()
        self.open: set[str] = set()
        for node in (*module.body, *(ast.walk(function) if function else statements(module, None))):
            self._learn(node)

    def _learn(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind(target, value)
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ) if value is not None:
                self.values.setdefault(name, []).append(value)
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                self.values.setdefault(name, []).append(value)
            case ast.For(target=target, iter=source) | ast.comprehension(target=target, iter=source):
                self._bind(target, source)
            case ast.arg(arg=name, annotation=annotation) if annotation is not None:
                if ast.unparse(annotation) in {"int", "float", "datetime", "timedelta", "bool", "datetime | None"}:
                    self.own.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[value]):
                self.values.setdefault(name, []).append(value)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple):
            parts = value.elts if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts) else None
            for index, one in enumerate(target.elts):
                self._bind(one, parts[index] if parts else value)

    def foreign(self, node: ast.AST | None) -> Iterator[str]:
        """Yield the parts of an expression that may hold text of others."""
        match node:
            case None | ast.Constant():
                pass
            case ast.FormattedValue(value=value, format_spec=spec):
                if spec is None:
                    yield from self.foreign(value)
            case ast.JoinedStr(values=items) | ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                for item in items:
                    yield from self.foreign(item)
            case ast.BoolOp(values=items):
                for item in items:
                    yield from self.foreign(item)
            case ast.Dict(keys=keys, values=values):
                for item in (*keys, *values):
                    yield from self.foreign(item)
            case ast.IfExp(body=body, orelse=orelse):
                yield from (*self.foreign(body), *self.foreign(orelse))
            case ast.BinOp(left=left, right=right):
                yield from (*self.foreign(left), *self.foreign(right))
            case ast.Starred(value=value) | ast.NamedExpr(value=value) | ast.Subscript(value=ast.Name() as value) if (
                not isinstance(node, ast.Subscript) or value.id in self.values or value.id.isupper()
            ):
                yield from self.foreign(value)
            case ast.GeneratorExp(elt=element, generators=loops) | ast.ListComp(elt=element, generators=loops):
                for loop in loops:
                    self._bind(loop.target, loop.iter)
                yield from self.foreign(element)
            case ast.UnaryOp() | ast.Compare():
                pass
            case ast.Call():
                yield from self._foreign_call(node)
            case ast.Name(id=name):
                yield from self._foreign_name(name)
            case ast.Attribute(attr=attr, value=value):
                root = value
                while isinstance(root, ast.Attribute):
                    root = root.value
                if not (
                    attr in OWN
                    or attr.isupper()
                    or attr.startswith("is_")
                    or attr.endswith("_at")
                    or getattr(root, "id", "").isupper()
                ):
                    yield ast.unparse(node)
            case ast.Subscript(slice=ast.Constant(value=str() as key)):
                if key not in OWN and not key.endswith("_at"):
                    yield ast.unparse(node)
            case _:
                yield ast.unparse(node)

    def _foreign_name(self, name: str) -> Iterator[str]:
        if name.isupper() or name in self.own or name in self.open:
            return
        if name not in self.values:
            yield name
            return
        self.open.add(name)
        for value in self.values[name]:
            yield from self.foreign(value)
        self.open.discard(name)

    def _foreign_call(self, node: ast.Call) -> Iterator[str]:
        name = called(node)
        if name in LITERAL or name == "range":
            return
        if name in {"join", "filter", "list", "sorted", "enumerate", "zip", "fromkeys", "str", "map", "reversed"}:
            mapped = isinstance(node.func, ast.Name) and name == "map"
            if mapped and getattr(node.args[0], "id", "") in LITERAL:
                return
            for argument in node.args[1:] if mapped else node.args:
                yield from self.foreign(argument)
        elif name in {"items", "values", "keys", "get", "replace", "lower", "capitalize", "strip", "removesuffix"}:
            yield from self.foreign(getattr(node.func, "value", None))
            if name == "get" and len(node.args) == 2:
                yield from self.foreign(node.args[1])
        elif name in self.functions and name not in self.open and not name.startswith("_"):
            function = self.functions[name]
            inner = Scope(ast.Module([], []), function)
            inner.functions, inner.open = self.functions, self.open | {name}
            inner.values |= {key: value for key, value in self.values.items() if key.isupper()}
            returned = [one.value for one in ast.walk(function) if isinstance(one, ast.Return)]
            for value in returned:
                yield from inner.foreign(value)
        elif name not in self.open:
            yield f"{name}(…)"


def functions_of(module: ast.Module) -> Iterator[ast.FunctionDef | None]:
    yield None
    yield from (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef))


def statements(module: ast.Module, function: ast.FunctionDef | None) -> Iterator[ast.AST]:
    """Yield the nodes of a function, or of a module outside functions; without docstrings' and plain arguments."""
    waiting: list[ast.AST] = list(function.body if function else module.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.Raise):
            continue
        yield node
        if isinstance(node, ast.Call):
            if called(node) in PLAIN_CALLS | LITERAL:
                continue
            keywords = [one for one in node.keywords if one.arg not in PLAIN_KEYWORDS]
            waiting += [node.func, *node.args, *keywords]
        else:
            waiting += ast.iter_child_nodes(node)


def foreign_text(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and expression of what may put text of others into Markdown."""
    for function in functions_of(module):
        scope = Scope(module, function)
        for node in statements(module, function):
            checked: list[ast.expr] = []
            if isinstance(node, ast.JoinedStr):
                checked = [node]
            elif isinstance(node, ast.Call):
                is_sink = called(node) in SINKS and (
                    not isinstance(node.func, ast.Attribute) or getattr(node.func.value, "id", "") == "st"
                )
                # st.progress begins with a number, st.page_link with a page; a cell with a question and how to read it.
                count = 0 if called(node) in {"progress", "page_link"} else 2 if called(node) in CELLS else 1
                checked = node.args[:count] if is_sink else []
                checked += [one.value for one in node.keywords if one.arg in SINK_KEYWORDS]
            for expression in checked:
                yield from ((node.lineno, text) for text in scope.foreign(expression))


# What the rules above cannot tell: our own words and numbers, parameters that are Markdown by their docstring, and text
# that goes into tables, URLs and scripts.
REVIEWED = {
    "account.py": {"reason", "subject", "account.login"},  # of `empty_sentence`: an escaped login; a path of the API
    "languages.py": {"_sentence(…)", "definitions.LANGUAGE_MEASURES[measure]", "measure"}
    | {"options[selected or default_label]", "quote(…)"},
    "main.py": {"page.title", "comparison.parse_names(query_params.get_all('with')).names"},
    "compare.py": {"measure", "_base_sentence(…)", "_names(…)", "compare_cells.MEASURE_DEFINITIONS[choice.kind]"}
    | {"options[selected or default_label]"},
    "movers.py": {"period", "urlencode(…)"},
    "overview.py": {
        "options[selected or default_label]",
        "labels.PERIODS[days]",
        "period",
        "counts.due",
        "counts.failing",
        "counts.paused",
        "counts.queued",
    },
    "profile_page.py": {"_first_match(…)", "api_keys.NOUNS[kind]", "kind", "removeprefix(…)"},
    "register.py": {"invalid", "settings().base_url"},
    "reset.py": {"invalid"},
    "repository.py": {"found.full_name"},  # a path of the API
    "scene.py": {"format(…)"},
    "sign_in.py": {"st.session_state", "settings().base_url"},
    "tracking.py": {"latest_plan_summary(…)"},  # numbers in a sentence of ours
    "components/alert_list.py": {"RULE_KINDS[kind].title", "kind"},
    "components/alt_text.py": {"column", "labels", "texts"},
    "components/as_of.py": {"error", "help_text", "param", "path", "refused", "shortcuts(…)", "urlencode(…)"}
    | {"st.session_state"}  # the sentence that says which time is refused
    | {
        "{name: as_of_text(end_of_day(found)) for name, found in shortcuts(day).items()}"
    },  # of `core.as_of`: names the parameter, never the value
    "components/cell.py": {"definition", "empty", "how_to_read", "note", "question"}
    | {"name", "path", "urlencode(…)"},  # the URL in a report
    "components/cell_menu.py": {"note", "option"},  # constants; a note drawn into the chart's SVG as text
    "components/columns.py": {"day", "label", "name"},
    "components/compare_link.py": {"label"},
    "components/devices.py": {"_first_match(…)"},
    "components/empty_sentence.py": {"reason", "subject"},  # our words; who calls it escapes the login
    "components/export.py": {"exceeded", "extension", "help", "label", "name", "read_rows(…)"},
    "components/github_budget.py": {"query(…)"},
    "components/history_cell.py": {"how_to_read", "note", "period", "question"},
    "components/markdown.py": {"without_links_and_emoji(…)"},
    "components/metric_cards.py": {"card.help", "card.label", "card.span", "key"}
    | {"_compared(…)", "_shown(…)", "_span(…)"},  # numbers and dates
    "components/movers_texts.py": {"period"},
    "components/navigation.py": {"self.path", "entry.path"},
    "components/notices.py": {"sentence"},
    "components/page_notebook.py": {"_bare_strings(…)", "title"},  # of the page's own file
    "components/query_params.py": {"st.query_params", "key", "path", "urlencode(…)"},  # escaped where they are shown
    "components/report_number.py": {"cell.note", "cell.question"},  # Markdown of the cell itself
    "components/remaining_quota.py": {"exceeded"},
    "components/segmented_choice.py": {"key", "label"},
    "components/status_cards.py": {"card.lines", "parts"},
    "components/table_cell.py": {"definition", "empty", "note"},
    "components/track_request.py": {"renamed_to(…)", "repository"},  # of a URL's parameters
    "sections/account_contributions.py": {"note"},
    "sections/account_languages.py": {"note", "reason", "subject"},  # of `empty_sentence`
    "sections/account_portfolio_cells.py": {"_decimal(…)", "note", "rank.age_class", "_why_empty(…)"},
    "sections/account_header.py": {"page_url(…)"},
    "sections/account_outcome.py": {"item['error']"},  # for tables; escaped where it meets Markdown
    "sections/add_accounts.py": {"entry.line", "entry.reason", "pop(…)"},
    "sections/alert_rules.py": {
        "RULE_KINDS[kind].sentence",
        "RULE_KINDS[kind].title",
        "field.description",
        "key",
        "kind",
    }
    | {"model.model_fields", "name", "pop(…)", "title"},
    "sections/change_feed.py": {
        "memoized(…)",
        "kind",
        "urlencode(…)",
        "_filters(…)",
        "within",
    },  # days, and kinds that only we write
    "sections/compare_cells.py": {"measure", "align", "_names(…)", "_rank(…)"}  # names are escaped, a rank too
    | {"row.name", "iterrows(…)", "row['language']", "row['age_class']"},  # for screen readers; else escaped as a whole
    "sections/compare_input.py": {"_refusals(…)", "_listed(…)"},  # escape each name
    "sections/invite_people.py": {"itertuples(…)"},
    "sections/language_sentences.py": {"measure", "reason"},
    "sections/number_reports.py": {
        "report['url']",
        "query(…)",
    },  # made by `query_params.path_with_query`, which encodes it
    "sections/overview_totals.py": {"RULE_KINDS[kind].title", "kind", "counts.due", "counts.failing"}
    | {"columns(…)", "counts.paused", "counts.queued"},
    "sections/person_detail.py": {"api_keys(…)", "assign(…)", "sessions(…)", "timedelta(…)"},
    "sections/recent_failures.py": {"query(…)"},
    "sections/repository_table.py": {"no_match"},
    "sections/running_ingestions.py": {"ingestion['trigger']", "pop(…)", "query(…)"}
    | {"jobs[jobs['working'] + jobs['waiting'] > 0]['kind']"},
    "sections/repository_facts_cells.py": {"quiet_sentence(…)", "value"},
    "sections/scene_view.py": {"left_out", "deck.growth_labels(found)[0]"},  # numbers
    "sections/since_last_visit.py": {"RULE_KINDS[kind].title", "kind", "as_of_text(…)"},
    "sections/settings_list.py": {"almanac_version(…)", "machine(…)", "python_version(…)", "query(…)", "release(…)"}
    | {
        "settings_warnings(…)",
        "system(…)",
        "{label: version(distribution) for label, distribution in LIBRARIES.items()}",
    },
    "sections/stored_data.py": {"query(…)", "status.last_month"},
    "sections/system_status.py": {"python_version(…)", "server.name"},
    "sections/tracked_table.py": {"pop(…)"},
    "sections/webhooks.py": {"deliveries(…)", "pop(…)"},
    "session/browser.py": {"entry.path", "name", "settings().base_url"},
    "session/guard.py": {"exceeded", "title"},
    "session/form_fields.py": {"focus", "rules_for"},
    "components/page_replay.py": {"WhichOneof(…)"},  # a kind of element, for a log line
}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT / "pages")))
def test_pages_write_only_literal_text_into_markdown(path):
    """Escape what this finds with `escape_markdown`; name it in REVIEWED if it is no text of others."""
    reviewed = REVIEWED.get(str(path.relative_to(ROOT / "pages")), set())
    assert [found for found in sorted(set(foreign_text(tree(path)))) if found[1] not in reviewed] == []


def test_what_is_reviewed_is_still_there():
    found = {str(path.relative_to(ROOT / "pages")): {text for _, text in foreign_text(tree(path))} for path in PAGES}
    assert {name: stale for name, names in REVIEWED.items() if (stale := names - found.get(name, set()))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("st.markdown(f'**{profile.name}**')", ["profile.name"]),
        ("st.markdown(f'**{escape_markdown(profile.name)}**, {stars:,}, {day(profile.created_at)}')", []),
        ("st.caption(profile.bio)", ["profile.bio"]),
        ("name = profile.name or 'nobody'\nst.toast(name)", ["profile.name"]),
        ("st.info(', '.join(f'**{one}**' for one in logins))", ["logins"]),
        ("st.info(', '.join(map(escape_markdown, logins)))", []),
        ("parts = []\nparts.append(row['login'])\nst.warning(' · '.join(parts))", ["row['login']"]),
        ("def show(error):\n    st.error(f'{error}.')", ["error"]),
        ("def show(at: datetime):\n    st.error(f'{at}.')", []),
        ("st.button('Go', help=account.note, key=f'go-{account.login}')", ["account.note"]),
        ("st.page_link('account.py', label=f'All of {row.owner}')", ["row.owner"]),
        ("cell('Who?', f'By {source}', frame)", ["source"]),
    ],
)
def test_the_rule_finds_what_is_not_escaped(source, found):
    assert sorted({text for _, text in foreign_text(ast.parse(source))}) == found
