"""A fragment of the page before does not run once `st.stop()` has ended the script run of the next page."""

from types import SimpleNamespace

import pytest
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.scriptrunner import StopException
from streamlit.runtime.scriptrunner_utils.shared_run_state import SharedRunState

from pages.session import left_fragments


@pytest.mark.parametrize(("is_stopped", "kept"), [(True, [False, True]), (False, [True, True])])
def test_only_a_stopped_run_forgets_what_it_has_not_drawn(
    monkeypatch: pytest.MonkeyPatch, is_stopped: bool, kept: list[bool]
) -> None:
    """Streamlit itself does it for a run that ends, and a run that is cut short may not have come to them yet."""
    storage, shared = MemoryFragmentStorage(), SharedRunState()
    for name in ("of the page before", "of this page"):
        storage.register(name, lambda: None)
    shared.new_fragment_ids.check_and_add("of this page")
    ctx = SimpleNamespace(fragment_storage=storage, shared=shared)
    monkeypatch.setattr(left_fragments, "get_script_run_ctx", lambda: ctx)
    if is_stopped:
        with pytest.raises(StopException), left_fragments.forget_left_fragments():
            raise StopException
    else:
        with left_fragments.forget_left_fragments():
            pass
    assert [storage.contains(name) for name in ("of the page before", "of this page")] == kept
