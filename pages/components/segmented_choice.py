"""A choice among a few options: a segmented control bound to the URL."""

from collections.abc import Mapping
from typing import TypeVar

import streamlit as st

from pages.components import query_params
from pages.components.markdown import escape_markdown

Value = TypeVar("Value")


def segmented_choice(label: str, options: Mapping[str, Value], *, key: str, default: str | None = None) -> Value:
    """Return the value of the selected option; *options* maps button labels to values, the first is the default.

    The URL holds the label, case-insensitively. An unknown label in the URL shows a warning.
    """
    default_label = default or next(iter(options))
    given = query_params.get_all(key)
    if given and given[-1] not in options:
        match = next((name for name in options if name.lower() == given[-1].lower()), None)
        if match is None:
            st.warning(
                f"Ignored {query_params.quoted(f'{key}={given[-1]}')} in the URL: choose one of "
                f"{', '.join(map(escape_markdown, options))}.",
                icon=":material/link_off:",
            )
        else:
            query_params.preselect(key, [match], several=False)
    selected = st.segmented_control(
        label,
        list(options),
        format_func=escape_markdown,
        default=None if key in st.session_state else default_label,
        required=True,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
    )
    return options[selected or default_label]
