"""Thresholds: from where on a value is bad, in numbers, in words, and in a file of one's own."""

import math
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from laion_pipeline.contract import CHECKS, Contract, RowRule, Threshold, read_overrides
from laion_pipeline.contract.thresholds import DEFECT, EXACT, NOTED
from laion_pipeline.errors import SettingsError, TransientError
from tests.builders import SAMPLE

ADJUSTABLE = [name for name, check in CHECKS.items() if check.adjustable]
FIXED = [name for name in CHECKS if name not in ADJUSTABLE]
BOUNDS = st.floats(0, 10) | st.none()


def written(folder: Path, content: str | bytes) -> Path:
    file = folder / "contract.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def refusal(file: Path) -> str:
    """What is said of a file, without the part that names it."""
    with pytest.raises(SettingsError) as caught:
        read_overrides(file)
    assert caught.value.exit_status == 2
    assert not isinstance(caught.value, TransientError)
    message = str(caught.value)
    assert message.isprintable(), "one line, and nothing that a terminal would obey"
    assert "Value error" not in message
    where = f"LAION_CONTRACT={file}: "
    assert message.startswith(where)
    return message.removeprefix(where)


@given(BOUNDS, BOUNDS, st.floats(0, 10))
def test_a_value_at_a_bound_does_not_exceed_it(
    warn_above: float | None, error_above: float | None, value: float
) -> None:
    if warn_above is not None and error_above is not None:
        warn_above, error_above = sorted((warn_above, error_above))
    threshold = Threshold(warn_above=warn_above, error_above=error_above)
    levels = [(error_above, "failed"), (warn_above, "warned")]
    tried = [
        value,
        *(near for bound, _ in levels if bound is not None
          for near in (bound, math.nextafter(bound, 11), math.nextafter(bound, -1))),
    ]  # fmt: skip
    for each in tried:
        exceeded = [verdict for bound, verdict in levels if bound is not None and bound < each]
        assert threshold.verdict(each) == [*exceeded, "passed"][0]


def test_usual_thresholds_at_their_boundaries() -> None:
    assert [DEFECT.verdict(share) for share in (0, 5e-324, 0.001, 0.0010001)] == [
        "passed", "warned", "warned", "failed",
    ]  # fmt: skip
    assert [NOTED.verdict(share) for share in (0, 5e-324, 1)] == ["passed", "warned", "warned"]
    assert [EXACT.verdict(share) for share in (0, -0.0, 5e-324)] == ["passed", "passed", "failed"]
    assert Threshold().verdict(math.inf) == "passed"
    assert EXACT.verdict(math.inf) == "failed"


@pytest.mark.parametrize("value", [-1, -5e-324, math.inf, -math.inf, math.nan, "many", None])
@pytest.mark.parametrize("bound", ["warn_above", "error_above"])
def test_a_bound_is_a_finite_number_from_0(bound: str, value: object) -> None:
    if value is None:
        assert Threshold.model_validate({bound: value}) == Threshold()
        return
    with pytest.raises(ValidationError):
        Threshold.model_validate({bound: value})


def test_a_warning_does_not_come_after_the_error() -> None:
    assert Threshold(warn_above=0.5, error_above=0.5).verdict(0.6) == "failed"
    with pytest.raises(ValidationError, match=r"warn_above 0.5 is above error_above 0.4"):
        Threshold(warn_above=0.5, error_above=0.4)


@pytest.mark.parametrize(
    ("threshold", "of_a_share", "of_a_value"),
    [
        (Threshold(), "", ""),
        (DEFECT, "a warning above 0 %, an error above 0.1 %",
         "a warning above 0, an error above 0.001"),
        (Threshold(warn_above=0.02), "a warning above 2 %", "a warning above 0.02"),
        (Threshold(error_above=0.07), "an error above 7 %", "an error above 0.07"),
        (Threshold(error_above=1), "an error above 100 %", "an error above 1"),
        (Threshold(error_above=1e-6), "an error above 0.0001 %", "an error above 1e-06"),
    ],
)  # fmt: skip
def test_a_threshold_reads_as_a_person_would_say_it(
    threshold: Threshold, of_a_share: str, of_a_value: str
) -> None:
    assert threshold.words(as_share=True) == of_a_share
    assert threshold.words(as_share=False) == of_a_value


def test_a_check_says_what_its_threshold_is_of() -> None:
    words = {name: CHECKS[name].threshold_in_words for name in CHECKS}
    assert words["url_http"] == "a warning above 0 %, an error above 0.1 % of the rows"
    assert words["published_rows"] == "a warning above 2 % of the published rows"
    assert words["rows_present"] == "an error where there is one"
    assert words["rows_drift"] == "a warning above 5 % of the previous rows"
    assert words["aesthetic_drift"] == (
        "population stability index: a warning above 0.1, an error above 0.25"
    )


def test_usual_thresholds_are_those_that_were_agreed() -> None:
    warned = {"sizes_known": 0.01, "urls_unique": 0.01, "hashes_unique": 0.01,
              "published_rows": 0.02, "rows_drift": 0.05}  # fmt: skip
    noted = {"similarity_cutoff", *(name for name in CHECKS if name.startswith("text_not_"))}
    noted |= {name for name in CHECKS if name.startswith("text_without_")}
    for name, check in CHECKS.items():
        if name in warned:
            expected = Threshold(warn_above=warned[name])
        elif name in noted:
            expected = NOTED
        elif name in (
            errors := {"hash_matches": 0.001, "size_orientation": 0.5, "rows_retained": 0.05}
        ):
            expected = Threshold(error_above=errors[name])
        elif name.endswith("_drift"):
            expected = Threshold(warn_above=0.1, error_above=0.25)
        else:
            expected = DEFECT if isinstance(check, RowRule) else EXACT
        assert check.threshold == expected, name


@pytest.mark.parametrize("name", ADJUSTABLE)
def test_every_adjustable_check_takes_another_threshold(name: str, tmp_path: Path) -> None:
    file = written(tmp_path, f"# ours\n[{name}]\nwarn_above = 0\nerror_above = 1\n")
    overrides = read_overrides(file)
    changed = Threshold(warn_above=0, error_above=1)
    assert overrides == {name: changed}
    for check in Contract.of(SAMPLE, overrides).checks:
        assert check.threshold == (changed if check.name == name else CHECKS[check.name].threshold)


def test_a_bound_that_is_not_named_stays(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "[url_http]\nerror_above = 0.5\n[text_present]\nwarn_above = 0.0005\n"
        "[urls_unique]\nerror_above = 0.2\n[width_positive]\n",
    )
    assert read_overrides(file) == {
        "url_http": Threshold(warn_above=0, error_above=0.5),
        "text_present": Threshold(warn_above=0.0005, error_above=0.001),
        "urls_unique": Threshold(warn_above=0.01, error_above=0.2),
        "width_positive": DEFECT,
    }


@pytest.mark.parametrize("content", ["", "\n", "# nothing\r\n"])
def test_a_file_that_says_nothing_changes_nothing(content: str, tmp_path: Path) -> None:
    file = written(tmp_path, content)
    assert read_overrides(file) == {}
    assert Contract.of(SAMPLE, read_overrides(file)) == Contract.of(SAMPLE)


@pytest.mark.parametrize("name", [*FIXED, "no_such_check", "URL_HTTP", "url_http ", ""])
def test_a_check_without_a_threshold_to_set_is_told_with_those_that_have_one(
    name: str, tmp_path: Path
) -> None:
    complaint = refusal(written(tmp_path, f'["{name}"]\nerror_above = 1\n'))
    assert complaint.startswith(f"{name}: no check whose threshold can be set; take one of ")
    assert complaint.rpartition("take one of ")[2].split(", ") == ADJUSTABLE


@pytest.mark.parametrize("bound", ["warn_above", "error_above"])
@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("-0.1", "should be greater than or equal to 0"),
        ("-1", "should be greater than or equal to 0"),
        *((value, "should be a finite number") for value in ("inf", "-inf", "nan", "+nan")),
        *((value, "should be a valid number") for value in (
            "true", "false", '"0.1"', '"many"', '""', "[]", "[0.1]", "{}", "1979-05-27", "07:32:00",
        )),
    ],
)  # fmt: skip
def test_a_bound_that_is_no_number_from_0_is_told_with_its_place(
    bound: str, value: str, complaint: str, tmp_path: Path
) -> None:
    file = written(tmp_path, f"[sizes_known]\n{bound} = {value}\n")
    assert refusal(file).startswith(f"sizes_known.{bound}: {complaint}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[url_http]\nwarn_above = 0.5", "url_http: warn_above 0.5 is above error_above 0.001"),
        ("[url_http]\nwarn_above = 2\nerror_above = 1",
         "url_http: warn_above 2 is above error_above 1"),
        ("[urls_unique]\nerror_above = 0.001",
         "urls_unique: warn_above 0.01 is above error_above 0.001"),
        ("[url_http]\nfail_above = 1", "url_http.fail_above: no such bound; take warn_above"),
        ("[url_http.error]\nabove = 1", "url_http.error: no such bound; take warn_above"),
        ("url_http = 0.5", "url_http: should be a table such as [url_http]"),
        ("warn_above = 0.5\n[url_http]", "warn_above: should be a table such as [url_http]"),
        ("[[url_http]]\nwarn_above = 0", "url_http: should be a table such as [url_http]"),
        ("[url_http", "not valid TOML: "),
        ("url_http", "not valid TOML: "),
        ("[url_http]\nwarn_above = 0\nwarn_above = 0", "not valid TOML: "),
        ("[url_http]\n[url_http]", "not valid TOML: "),
        ("[url_http]\nerror_above = 1e", "not valid TOML: "),
        ("[url_http]\nerror_above = .1", "not valid TOML: "),
        ("\0", "not valid TOML: "),
        ("[a\x1b]", "not valid TOML: "),
        ("\ufeff[url_http]", "not valid TOML: "),
        (b"\xff\xfe[\0", "cannot be read: not UTF-8 text"),
        ("[größe]".encode("latin-1"), "cannot be read: not UTF-8 text"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_hold_thresholds_is_told(
    content: str | bytes, complaint: str, tmp_path: Path
) -> None:
    assert refusal(written(tmp_path, content)).startswith(complaint)


@pytest.mark.parametrize(
    "content",
    [
        *('["a\\nb"]', '"a\\nb" = 1', '[url_http]\n"a\\nb" = 1', '["\\u001b[2J"]', '["\\u202e"]'),
        *('"\\u2028" = 1', '[url_http]\n"\\u009b" = 1'),
    ],
)
def test_what_cannot_be_seen_is_escaped(content: str, tmp_path: Path) -> None:
    assert "\\" in refusal(written(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    ["[url_http]\nerror_above = " + "9" * 400, "[url_http]\nerror_above = " + "9" * 5000,
     "a = " + "[" * 5000],
    ids=["a large number", "a number too long to read", "deeply nested"],
)  # fmt: skip
def test_what_is_too_large_is_told(content: str, tmp_path: Path) -> None:
    assert len(refusal(written(tmp_path, content))) < 500


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == "cannot be read: No such file or directory"
    assert refusal(tmp_path) == "cannot be read: Is a directory"
    below = written(tmp_path, "") / "below.toml"
    assert refusal(below) == "cannot be read: Not a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, "")
    file.chmod(stat.S_IWUSR)
    assert refusal(file) == "cannot be read: Permission denied"


def test_a_path_that_breaks_the_line_is_escaped(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_overrides(tmp_path / "a\nb.toml")
    assert str(caught.value).isprintable()
