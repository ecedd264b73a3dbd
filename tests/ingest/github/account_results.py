"""Results of accounts one by one, for tests that do not look at which are complete together."""

from collections.abc import Iterator, Sequence
from typing import Any

from ingest.github import AccountRequest, AccountResult, GitHub


def account_results(github: GitHub, requests: Sequence[AccountRequest], **how: Any) -> Iterator[AccountResult]:
    """Yield the results of `GitHub.account_groups`; *how* are its further arguments."""
    for group in github.account_groups(requests, **how):
        yield from group
