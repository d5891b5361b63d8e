"""A program that has Spark load, compute and check, in a process of its own."""

import subprocess
import sys
from pathlib import Path

from tests.end_to_end.command import PROJECT, environment

_PROGRAM = """
import sys

from laion_pipeline.ingestion import fetch_shards, load_listing
from laion_pipeline.quality.validation import validate
from laion_pipeline.session import Session
from laion_pipeline.tables.table import materialize_table
from tests.builders import tables

session = Session.open()
print(load_listing(session, fetch_shards(session).listing).rows)
for name in sys.argv[1:]:
    folder = session.paths.tables
    materialize_table(session.warehouse, tables()[name], folder, engine=session.engine)
if sys.argv[1:]:
    validate(session.warehouse, session.contract, "pairs", engine=session.engine)
session.engine.close()
"""


def started(place: Path, master: str, shards: Path, *tables: str) -> subprocess.Popen[str]:
    """Start it; it says how many rows it loaded. Where `tables` are named, it checks, too."""
    settings = {"source": str(shards), "engine": "spark", "spark_master": master}
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *tables],
        cwd=PROJECT,
        env=environment(place, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
