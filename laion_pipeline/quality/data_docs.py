"""Great Expectations' Data Docs: its static pages about each validation, made to work offline."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from jinja2 import Environment, StrictUndefined
from pydantic import BaseModel, TypeAdapter, ValidationError

from laion_pipeline.files import publish_text, published

if TYPE_CHECKING:
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
<p>By Great Expectations, newest first. Each links to its page, where an expectation that is not met
is either a warning or an error, as its description says. What all that means, with examples and
what to do, is with the checks in Dagster and in <a href="../report.html">the report</a>. What is
expected:
{% for suite in suites %}<a href="{{ suite.page }}">{{ suite.name }}</a>{{ ", " if not loop.last }}
{% endfor %}</p>
<table>
<thead><tr><th>time (UTC)</th><th>release and revision</th><th>expectations met</th>
<th>checks that warn</th><th>that fail</th></tr></thead>
<tbody>
{% for run in runs %}
<tr><td>{{ run.time }}</td><td>{{ run.name }}</td>
<td>{% for suite in run.suites %}
<a href="{{ suite.page }}">{{ suite.name }}</a>: {{ suite.met }} of {{ suite.expectations }}<br>
{% endfor %}</td>
<td>{{ run.suites|sum(attribute="warnings") }}</td>
<td>{{ run.suites|sum(attribute="errors") }}</td></tr>
{% endfor %}
</tbody>
</table>
</body>
</html>
"""


class SuiteRun(BaseModel):
    """What a suite found: expectations met of all, and those not met by their severity."""

    name: str
    met: int
    expectations: int
    warnings: int
    errors: int
    page: str = ""


class Run(BaseModel):
    """A validation as the index lists it; `time` is in UTC."""

    name: str
    time: str
    suites: tuple[SuiteRun, ...]


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


def publish_docs(context: "AbstractDataContext", built: Path, folder: Path, run: Run) -> None:
    """Add the pages of a run to those in `folder`, fit to be read offline; drop the oldest.

    `context` was made with `docs_config(built)`: Great Expectations deletes all pages before it
    builds any, so that it must not build where they are kept.

    Raises OutputError when they cannot be written.
    """
    context.build_data_docs(site_names=["pages"])
    pages: dict[str, Path] = {}
    for file in (file for file in built.rglob("*") if file.is_file()):
        place = folder / file.relative_to(built)
        if file.suffix != ".html":
            with published(place) as beside:
                beside.write_bytes(file.read_bytes())
        elif file.parent != built:
            text = file.read_text("utf-8")
            publish_text(place, _UNUSABLE.sub("", text).replace("<head>", _HEAD, 1))
            pages[file.relative_to(built).parts[1]] = place
    suites = tuple(
        suite.model_copy(update={"page": _link(folder, pages.get(suite.name))})
        for suite in run.suites
    )
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


def _link(folder: Path, page: Path | None) -> str:
    return quote(page.relative_to(folder).as_posix()) if page else ""


def _read_runs(folder: Path) -> tuple[Run, ...]:
    """The runs listed so far, newest first; none where the list is not there or not to be read."""
    try:
        return _Runs.validate_json((folder / _RUNS).read_bytes())
    except (OSError, ValidationError):
        return ()
