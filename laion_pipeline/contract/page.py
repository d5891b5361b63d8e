"""The contract as a page for people: `make docs` writes it to `docs/contract.md`."""

import sys
from collections.abc import Iterator, Sequence
from html import escape

from laion_pipeline.contract.check import Check, QuarantineRule
from laion_pipeline.contract.contract import CHECKS
from laion_pipeline.releases.columns import COLUMNS, SCORES
from laion_pipeline.releases.release import Release, catalogue

_INTRODUCTION = """\
# The contract

What the rows of a release must be. This page is generated from `laion_pipeline/contract/`, as are
the marks on rows, the Great Expectations suites, and the checks and table schema in Dagster.

A check *warns* or *fails* by its threshold. One that *blocks* keeps everything after it from being
made. To use other thresholds, name the checks in a TOML file, and the file in `LAION_CONTRACT`:

```toml
[url_http]
error_above = 0.01    # a share of the rows: up to 1 % is a warning

[text_without_html_entities]
warn_above = 1        # never
```

## Columns of `pairs`
"""


def contract_page() -> str:
    """The page, in Markdown."""
    return "\n".join([*_page(), ""])


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    yield from _table(
        ("column", "type", "what it holds", "spellings"),
        [
            (
                f"`{c.name}`",
                c.sql_type,
                c.description + (f", in {c.unit}" if c.unit else ""),
                ", ".join(f"`{spelling}`" for spelling in c.spellings),
            )
            for c in COLUMNS
        ],
    )
    yield (
        "\nA column has what the release has of it, and so may be null. Beside them `shard_id` says"
        " which shard a row\nis from and `defects` which rules it breaks, one bit a rule; these two"
        " are never null."
    )
    sections: dict[str, list[Check]] = {}
    for check in sorted(CHECKS.values(), key=lambda c: not isinstance(c, QuarantineRule)):
        rule = isinstance(check, QuarantineRule)
        title = "Rules that a valid row keeps" if rule else f"Checks on `{check.asset}`"
        sections.setdefault(title, []).append(check)
    for title, checks in sections.items():
        yield f"\n## {title}\n"
        yield from _table(
            ("check", "demands", "threshold", "what to do"),
            [(f"`{c.name}`", c.in_general, _threshold(c), c.advice) for c in checks],
        )
    yield "\n## What differs by release\n"
    yield from _table(
        ("release", "ranges of scores", "filters", "cut-off of similarity", "published rows"),
        [_release(release) for release in catalogue().values()],
    )
    usual = ", ".join(score.valid.words(name) for name, score in SCORES.items())
    yield f"\nWhere no range is given: {usual}."


def _threshold(check: Check) -> str:
    kind = "; blocks" if check.blocking else ""
    return f"{check.threshold_in_words}{kind}{'' if check.adjustable else '; fixed'}"


def _release(release: Release) -> tuple[str, ...]:
    return (
        f"`{release.name}`",
        ", ".join(limits.words(score) for score, limits in release.ranges.items()),
        ", ".join(limits.words(score) for score, limits in release.filters.items()),
        "" if release.similarity_cutoff is None else f"{release.similarity_cutoff:g}",
        "" if release.published_rows is None else f"{release.published_rows:,}",
    )


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{'---|' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(escape(cell, quote=False) for cell in row)} |"


if __name__ == "__main__":
    sys.stdout.write(contract_page())
