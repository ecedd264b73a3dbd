import importlib
import pkgutil
from collections import Counter

import core
import ingest
from core import errors
from core.errors import AlmanacError


def all_subclasses(base):
    return [cls for child in base.__subclasses__() for cls in (child, *all_subclasses(child))]


def error_classes():
    for package in (core, ingest):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".migrations." not in module.name:
                importlib.import_module(module.name)
    return [cls for cls in all_subclasses(AlmanacError) if cls.__module__.split(".")[0] in {"core", "ingest"}]


def test_each_code_is_defined_by_one_class():
    """A program that catches a code must not meet two meanings; subclasses may inherit their parent's code."""
    codes = Counter(cls.code for cls in error_classes() if "code" in vars(cls))
    assert [code for code, count in codes.items() if count > 1] == []


def test_the_drawn_tree_names_every_error_outside_the_github_client():
    drawn = errors.__doc__
    missing = [
        cls.__name__ for cls in error_classes() if cls.__name__ not in drawn and "GitHubError" not in str(cls.__mro__)
    ]
    assert missing == []
