"""Names that are asked to be compared, and the moment at which all of them are 100."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.analysis.comparison import MAX_PARSED, StepSeries, index_bases, parse_names


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["octo,cat/dog"], ("octo", "cat/dog")),
        (["octo", "cat"], ("octo", "cat")),
        ([" octo ; https://github.com/Cat/Dog.git\n[x](https://github.com/pallets)"], ("octo", "Cat/Dog", "pallets")),
        (["octo, OCTO,@octo"], ("octo",)),
        (["", " ,, "], ()),
    ],
)
def test_names_are_split_parsed_and_kept_once(texts, names):
    asked = parse_names(texts)
    assert (asked.names, asked.left_out, asked.invalid) == (names, 0, ())


def test_ten_are_kept_and_the_others_counted():
    asked = parse_names([",".join(f"n{number}" for number in range(10_000))])
    assert asked.names == tuple(f"n{number}" for number in range(10))
    assert asked.left_out == 9_990
    assert parse_names(["n " * (MAX_PARSED + 5)]).names == ("n",)


def test_what_is_no_name_is_reported():
    asked = parse_names(["octo,<script>,a/b,=1+1,\x00,https://example.org/x"])
    assert asked.names == ("octo", "a/b")
    assert len(asked.invalid) == 4
    assert all("is not" in reason or "missing" in reason for reason in asked.invalid)


@given(some.lists(some.text(), max_size=5))
def test_no_text_fails(texts):
    asked = parse_names(texts)
    assert len(asked.names) <= 10


def known(values: dict[float, float], *covered: tuple[float, float]) -> StepSeries:
    return StepSeries(list(values), list(values.values()), covered or [(min(values), 1000.0)])


def bases(*compared: StepSeries) -> tuple[list[float | None], float | None]:
    found = index_bases(compared)
    return list(found.values), found.position


def test_the_base_is_the_first_moment_at_which_all_have_a_number():
    # Of the second the first number is that of day 5; the first one rests at 20 since day 3.
    assert bases(known({1: 10, 3: 20, 9: 40}), known({5: 7, 6: 8})) == ([20, 7], 5)


def test_a_gap_and_zero_are_no_number():
    in_gap = known({1: 10, 8: 30}, (1, 4), (8, 99))
    assert bases(in_gap, known({5: 7, 9: 8})) == ([30, 7], 8)
    assert bases(known({1: 10, 3: 20}), known({1: 0, 2: 0, 4: 5})) == ([20, 5], 4)


def test_a_capture_without_a_change_ends_a_gap():
    # Captured again from day 6 on, still 10.
    assert bases(known({1: 10}, (1, 2), (6, 9)), known({5: 7})) == ([10, 7], 6)


def test_without_a_common_moment_each_starts_at_its_own_first_number():
    assert bases(known({1: 10}, (1, 2)), known({5: 7, 6: 8})) == ([10, 7], None)
    assert bases(known({1: 0, 2: 3}), known({1: 0})) == ([3, None], None)
    assert bases() == ([], None)
