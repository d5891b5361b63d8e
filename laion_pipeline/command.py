"""The command `laion-pipeline`: what is done with a release that has been materialized.

Exit status: 0; 1 when it could not be done; 2 when a setting or a filter is wrong.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dotenv import load_dotenv

from laion_pipeline.common.manifests import MANIFEST
from laion_pipeline.common.progress import terminal
from laion_pipeline.downloads.recorded import told_results
from laion_pipeline.errors import LaionError
from laion_pipeline.reading import ReleaseReader
from laion_pipeline.statistics.hub import push, require_repo
from laion_pipeline.subsets.export import Export
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.formats import FORMATS
from laion_pipeline.subsets.presets import PRESETS
from laion_pipeline.subsets.telling import told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="laion-pipeline", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    publish = commands.add_parser("publish", help="write tables and charts, to be handed on")
    publish.add_argument("folder", type=Path, help="where to; what was published there is replaced")
    publish.add_argument(
        "--repo", metavar="OWNER/NAME", help="commit it to this dataset on the Hub, too"
    )
    publish.set_defaults(act=_publish)
    explore = commands.add_parser("explore", help="a page to search the pairs with")
    explore.add_argument(
        "--port", type=_port, default=3001, help="where it is served, on 127.0.0.1"
    )
    explore.set_defaults(act=_explore)
    subset = commands.add_parser("subset", help="which pairs to train on")
    actions = subset.add_subparsers(required=True, metavar="ACTION")
    look = actions.add_parser("preview", help="what each condition of a filter leaves")
    look.add_argument("file", type=Path, help="a TOML file that describes the filter")
    look.set_defaults(act=_preview)
    write = actions.add_parser("export", help="write the pairs that a filter keeps")
    write.add_argument("file", type=Path, help="a TOML file that describes the filter")
    write.add_argument(
        "--format", action="append", default=[], metavar="FORMAT",
        help=f"beside Parquet also as {' or '.join(FORMATS)}; may be given more than once",
    )  # fmt: skip
    write.set_defaults(act=_export)
    results = actions.add_parser("results", help="read what img2dataset found")
    results.add_argument("folder", type=Path, help="the --output_folder of img2dataset")
    results.set_defaults(act=_results)
    again = actions.add_parser("retry", help="write what failed for a reason that may pass")
    again.add_argument("name", help="the name of an export")
    again.set_defaults(act=_retry)
    listing = actions.add_parser("presets", help="filters to start from")
    listing.set_defaults(act=_presets)
    asked = parser.parse_args(arguments)
    load_dotenv(Path(".env"))
    shown = terminal.set(sys.stderr)
    try:
        print(asked.act(asked), flush=True)
    except LaionError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # whoever read has stopped, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        terminal.reset(shown)
    return 0


def _publish(asked: argparse.Namespace) -> str:
    if asked.repo is not None:
        require_repo(asked.repo)
    made = ReleaseReader.open().publish(asked.folder)
    told = [f"{len(made.files)} files in {made.folder}; README.md says what they are"]
    told += [f"left out: {name}: {why}" for name, why in made.left_out.items()]
    if asked.repo is not None:
        told += [f"committed: {push(made, asked.repo)}"]
    return "\n".join(told)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("should be a number from 1 to 65535")
    return int(text)


def _explore(asked: argparse.Namespace) -> str:
    from laion_pipeline.explore.serve import serve

    serve(ReleaseReader.open().paths.search_index, asked.port)
    return "ended"


def _preview(asked: argparse.Namespace) -> str:
    chosen = SubsetFilter.read(asked.file)
    return told(ReleaseReader.open().choose(chosen).preview())


def _export(asked: argparse.Namespace) -> str:
    chosen = SubsetFilter.read(asked.file)
    return _written(ReleaseReader.open().choose(chosen).export(asked.format))


def _written(made: Export) -> str:
    files = ", ".join([*made.files, MANIFEST])
    consent = "" if made.consent is None else f"{made.consent.told()}\n"
    return (
        f"{made.pairs:,} pairs in {made.folder}: {files}\n{consent}"
        f"README.md says how to download their images with img2dataset"
    )


def _results(asked: argparse.Namespace) -> str:
    return told_results(ReleaseReader.open().record_results(asked.folder))


def _retry(asked: argparse.Namespace) -> str:
    return _written(ReleaseReader.open().retry(asked.name))


def _presets(_: argparse.Namespace) -> str:
    wide = max(map(len, PRESETS))
    return "\n".join(
        f"{name:{wide}}  {preset.about}{f' ({preset.source})' if preset.source else ''}"
        for name, preset in PRESETS.items()
    )
