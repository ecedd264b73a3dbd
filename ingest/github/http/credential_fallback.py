"""Asking with one credential after another: a policy may deny one token what another, or anybody, may see.

A denial is remembered for a day (`CredentialPool.deny`), and none is asked twice for the same: a call sends at most as
many requests as there are credentials, and one more.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ingest.github.errors import (
    AccountNotFound,
    BadCredentials,
    GitHubError,
    PermissionDenied,
    RateLimited,
    RepositoryNotFound,
    Stopped,
)
from ingest.github.http.credentials import Credential, CredentialPool

T = TypeVar("T")
NOT_FOUND_ERRORS = (AccountNotFound, RepositoryNotFound)


def ask(
    pool: CredentialPool,
    login: str,
    send: Callable[[Credential], T],
    *,
    pinned: str | None = None,
    scope: str = "",
    may_be_anonymous: bool = True,
    is_public: bool = True,
) -> T:
    """Send with the credential that fetches *login*; while it is rejected or denied access, with the next one.

    *scope* names a part of the account's data: a denial is one of this part, unless another credential is granted what
    was denied. Not so where *is_public* is False: what needs rights of its own says nothing about public data.
    Raises what *send* raises; after denials by all credentials the first of them.
    """
    denials = Denials(pool, login, scope)
    tried: set[str] = set()
    rejection: GitHubError | None = None
    while credential := pool.choose(login, pinned, tried, scope=scope, may_be_anonymous=may_be_anonymous):
        tried.add(credential.fingerprint)
        try:
            found = send(credential)
        except BadCredentials as error:
            if not pool.is_rejected(credential):
                raise
            rejection = error
        except PermissionDenied as error:
            if not error.may_depend_on_token:
                raise
            denials.add(credential, error)
        except NOT_FOUND_ERRORS:
            if denials.first_error is None:  # the denial shows that it exists
                raise
        except RateLimited as error:
            error.is_of_fallback = _is_fallback(pool, credential, pinned)
            raise
        else:
            if is_public:
                denials.prove()
            return found
    raise denials.first_error or rejection or pool.unusable_error(login, scope)


def ask_each(
    pool: CredentialPool,
    logins: Sequence[str],
    send: Callable[[Credential, Sequence[int]], Sequence[T | GitHubError]],
    *,
    pinned: str | None = None,
    scope: str = "",
    may_be_anonymous: bool = True,
) -> list[T | GitHubError]:
    """Ask for many at once, the i-th of the account *logins[i]*; those denied one credential are asked with the next.

    *send* gets a credential and indexes, and returns a value or an error for each. Returns one for each login; raises
    what *send* raises first, except rejected credentials. *scope* as for `ask`.
    """
    found: dict[int, T | GitHubError] = {}
    denials = [Denials(pool, login, scope) for login in logins]
    rejected: set[str] = set()
    while missing := [index for index in range(len(logins)) if index not in found]:
        first = missing[0]
        tried = rejected | denials[first].fingerprints
        credential = pool.choose(logins[first], pinned, tried, scope=scope, may_be_anonymous=may_be_anonymous)
        if credential is None:
            found[first] = denials[first].first_error or pool.unusable_error(logins[first], scope)
            continue
        together = [index for index in missing if index == first or not denials[index].include(credential)]
        try:
            answers = send(credential, together)
        except BadCredentials:
            if not pool.is_rejected(credential):
                raise
            rejected.add(credential.fingerprint)
            continue
        except GitHubError as error:
            if isinstance(error, RateLimited):
                error.is_of_fallback = _is_fallback(pool, credential, pinned)
            if isinstance(error, Stopped) or not (found or any(one.first_error for one in denials)):
                raise
            answers = [error] * len(together)  # what others were granted is not lost
        for index, answer in zip(together, answers, strict=True):
            if isinstance(answer, PermissionDenied) and answer.may_depend_on_token:
                denials[index].add(credential, answer)
                continue
            is_missing = answer is None or isinstance(answer, NOT_FOUND_ERRORS)
            found[index] = (denials[index].first_error if is_missing else None) or answer
            if not is_missing and not isinstance(answer, GitHubError):
                denials[index].prove()
    return [found[index] for index in range(len(logins))]


class Denials:
    """The credentials that were denied one thing of *login* during a call, remembered for a day."""

    def __init__(self, pool: CredentialPool, login: str, scope: str) -> None:
        self._pool = pool
        self._login = login
        self._scope = scope
        self._errors: dict[str, tuple[Credential, PermissionDenied]] = {}

    @property
    def fingerprints(self) -> set[str]:
        return set(self._errors)

    @property
    def first_error(self) -> PermissionDenied | None:
        return next((error for _, error in self._errors.values()), None)

    def include(self, credential: Credential) -> bool:
        """Return whether *credential* was denied it now, or in the last day."""
        was_denied_now = credential.fingerprint in self._errors
        return was_denied_now or self._pool.denial(credential, self._login, self._scope) is not None

    def add(self, credential: Credential, error: PermissionDenied) -> None:
        if not self.include(credential):
            self._pool.deny(credential, self._login, error.message, self._scope)
        self._errors[credential.fingerprint] = (credential, error)

    def prove(self) -> None:
        """Record that another credential was granted it: those denied are denied the account, not only its *scope*."""
        for credential, error in self._errors.values() if self._scope else ():
            if not self._pool.denial(credential, self._login):
                self._pool.deny(credential, self._login, error.message)


def _is_fallback(pool: CredentialPool, credential: Credential, pinned: str | None) -> bool:
    """Return whether *credential* stands in for another one that is pinned and usable."""
    return credential.fingerprint != pinned and any(
        one.fingerprint == pinned and not pool.is_rejected(one) for one in pool.credentials
    )
