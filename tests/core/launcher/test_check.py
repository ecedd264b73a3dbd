"""`python -m core check` has a result for each component, whatever goes wrong."""

import pytest

from core.launcher import check


@pytest.mark.parametrize(
    ("error", "message"), [(OSError(), "OSError"), (ValueError("\nis too large\nat line 3"), "is too large")]
)
def test_a_failure_is_reported_in_one_line_with_a_message_or_without(error, message):
    def fail():
        raise error

    assert check._run_check("data", fail) == check.CheckResult("data", is_ok=False, message=message)
