"""One of a few, in a row of buttons and in the URL."""

from collections.abc import Mapping

import streamlit as st


def segmented_choice(label: str, options: Mapping[str, str], *, key: str, default: str | None = None) -> str:
    """Let the reader choose one of *options*: what a button says -> its value; the first unless *default*.

    The URL holds what the button says, without regard to case. What it says and no button offers is told.
    """
    usual = default or next(iter(options))
    given = st.query_params.get(key)
    if given is not None and given not in options:
        near = next((name for name in options if name.lower() == given.lower()), None)
        if near is None:
            st.warning(f"`{key}={given[:60]}` is none of {', '.join(options)}.", icon=":material/link_off:")
        else:
            st.session_state[key] = near
    chosen = st.segmented_control(
        label,
        list(options),
        default=None if key in st.session_state else usual,
        required=True,
        key=key,
        bind="query-params",
        label_visibility="collapsed",
    )
    return options[chosen or usual]
