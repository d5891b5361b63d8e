"""What hosts say of the use of all that is there: asked once each, and kept for a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.common.files import published
from laion_pipeline.common.progress import percent_bar
from laion_pipeline.images.at_once import each_at_once
from laion_pipeline.images.consent import AGENT
from laion_pipeline.images.failures import NoImageError
from laion_pipeline.images.robots import Robots
from laion_pipeline.images.tdmrep import Reservations

if TYPE_CHECKING:
    from laion_pipeline.images.requests import Network

# Whom the rules of robots.txt are asked about: what downloads images, and this program.
PROGRAMS = ("img2dataset", AGENT)
_FILES: Sequence[str] = ("robots.txt", ".well-known/tdmrep.json")
# With more, as RFC 9309 asks for at least, or more rules, it is not known what a host says.
_MOST_CHARACTERS = 512 * 1024
_MOST_RULES = 5_000
_GOOD_FOR = timedelta(days=1)  # as RFC 9309 has it
_THERE_IS_NONE = range(400, 500)
_TOO_MANY_REQUESTS = 429
_SCHEMA = pa.schema(
    [
        pa.field("host", pa.string(), nullable=False),
        pa.field("asked_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("failure", pa.string()),
        pa.field("robots", pa.string()),
        pa.field("tdmrep", pa.string()),
    ]
)


@dataclass(frozen=True)
class HostRules:
    """What a host said when it was asked: its two files, '' where it has none.

    `failure` is why that is not known, where it is not.
    """

    host: str
    asked_at: datetime
    failure: str | None = None
    robots: str | None = None
    tdmrep: str | None = None

    @cached_property
    def _parsed(self) -> tuple[Robots, Reservations]:
        return Robots.parsed(self.robots or ""), Reservations.parsed(self.tdmrep or "")

    @property
    def rules(self) -> int:
        """How many rules it has."""
        robots, reservations = self._parsed
        return robots.rules + len(reservations.of_paths)

    def refusal(self, url: str) -> str:
        """Which of its rules is against the use of what is at an address; '' where none is."""
        robots, reservations = self._parsed
        return robots.refusal(url, PROGRAMS) or reservations.refusal(url)


def rules_of(
    schemes: Mapping[str, str], path: Path, network: "Network | None" = None
) -> Mapping[str, HostRules]:
    """What hosts say, each asked by its scheme of `schemes`, http or https.

    Those that answered within a day are not asked again. All that is known is kept at `path`, also
    where it is interrupted.

    Raises OutputError when it cannot be written.
    """
    from laion_pipeline.images.requests import Network

    known = {**_read(path)}
    now = datetime.now(UTC)
    fresh = {
        host
        for host, said in known.items()
        if said.failure is None and timedelta() <= now - said.asked_at < _GOOD_FOR
    }
    asked = [host for host in schemes if host not in fresh]
    if asked:
        over = network or Network()
        answered: list[str] = []

        def ask(host: str) -> None:
            known[host] = _ask(host, schemes[host], over)
            answered.append(host)

        what = f"asking {len(asked):,} hosts"
        try:
            with percent_bar(what, lambda: 100 * len(answered) / len(asked)):
                each_at_once(asked, ask)
        finally:  # whoever interrupts it need not ask all of them again
            _keep(sorted(known.values(), key=lambda said: said.host), path)
    return {host: known[host] for host in schemes}


def _read(path: Path) -> Mapping[str, HostRules]:
    try:
        rows = pq.read_table(path, columns=_SCHEMA.names).cast(_SCHEMA).to_pylist()
    except (OSError, ValueError, pa.ArrowException):  # what is not known is asked again
        return {}
    return {row["host"]: HostRules(**row) for row in rows}


def _keep(known: Sequence[HostRules], path: Path) -> None:
    rows = [{name: getattr(said, name) for name in _SCHEMA.names} for said in known]
    with published(path) as beside:
        pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), beside, compression="zstd")


def _ask(host: str, scheme: str, network: "Network") -> HostRules:
    now = datetime.now(UTC)
    try:
        said = HostRules(
            host, now, None, *(_file(f"{scheme}://{host}/{name}", network) for name in _FILES)
        )
        _require_few(said.rules, _MOST_RULES, "rules")
    except NoImageError as error:
        return HostRules(host, now, str(error))
    return said


def _file(url: str, network: "Network") -> str:
    """A file of a host; '' where it says that there is none.

    Raises NoImageError where it is not known what it has.
    """
    from laion_pipeline.images.requests import fetch_text

    try:
        text = fetch_text(url, network)
    except NoImageError as error:
        if error.status in _THERE_IS_NONE and error.status != _TOO_MANY_REQUESTS:
            return ""
        raise
    _require_few(len(text), _MOST_CHARACTERS, "characters")
    return text


def _require_few(found: int, most: int, what: str) -> None:
    if found > most:
        raise NoImageError("unusable", f"more than {most:,} {what}")
