"""Changes of the URL that the browser has not reported yet.

A script run reads the URL as the browser had it when it asked for the run. Where browser or connection are slow, that is
the URL of before the last change: a run that a second field starts would then undo what was typed into the first.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

CHANGES_KEY = "url-changes"


def write(param: str, value: str) -> None:
    """Write *value* to query parameter *param*, which is removed for empty text."""
    restore()
    ctx = get_script_run_ctx()
    if ctx is not None:
        changes: dict[tuple[str, str], tuple[str, ...]] = st.session_state.get(CHANGES_KEY, {})
        key = (ctx.page_script_hash, param)
        earlier = changes.get(key) or (_reported(ctx, param),)
        st.session_state[CHANGES_KEY] = changes | {key: (*earlier, value)}
    _put(param, value)


def correct(param: str, values: list[str]) -> None:
    """Write *values* to *param* before the widget that is bound to it is first drawn.

    Such a widget starts with what the browser reported, not with what was written since.
    """
    st.query_params[param] = values
    ctx = get_script_run_ctx()
    if ctx is not None:
        with ctx.session_state.query_params() as params:
            params._initial_query_params[param] = list(values)


def restore() -> None:
    """Write again what the browser has not reported yet; call this before a run reads the URL.

    Who goes back or forward in the browser's history, or to another page, means the URL as it is.
    """
    ctx = get_script_run_ctx()
    changes: dict[tuple[str, str], tuple[str, ...]] = st.session_state.get(CHANGES_KEY, {})
    if ctx is None or not changes:
        return
    unreported = (
        {}
        if ctx.is_history_navigation
        else {
            (page, param): values
            for (page, param), values in changes.items()
            if page == ctx.page_script_hash
            and _reported(ctx, param) in values[:-1]
            and _reported(ctx, param) != values[-1]
        }
    )
    st.session_state[CHANGES_KEY] = unreported
    for (_, param), values in unreported.items():
        if st.query_params.get(param, "") != values[-1]:
            _put(param, values[-1])


def _reported(ctx: ScriptRunContext, param: str) -> str:
    """Return *param* as the browser had it when it asked for this run."""
    with ctx.session_state.query_params() as params:
        return (params._initial_query_params.get(param) or [""])[-1]


def _put(param: str, value: str) -> None:
    if value:
        st.query_params[param] = value
    else:
        st.query_params.pop(param, None)
