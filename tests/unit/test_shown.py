"""What Dagster shows: numbers as people read them, and no more of a text than can be seen."""

import math

import pytest

from assets.shown import rounded, size, table_of


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.0066912345, 0.00669), (0.1712345, 0.171), (0.0, 0.0), (123456.7, 123000.0), (-2.0, -2.0)],
)
def test_what_is_measured_has_three_digits(number: float, shown: float) -> None:
    assert rounded(number) == shown


def test_what_is_no_number_stays() -> None:
    assert math.isnan(rounded(math.nan))
    assert rounded(-math.inf) == -math.inf


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (56_712_345_678, "56.7 GB"),
     (999_999, "1 MB"), (5 * 10**15, "5,000 TB")],
)  # fmt: skip
def test_sizes_have_a_unit(count: int, shown: str) -> None:
    assert size(count) == shown


def test_cells_hold_what_a_table_can() -> None:
    row = {"text": "a\x1b\u202e", "n": 3, "yes": True, "none": None, "x": 0.123456, "nan": math.nan,
           "list": ["a"], "long": "x" * 1000}  # fmt: skip
    (record,) = table_of([row]).records
    assert {**record.data, "long": ""} == {
        "text": r"a\x1b\u202e", "n": 3, "yes": True, "none": None, "x": 0.123, "nan": "nan",
        "list": "['a']", "long": "",
    }  # fmt: skip
    assert len(str(record.data["long"])) == 200
