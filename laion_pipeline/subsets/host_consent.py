"""The consent of hosts: which ones a subset's pairs have, and which pairs what they say leaves."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from laion_pipeline.errors import SettingsError, WarehouseError
from laion_pipeline.images.hosts import HostRules
from laion_pipeline.subsets.conditions import CHOSEN, HOST, names_table
from laion_pipeline.subsets.keeping import Step, left_by

# Some of which never answer: half an hour of asking.
MOST_HOSTS = 10_000
_BATCH_ROWS = 100_000


@dataclass(frozen=True)
class HostConsent:
    """What the `hosts` of a subset's pairs said, when they were asked (first and last, in UTC).

    `silent` is how many did not say, and `refusing` how many said no to any of the pairs: by which
    rule in `by_rule`, where a host counts for each it refused by.
    """

    hosts: int
    silent: int
    refusing: int
    by_rule: Mapping[str, int]
    asked: tuple[datetime, datetime]

    @property
    def refusing_share(self) -> float | None:
        """The share of hosts that say no, of those that say anything."""
        said = self.hosts - self.silent
        return self.refusing / said if said else None

    def told(self) -> str:
        """The same in words."""
        rules = ", ".join(f"{hosts:,} by {rule}" for rule, hosts in self.by_rule.items())
        share = "" if self.refusing_share is None else f" ({100 * self.refusing_share:.1f} %)"
        return (
            f"of {self.hosts:,} hosts {self.silent:,} did not say, and of the others"
            f" {self.refusing:,} say no{share}{f': {rules}' if rules else ''}"
        )


def hosts_of(connection: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    """The hosts of the pairs in `CHOSEN`, and by which scheme to ask each.

    Raises SettingsError where there are too many to ask.
    """
    found = connection.execute(
        f"SELECT {HOST} AS host, bool_or(url ILIKE 'https:%') FROM {CHOSEN} GROUP BY host"
    ).fetchall()
    if len(found) > MOST_HOSTS:
        raise SettingsError(
            f"host_consent: its pairs are of {len(found):,} hosts, and {MOST_HOSTS:,} at most are"
            " asked; narrow it, as with limit or hosts_allowed"
        )
    return {host: "https" if secure else "http" for host, secure in found}


def leave_consenting(
    connection: duckdb.DuckDBPyConnection, said: Mapping[str, HostRules]
) -> tuple[Sequence[Step], HostConsent]:
    """Leave in `CHOSEN` the pairs whose hosts say that they may be used.

    Raises WarehouseError where a host was not asked.
    """
    if hosts_of(connection).keys() - said.keys():
        raise WarehouseError("other pairs were loaded while hosts were asked; export again")
    silent = [host for host, rules in said.items() if rules.failure is not None]
    connection.register("silent_hosts", names_table(silent))
    steps = [
        left_by(
            connection,
            f"host says what may be used ({len(silent):,} of {len(said):,} hosts do not)",
            f"{HOST} NOT IN (SELECT name FROM silent_hosts)",
        )
    ]
    urls, rules_by_host = _refused(connection, said)
    connection.register("refused_urls", names_table(urls))
    steps.append(
        left_by(
            connection,
            f"host does not say no ({len(rules_by_host):,} hosts do)",
            "url NOT IN (SELECT name FROM refused_urls)",
        )
    )
    by_rule = Counter(rule for rules in rules_by_host.values() for rule in rules)
    times = sorted(rules.asked_at for rules in said.values())
    consent = HostConsent(
        len(said), len(silent), len(rules_by_host), dict(sorted(by_rule.items())),
        (times[0], times[-1]),
    )  # fmt: skip
    return steps, consent


def _refused(
    connection: duckdb.DuckDBPyConnection, said: Mapping[str, HostRules]
) -> tuple[Sequence[str], Mapping[str, set[str]]]:
    """The addresses that hosts refuse the use of, and by which of its rules each of these does."""
    urls: list[str] = []
    rules_by_host: defaultdict[str, set[str]] = defaultdict(set)
    ruling = [host for host, rules in said.items() if rules.rules]
    connection.register("ruling_hosts", names_table(ruling))
    reader = connection.execute(
        f"SELECT DISTINCT url, {HOST} AS host FROM {CHOSEN}"
        " WHERE host IN (SELECT name FROM ruling_hosts)"
    ).to_arrow_reader(_BATCH_ROWS)
    for batch in reader:
        for url, host in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if rule := said[host].refusal(url):
                urls.append(url)
                rules_by_host[host].add(rule)
    return urls, rules_by_host
