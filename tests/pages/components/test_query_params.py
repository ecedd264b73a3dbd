"""Invalid filters in a link show a warning instead of being dropped silently."""

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from pages.components import query_params

    query_params.show_invalid_parameters(
        query_params.invalid_languages(["Python", "C++", "Raku", "Befunge-98"]),
        query_params.invalid_choices("order", ["most stars", "name"]),
        query_params.invalid_whole_numbers("min_stars", 1000),
    )
    st.write(f"languages {st.session_state.get('language')} order {st.session_state.get('order')}")


def run_with_params(**params: str | list[str]) -> AppTest:
    test = AppTest.from_function(page, default_timeout=60)
    for name, value in params.items():
        test.query_params[name] = value
    return test.run()


def test_valid_parameters_show_no_warning():
    assert not run_with_params(language=["Python", "C++"], order="name", min_stars="1000").warning


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"language": ["Klingon", "Python"]}, "`language=Klingon`"),
        ({"order": "weight"}, "`order=weight`"),
        ({"min_stars": "many"}, "`min_stars=many`"),
        ({"min_stars": "-1"}, "`min_stars=-1`"),
        ({"min_stars": "1001"}, "`min_stars=1001`"),
        ({"min_stars": "²"}, "`min_stars=²`"),
        ({"order": ""}, "`order=`"),
    ],
)
def test_invalid_parameters_are_named_in_one_warning(params, named):
    (warning,) = run_with_params(**params).warning
    assert named in warning.value
    assert "Python`" not in warning.value


def test_markup_in_the_url_is_shown_literally_and_shortened():
    (warning,) = run_with_params(order="`**bold**" + "x" * 100).warning
    assert len(warning.value) < 200
    assert "``" not in warning.value


@pytest.mark.parametrize(
    ("given", "option"),
    [("cpp", "C++"), ("C  ", "C++"), ("Perl 6", "Raku"), ("perl6", "Raku"), ("PYTHON", "Python"), ("py", "Python")],
)
def test_a_language_is_found_in_any_spelling(given, option):
    test = run_with_params(language=[given])
    assert not test.warning
    assert f"languages ['{option}']" in test.markdown[0].value


def test_a_language_without_repositories_is_named_in_the_warning():
    (warning,) = run_with_params(language=["Zig", "cpp"]).warning
    assert "`language=Zig`" in warning.value
    assert "cpp" not in warning.value


def test_the_warning_names_the_nearest_languages():
    (warning,) = run_with_params(language=["Pyhton"]).warning
    assert warning.value.endswith("`language=Pyhton`. Did you mean Python?")


def test_options_match_in_any_case():
    test = run_with_params(language=["python"], order="NAME")
    assert not test.warning
    assert "languages ['Python'] order name" in test.markdown[0].value
