"""Great Expectations' Data Docs: its static pages about each validation, made to work offline."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from jinja2 import Environment, StrictUndefined
from pydantic import BaseModel, TypeAdapter, ValidationError

from laion_pipeline.common.files import publish_text, published
from laion_pipeline.quality.results import CheckResult, tally

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import (
        ExpectationValidationResult,
    )
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.data_context.types.base import DataContextConfig

# How many validations are kept.
RUNS_LISTED = 20
_RUNS = ".runs.json"

# The pages load scripts, styles and a logo from a dozen hosts, and their own scripts need those.
# What they say is all in their text, so that they are read as well without.
_UNUSABLE = re.compile(
    r"<script\b.*?</script>"
    r"|<(?:link|img)\b[^>]*>"
    r"|<footer\b.*?</footer>"
    r"|\son\w+=(?:\"[^\"]*\"|'[^']*')",
    re.IGNORECASE | re.DOTALL,
)
# What they say of a run as a whole counts a warning as a failure, and a check for each threshold.
_STATUS = re.compile(r'(<span class="h6" >Status:</span>).*?(?=</span>)', re.DOTALL)
_STATISTICS = re.compile(r'<h6 class="m-0" >\s*Statistics\s*</h6>.*?</table>', re.DOTALL)
_HEAD = """<head>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' file: data:;
 font-src 'self' file:; style-src 'self' file: 'unsafe-inline'">
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8888; padding: .3rem .6rem; text-align: left;
 vertical-align: top; }
pre, code { white-space: pre-wrap; overflow-wrap: anywhere; }
.collapse { display: block; }
.fa-check-circle::before { content: "met"; }
.fa-times::before { content: "not met"; font-weight: bold; }
.fa-exclamation-triangle::before { content: "cannot be told"; font-weight: bold; }
i { font-style: normal; }
td { min-width: 7rem; overflow-wrap: anywhere; }
.modal, .navbar, .navbar-toggler, .btn, .alert, #ge-cta-footer, .card-body.collapse,
 a[data-toggle="collapse"], .sticky { display: none; }
</style>"""
_INDEX = """<!doctype html>
<html lang="en">
HEAD
<meta charset="utf-8">
<title>Validations</title>
</head>
<body>
<h1>Validations</h1>
<p>By Great Expectations, newest first. Each links to its pages, where an expectation that is not
met is either a warning or an error, as its description says. What all that means, with examples
and what to do, is with the checks in Dagster and in <a href="../report.html">the report</a>. What
is expected:
{% for suite in suites %}<a href="{{ suite.page }}">{{ suite.name }}</a>{{ ", " if not loop.last }}
{% endfor %}</p>
<table>
<thead><tr><th>time (UTC)</th><th>release and revision</th><th>checks</th>
<th>pages</th></tr></thead>
<tbody>
{% for run in runs %}
<tr><td>{{ run.time }}</td><td>{{ run.name }}</td><td>{{ run.tally }}</td>
<td>{% for suite in run.suites %}
<a href="{{ suite.page }}">{{ suite.name }}</a><br>
{% endfor %}</td></tr>
{% endfor %}
</tbody>
</table>
</body>
</html>
"""


class SuitePage(BaseModel):
    """The page about what one suite found in one run."""

    name: str
    page: str


class Run(BaseModel):
    """A validation as the index lists it, with what its checks came to; `time` is in UTC."""

    name: str
    time: str
    tally: str
    suites: tuple[SuitePage, ...] = ()


_Runs = TypeAdapter(tuple[Run, ...])


def docs_config(folder: Path) -> "DataContextConfig":
    """A context that builds its pages in `folder`, and keeps nothing else."""
    from great_expectations.data_context.types.base import DataContextConfig

    in_memory = {"class_name": "InMemoryStoreBackend"}
    pages = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
    return DataContextConfig(
        config_version=4.0,
        stores={
            name: {"class_name": class_name, "store_backend": in_memory}
            for name, class_name in (
                ("expectations_store", "ExpectationsStore"),
                ("validation_results_store", "ValidationResultsStore"),
                ("checkpoint_store", "CheckpointStore"),
                ("validation_definition_store", "ValidationDefinitionStore"),
            )
        },
        expectations_store_name="expectations_store",
        validation_results_store_name="validation_results_store",
        checkpoint_store_name="checkpoint_store",
        data_docs_sites={
            "pages": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": pages,
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        },
        analytics_enabled=False,
    )


def publish_docs(
    context: "AbstractDataContext",
    built: Path,
    folder: Path,
    run: Run,
    results: Sequence[CheckResult],
) -> None:
    """Add the pages of a run to those in `folder`, fit to be read offline; drop the oldest.

    `context` was made with `docs_config(built)`: Great Expectations deletes all pages before it
    builds any, so that it must not build where they are kept. `results` are what the run came to.

    Raises OutputError when they cannot be written.
    """
    checks = _tell_each_check_once(context)
    context.build_data_docs(site_names=["pages"])
    pages: dict[str, Path] = {}
    for file in (file for file in built.rglob("*") if file.is_file()):
        place = folder / file.relative_to(built)
        if file.suffix != ".html":
            with published(place) as beside:
                beside.write_bytes(file.read_bytes())
        elif file.parent != built:
            suite = file.relative_to(built).parts[1]
            told = tally(result for result in results if result.name in checks.get(suite, ()))
            publish_text(place, _made_readable(file.read_text("utf-8"), told))
            pages[suite] = place
    suites = tuple(SuitePage(name=name, page=_link(folder, pages[name])) for name in checks)
    runs = (run.model_copy(update={"suites": suites}), *_read_runs(folder))
    for old in (suite.page for run in runs[RUNS_LISTED:] for suite in run.suites if suite.page):
        (folder / unquote(old)).unlink(missing_ok=True)
    publish_text(folder / _RUNS, _Runs.dump_json(runs[:RUNS_LISTED]).decode())
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _INDEX.replace("HEAD", _HEAD, 1)
    )
    expected = sorted((folder / "expectations").glob("*.html"))
    index = template.render(
        runs=runs[:RUNS_LISTED],
        suites=[{"name": page.stem, "page": _link(folder, page)} for page in expected],
    )
    publish_text(folder / "index.html", index)


def _made_readable(page: str, told: str) -> str:
    page = _STATISTICS.sub("", _STATUS.sub(rf"\1 {told}", page))
    return _UNUSABLE.sub("", page).replace("<head>", _HEAD, 1)


T = TypeVar("T")


def _tell_each_check_once(context: "AbstractDataContext") -> Mapping[str, set[str]]:
    """Let the pages show the threshold that decided a check alone; the checks of each suite.

    A check with two thresholds is two expectations to Great Expectations, and one to people.
    """
    checks = {}
    store = context.validation_results_store
    for key in store.list_keys():
        found = store.get(key)
        assert found is not None
        meta = [_meta(result) for result in found.results]
        checks[str(found.suite_name)] = {each["check"] for each in meta}
        order = sorted(zip(meta, found.results, strict=True), key=lambda pair: _weight(pair[1]))
        found.results = _first_of_each(order)
        store.set(key, found)
    for suite in context.suites.all():
        told = _first_of_each((each.meta or {}, each) for each in suite.expectations)
        for each in told:
            each.description = (each.meta or {}).get("told", each.description)
        suite.expectations = told
        suite.save()
    return checks


def _meta(result: "ExpectationValidationResult") -> dict[str, Any]:
    assert result.expectation_config is not None
    return dict(result.expectation_config.meta or {})


def _weight(result: "ExpectationValidationResult") -> int:
    """Lower for what decides: an error, then a warning, then what is met."""
    assert result.expectation_config is not None
    if result.success:
        return 2
    return int(result.expectation_config.severity != "critical")


def _first_of_each(told: Iterable[tuple[Mapping[str, Any], T]]) -> list[T]:
    """What has a text of its own, and of what shares one the first."""
    first: dict[object, T] = {}
    for meta, each in told:
        first.setdefault(meta.get("told") or id(each), each)
    return list(first.values())


def _link(folder: Path, page: Path) -> str:
    return quote(page.relative_to(folder).as_posix())


def _read_runs(folder: Path) -> tuple[Run, ...]:
    """The runs listed so far, newest first; none where the list is not there or not to be read."""
    try:
        return _Runs.validate_json((folder / _RUNS).read_bytes())
    except (OSError, ValidationError):
        return ()
