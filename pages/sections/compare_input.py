"""The top of the compare page: what is to be compared, kept in the URL as `with`, and what of it cannot be."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import streamlit as st

from core.analysis import comparison
from core.analysis.comparison import AskedNames
from core.queries import accounts, compare, repository_detail
from core.queries.compare import Choice
from core.wording import quantity
from pages.components import query_params
from pages.components.format import day
from pages.components.former_names import name_sentence
from pages.components.markdown import escape_markdown
from pages.session import guard

PARAM, KEY, REFUSED_KEY = "with", "compared_names", "compared_names_refused"
MAX_LISTED = 3


def names_input() -> AskedNames:
    """Draw the input and return the names in the URL, at most ten."""
    asked = comparison.parse_names(query_params.get_all(PARAM))
    if KEY not in st.session_state or tuple(st.session_state[KEY]) != asked.names:
        st.session_state[KEY] = list(asked.names)
    options = [*accounts.suggestions()["login"], *repository_detail.suggestions()["full_name"]]
    st.multiselect(
        "Accounts or repositories",
        [*asked.names, *(name for name in options if name not in asked.names)],
        key=KEY,
        accept_new_options=True,
        placeholder="Type or paste up to ten logins, or names like owner/name",
        label_visibility="collapsed",
        on_change=_write_to_url,
    )
    refused: AskedNames = st.session_state.pop(REFUSED_KEY, asked)
    return AskedNames(asked.names, refused.left_out, refused.invalid)


@guard.callback()
def _write_to_url() -> None:
    asked = comparison.parse_names(st.session_state[KEY])
    st.session_state[REFUSED_KEY] = asked
    query_params.set_param(PARAM, ",".join(asked.names))


def show_choice(asked: AskedNames, selected: datetime | None) -> Choice:
    """Find what is asked for, and say what of it is left out and why."""
    choice = compare.choose(asked.names, selected)
    for sentence in _refusals(asked, choice, selected):
        st.warning(sentence, icon=":material/person_off:")
    for one in choice.subjects:
        is_former = one.asked.lower() not in {one.name.lower(), one.current_name.lower()}
        if sentence := name_sentence(one.asked, one.name, one.current_name, selected, is_former=is_former):
            st.info(sentence, icon=":material/badge:")
    if not choice.subjects and not any((asked.names, asked.invalid)):
        st.info(
            "Nothing is stored yet that could be compared. The overview says how to begin."
            if accounts.suggestions().empty
            else "Choose accounts or repositories above: logins, names like octocat/hello-world, or URLs. The link of "
            "this page shows the same comparison.",
            icon=":material/search:",
        )
    return choice


def _refusals(asked: AskedNames, choice: Choice, selected: datetime | None) -> Iterable[str]:
    """Yield one sentence of Markdown for each reason."""
    if asked.left_out:
        count = len(asked.names) + asked.left_out
        yield f"At most {comparison.MAX_SUBJECTS} can be compared: the first of {quantity(count, 'name')} are shown."
    if asked.invalid:
        rest = len(asked.invalid) - MAX_LISTED
        reasons = ". ".join(escape_markdown(reason) for reason in asked.invalid[:MAX_LISTED])
        yield f"{reasons}." + (f" So {quantity(rest, 'other')}." if rest > 0 else "")
    if choice.unknown:
        yield f"Nothing is stored about {_listed(choice.unknown)}. Their own pages say why, and how to have them tracked."
    if choice.not_created and selected is not None:
        yield f"{_listed(choice.not_created)} did not exist on {day(selected)}."
    if choice.other_kind:
        kind = "accounts" if choice.kind == "repository" else "repositories"
        yield (
            f"Accounts and repositories cannot be compared with each other. Left out because they are {kind}: "
            f"{_listed(choice.other_kind)}."
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"**{escape_markdown(name)}**" for name in names[:MAX_LISTED])
    rest = len(names) - MAX_LISTED
    return f"{shown} and {rest:,} more" if rest > 0 else shown
