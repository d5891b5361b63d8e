"""Great Expectations' Data Docs: its static pages about each validation, made to work offline."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from laion_pipeline.files import publish_text

if TYPE_CHECKING:
    from great_expectations.data_context import AbstractDataContext
    from great_expectations.data_context.types.base import DataContextConfig

# How many validations the index lists.
RUNS_LISTED = 20
_RESULTS = ".results"

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
.modal, .navbar, .navbar-toggler, .btn, .alert, #ge-cta-footer { display: none; }
</style>"""
_INDEX = """<!doctype html>
<html lang="en">
HEAD
<meta charset="utf-8">
<title>Validations of pairs</title>
</head>
<body>
<h1>Validations of <code>pairs</code></h1>
<p>By Great Expectations, newest first. What is expected: <a href="expectations/pairs.html">the
suite</a>. An expectation that any row breaks counts as unmet here; which of those are warnings and
which errors is for the checks in Dagster and in <a href="../report.html">the report</a>.</p>
<table>
<thead><tr><th>run</th><th>release and revision</th><th>expectations met</th></tr></thead>
<tbody>
{% for run in runs %}
<tr><td><a href="{{ run.page }}">{{ run.time }}</a></td><td>{{ run.name }}</td>
<td>{{ run.met }} of {{ run.expectations }}</td></tr>
{% endfor %}
</tbody>
</table>
</body>
</html>
"""


@dataclass(frozen=True)
class _Run:
    """A validation as the index lists it."""

    page: str
    time: str
    name: str
    met: int
    expectations: int


def docs_config(folder: Path) -> "DataContextConfig":
    """A context that keeps validation results in `folder`, and publishes its pages there."""
    from great_expectations.data_context.types.base import DataContextConfig

    in_memory = {"class_name": "InMemoryStoreBackend"}
    results = {
        "class_name": "TupleFilesystemStoreBackend",
        "base_directory": str(folder / _RESULTS),
        "filepath_suffix": ".json",
    }
    pages = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
    return DataContextConfig(
        config_version=4.0,
        stores={
            name: {"class_name": class_name, "store_backend": backend}
            for name, class_name, backend in (
                ("expectations_store", "ExpectationsStore", in_memory),
                ("validation_results_store", "ValidationResultsStore", results),
                ("checkpoint_store", "CheckpointStore", in_memory),
                ("validation_definition_store", "ValidationDefinitionStore", in_memory),
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
                "site_index_builder": {
                    "class_name": "DefaultSiteIndexBuilder",
                    "validation_results_limit": RUNS_LISTED,
                },
            }
        },
        analytics_enabled=False,
    )


def publish_docs(context: "AbstractDataContext", folder: Path) -> None:
    """Render the pages of a context made with `docs_config`, fit to be read offline."""
    context.build_data_docs(site_names=["pages"])
    for page in folder.rglob("*.html"):
        text = page.read_text("utf-8")
        if _HEAD not in text:
            publish_text(page, _UNUSABLE.sub("", text).replace("<head>", _HEAD, 1))
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _INDEX.replace("HEAD", _HEAD, 1)
    )
    index = template.render(runs=_runs(folder)[:RUNS_LISTED])
    publish_text(folder / "index.html", index)


def _runs(folder: Path) -> list[_Run]:
    """The validations that are kept, newest first."""
    runs = [_read_run(folder, file) for file in (folder / _RESULTS).rglob("*.json")]
    return sorted(runs, key=lambda run: run.time, reverse=True)


def _read_run(folder: Path, file: Path) -> _Run:
    result = json.loads(file.read_text("utf-8"))
    run_id, statistics = result["meta"]["run_id"], result["statistics"]
    page = Path("validations") / file.relative_to(folder / _RESULTS).with_suffix(".html")
    return _Run(
        page=quote(page.as_posix()),
        time=run_id["run_time"],
        name=run_id["run_name"],
        met=statistics["successful_expectations"],
        expectations=statistics["evaluated_expectations"],
    )
