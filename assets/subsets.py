"""A subset as an asset: its filter is given in the Launchpad, its pairs lie in `exports`."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import dagster as dg
from pydantic import Field, create_model

from assets.resources import Laion
from assets.shown import rounded, table_of
from assets.ui.links import file_link
from laion_pipeline.common.manifests import MANIFEST
from laion_pipeline.releases.intervals import Interval
from laion_pipeline.session import Session
from laion_pipeline.subsets.export import PAIRS, Export
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.host_consent import HostConsent
from laion_pipeline.subsets.preview import QUANTILES, Preview
from laion_pipeline.subsets.subset import Subset
from laion_pipeline.subsets.telling import told_examples
from laion_pipeline.subsets.verifying import CHECKED, verify


class Range(dg.Config):
    """From `at_least` or `above` to `at_most` or `below`, as far as they are given."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None


def _config_type(annotation: Any) -> Any:
    """A field's type as Dagster can show it."""
    if get_origin(annotation) is tuple:
        return list[str]
    arguments = get_args(annotation)
    if Interval in arguments:  # punsafe may be a word as well, which only Any takes
        return Range | None if type(None) in arguments else Any
    return annotation


if TYPE_CHECKING:
    SubsetConfig = dg.Config
else:
    SubsetConfig = create_model(
        "SubsetConfig",
        __base__=dg.Config,
        **{
            name: (
                _config_type(field.annotation),
                Field(
                    default=[] if isinstance(field.default, tuple)
                    else None if isinstance(field.default, Interval)
                    else field.default
                ),
            )
            for name, field in SubsetFilter.model_fields.items()
        },
    )  # fmt: skip


def _filter_of(config: SubsetConfig) -> SubsetFilter | None:
    """The filter that was given; None where none was.

    Raises SettingsError naming what is wrong with it.
    """
    given = {}
    for name, value in config:
        default = type(config).model_fields[name].default
        if value != default:
            given[name] = value.model_dump(exclude_none=True) if isinstance(value, Range) else value
    return SubsetFilter.of(given, "config") if given else None


@dg.asset(
    deps=["pairs"],
    group_name="subsets",
    kinds={"parquet"},
    check_specs=[
        dg.AssetCheckSpec(name, asset="subset", description=about)
        for name, about in CHECKED.items()
    ],
)
def subset(
    config: SubsetConfig, laion: Laion
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The pairs that a filter keeps, for training: give the filter's fields in the Launchpad.

    Without a filter nothing is written. Exports of other names stay as they are.
    """
    with laion.sound() as (session, provenance):
        chosen = _filter_of(config)
        if chosen is None:
            found: dict[str, Any] = {
                "exported": False,
                "to_export": "give a filter in the Launchpad",
            }
            wrong = dict.fromkeys(CHECKED, "")
        else:
            made = Subset(chosen, session.release, session.paths, session.warehouse).export()
            found = {"exported": True, **_metadata(made, session)}
            wrong = dict(verify(made, chosen))
        found |= {"exports": _exports(session.paths.exports), **laion.told(provenance)}
    yield dg.MaterializeResult(metadata=found)
    for name, problem in wrong.items():
        said = problem or ("as it should be" if chosen else "nothing was exported")
        yield dg.AssetCheckResult(check_name=name, passed=not problem, description=said)


def _metadata(made: Export, session: Session) -> dict[str, Any]:
    return {
        "dagster/row_count": made.pairs,
        "path": dg.MetadataValue.path(made.folder),
        **{name: file_link(session, made.folder / name) for name in (PAIRS, MANIFEST)},
        "files": table_of([{"file": n, "sha256": digest} for n, digest in made.files.items()]),
        **_consent(made.consent),
        **_preview(made.preview),
    }


def _consent(consent: HostConsent | None) -> dict[str, Any]:
    if consent is None:
        return {}
    share = consent.refusing_share
    return {
        "hosts_asked": consent.hosts,
        "hosts_that_did_not_say": consent.silent,
        "hosts_that_say_no": consent.refusing,
        **({} if share is None else {"share_of_hosts_that_say_no": rounded(share)}),
    }


def _preview(shown: Preview) -> dict[str, Any]:
    heads = [f"{100 * share:g} %" for share in QUANTILES]
    live = {} if shown.live is None else {"links_expected_live": rounded(shown.live)}
    return {
        "funnel": table_of([{"condition": s.words, "pairs": s.pairs} for s in shown.steps]),
        "quantiles": table_of(
            [
                {"of": name, **dict(zip(heads, map(rounded, values), strict=True))}
                for name, values in shown.quantiles.items()
            ]
        ),
        "commonest_hosts": table_of(
            [
                {name: value for name, value in asdict(host).items() if value is not None}
                for host in shown.hosts
            ]
        ),
        **live,
        "first_pairs": table_of(
            [{"size": size, "caption": caption} for size, caption in told_examples(shown)]
        ),
    }


def _exports(folder: Path) -> str:
    names = sorted(file.parent.name for file in folder.glob("*/manifest.json"))
    return ", ".join(names) or "none"
