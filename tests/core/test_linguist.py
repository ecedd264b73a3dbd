"""Names and colours of languages: renames, lookups, and colours that several languages have."""

from contextlib import suppress

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from core import linguist
from core.linguist import UnknownLanguage, find_language, present_name


@pytest.mark.parametrize(
    ("sent", "present"),
    [
        ("Perl 6", "Raku"),
        ("Mathematica", "Wolfram Language"),
        ("Groff", "Roff"),
        ("VimL", "Vim script"),
        ("Vim Script", "Vim script"),
        ("Vim script", "Vim script"),
        ("Visual Basic", "Visual Basic .NET"),
        ("Coq", "Rocq Prover"),
        ("ASP", "Classic ASP"),
        ("HTML+Django", "Jinja"),
        ("Jade", "Pug"),
        ("Nimrod", "Nim"),
        ("Cucumber", "Gherkin"),
        ("FORTRAN", "Fortran"),
        ("Matlab", "MATLAB"),
        ("SaltStack", "Salt"),
        ("wdl", "WDL"),
        # Removed without a successor, or never Linguist's: they keep their names.
        ("JSX", "JSX"),
        ("Befunge-98", "Befunge-98"),
        ("", ""),
    ],
)
def test_a_former_name_is_shown_as_the_present_one(sent, present):
    assert present_name(sent) == present
    assert linguist.color(sent) == linguist.color(present)


def test_a_former_name_is_no_present_one_and_leads_to_one():
    assert linguist.present_names().keys().isdisjoint(linguist.languages())
    assert set(linguist.present_names().values()) <= linguist.languages().keys()


def test_a_number_handed_to_another_language_leaves_names_apart():
    """Linguist 9.4 had 700792152 for B (Formal Method), 9.5 has it for B."""
    assert present_name("B (Formal Method)") == "B (Formal Method)"
    assert present_name("B") == "B"
    assert linguist.color("B") != linguist.color("B (Formal Method)")


def test_sql_renames_like_python(database):
    names = [*linguist.present_names(), *linguist.languages(), "Befunge-98", "", None]
    rows = database.execute(
        text("SELECT sent, present_language(sent) AS present FROM unnest(CAST(:names AS text[])) AS sent"),
        {"names": names},
    )
    assert {row.sent: row.present for row in rows} == {name: name and present_name(name) for name in names}


def test_sql_inlines_the_renames(database):
    plan = database.execute(text("EXPLAIN VERBOSE SELECT present_language(full_name) FROM repository")).scalars().all()
    assert not any("present_language" in line for line in plan)


@pytest.mark.parametrize(
    ("given_text", "found"),
    [
        ("Python", "Python"),
        ("python", "Python"),
        ("PYTHON ", "Python"),
        ("javascript", "JavaScript"),
        ("js", "JavaScript"),
        ("cpp", "C++"),
        ("c++", "C++"),
        ("C  ", "C++"),  # `language=C++` in a URL, its plus signs not escaped
        ("C", "C"),
        ("C ", "C"),
        ("Objective-C  ", "Objective-C++"),
        ("objective c", "Objective-C"),
        ("HTML ERB", "HTML+ERB"),
        ("c#", "C#"),
        ("csharp", "C#"),
        ("jupyter-notebook", "Jupyter Notebook"),
        ("jupyter notebook", "Jupyter Notebook"),
        ("golang", "Go"),
        ("perl 6", "Raku"),
        ("perl6", "Raku"),
        ("viml", "Vim script"),
        ("vim script", "Vim script"),
        ("mathematica", "Wolfram Language"),
        ("visual basic", "Visual Basic .NET"),
        ("befunge-98", "Befunge-98"),  # stored, from an import
    ],
)
def test_a_language_is_found_under_any_spelling(given_text, found):
    assert find_language(given_text, ["Python", "Befunge-98"]) == found


@given(st.sampled_from(sorted(linguist.languages())), st.sampled_from([str, str.lower, str.upper]))
def test_every_language_is_found_by_its_own_name(name, spell):
    assert find_language(spell(name)) == name
    assert find_language(spell(name).replace("+", " ")) == name
    for former in linguist.languages()[name].former_names:
        assert find_language(former) == name


def test_an_unknown_language_is_answered_with_the_nearest():
    with pytest.raises(UnknownLanguage, match=r"Unknown language; did you mean .*Python") as raised:
        find_language("Pyhton")
    assert "Python" in raised.value.nearest
    with pytest.raises(UnknownLanguage, match="most repositories are in Go, Rust"):
        find_language("qqqqqq", ["Go", "Rust"])


@given(st.text(max_size=100))
def test_any_text_is_a_language_or_unknown(given_text):
    found = None
    with suppress(UnknownLanguage):
        found = find_language(given_text)
    assert found is None or found in linguist.languages()


def test_colours_are_githubs_or_the_fallback():
    assert linguist.color("Python") == "#3572A5"
    assert linguist.color(None) == linguist.color(pd.NA) == linguist.color("Nonesuch") == linguist.FALLBACK_COLOR
    assert all(linguist.color(name).startswith("#") and len(linguist.color(name)) == 7 for name in linguist.languages())


def test_languages_of_one_colour_are_reported():
    """Linguist gives Python and Python console the same colour; two without a colour share the fallback."""
    assert linguist.sharing_color(["Python", "Go", "Python console"]) == {"Python", "Python console"}
    assert linguist.sharing_color(["Go", "Rust"]) == frozenset()
    assert linguist.sharing_color(["JSX", "Nonesuch", "Go"]) == {"JSX", "Nonesuch"}
