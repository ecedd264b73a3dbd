"""The tree of GitHub errors: drawn completely, in one module, each code used once."""

import ingest.__main__  # noqa: F401  # so that every module of ours which could define a subclass is loaded
from core.errors import AlmanacError
from ingest.github import errors


def subclasses(cls):
    return {cls}.union(*map(subclasses, cls.__subclasses__()))


def test_every_github_error_is_defined_in_this_module_and_drawn():
    found = subclasses(errors.GitHubError)
    assert len(found) > 10
    assert {cls.__module__ for cls in found} == {"ingest.github.errors"}
    assert all(cls.__name__ in errors.__doc__ for cls in found)


def test_each_code_is_used_by_one_class():
    codes = [vars(cls)["code"] for cls in subclasses(AlmanacError) if "code" in vars(cls)]
    assert sorted(codes) == sorted(set(codes))
