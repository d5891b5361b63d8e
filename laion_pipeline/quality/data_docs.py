"""Great Expectations' Data Docs: its static pages about each validation, made to work offline."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, TypeAdapter, ValidationError

from laion_pipeline.common.files import publish_text, published
from laion_pipeline.quality.results import CheckResult, tally

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
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
    # A $ would stand for a variable.
    base = str(folder).replace("$", r"\$")
    pages = {"class_name": "TupleFilesystemStoreBackend", "base_directory": base}
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
    expected = sorted((folder / "expectations").glob("*.html"))
    index = (
        _templates()
        .get_template("index.html")
        .render(
            runs=runs[:RUNS_LISTED],
            suites=[{"name": page.stem, "page": _link(folder, page)} for page in expected],
        )
    )
    publish_text(folder / "index.html", index)


def _made_readable(page: str, told: str) -> str:
    page = _STATISTICS.sub("", _STATUS.sub(rf"\1 {told}", page))
    head = _templates().get_template("head.html").render()
    return _UNUSABLE.sub("", page).replace("<head>", head, 1)


def _templates() -> Environment:
    loader = PackageLoader("laion_pipeline.quality")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)


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
