"""The tree of GitHub errors: defined and drawn in one module."""

import ingest.__main__  # noqa: F401  # so that every module of ours which could define a subclass is loaded
from ingest.github import errors


def subclasses(cls):
    return {cls}.union(*map(subclasses, cls.__subclasses__()))


def test_every_github_error_is_defined_in_this_module_and_drawn():
    found = subclasses(errors.GitHubError)
    assert len(found) > 10
    assert {cls.__module__ for cls in found} == {"ingest.github.errors"}
    assert all(cls.__name__ in errors.__doc__ for cls in found)
