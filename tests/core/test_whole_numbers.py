"""Whole numbers in URLs: digits only, the same on pages and in the API."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import TypeAdapter, ValidationError

from core.errors import BadInput
from core.whole_numbers import MAX_INT32, WholeNumber, parse_whole_number

OTHER_SPELLINGS = ["inf", "-inf", "nan", "1e3", "1_000", "1,000", "1.0", "+1", "-1", "-0", " 1", "1\n", "0x10", "", "²"]
OTHER_SPELLINGS += ["١٢٣", "१", "1\x00", "9" * 5000, str(MAX_INT32 + 1)]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), ("0100", 100), (str(MAX_INT32), MAX_INT32)])
def test_digits_are_a_number(text, number):
    assert parse_whole_number(text) == number
    assert TypeAdapter(WholeNumber).validate_python(text) == number


@pytest.mark.parametrize("text", OTHER_SPELLINGS)
def test_every_other_spelling_is_refused(text):
    with pytest.raises(BadInput, match="write a whole number in digits"):
        parse_whole_number(text)


@given(some.text(some.sampled_from("0123456789_+-.e \u0660²"), max_size=6) | some.text(max_size=4))
def test_the_api_and_the_pages_accept_the_same_texts(text):
    try:
        expected = parse_whole_number(text)
    except BadInput:
        expected = None
    try:
        read = TypeAdapter(WholeNumber).validate_python(text)
    except ValidationError:
        read = None
    assert read == expected
