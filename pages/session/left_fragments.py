"""Forgets the fragments of the page before where `st.stop()` ends a script run.

Streamlit 1.67.0 does so only at the end of a whole run. A request for such a fragment that is still on its way would
begin to draw where the page before had it, and the browser stops with an error if that place is taken.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx


@contextmanager
def forget_left_fragments() -> Iterator[None]:
    """Keep only the fragments that the block has drawn, if it is stopped."""
    try:
        yield
    except StopException:
        ctx = get_script_run_ctx()
        if ctx is not None:
            ctx.fragment_storage.clear(new_fragment_ids=ctx.shared.new_fragment_ids.snapshot())
        raise
