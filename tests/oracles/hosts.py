"""The tables on who hosts the images computed another way."""

import math
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from tests.oracles.rows import Line, Row, numbers

_ICANN = PublicSuffixList(only_icann=True)


def registrable(url: str) -> str:
    host = (urlsplit(url.replace("\\", "/")).hostname or "").removesuffix(".")
    try:
        ip_address(host)
    except ValueError:
        return _ICANN.privatesuffix(host) or host
    return f"[{host}]" if ":" in host else host


def host_totals(rows: Sequence[Row]) -> list[Line]:
    held: dict[str, list[Row]] = {}
    for row in rows:
        held.setdefault(registrable(row["url"]), []).append(row)
    ranked = sorted(held.items(), key=lambda item: (-len(item[1]), item[0].encode()))
    lines: list[Line] = []
    for host, own in ranked:
        means = [
            math.fsum(numbers(own, score)) / len(own)
            for score in ("aesthetic", "punsafe", "pwatermark")
        ]
        marked = sum(mark >= 0.5 for mark in numbers(own, "pwatermark")) / len(own)
        lines.append((host, len(own), *means, marked))
    return lines


def host_counts(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    so_far = 0
    for rank, (host, pairs, *values) in enumerate(host_totals(rows), 1):
        so_far += pairs
        if pairs >= 10:
            lines.append((rank, host, pairs, pairs / len(rows), so_far / len(rows), *values))
    return lines


def domain_summary(rows: Sequence[Row]) -> list[Line]:
    totals = host_totals(rows)
    listed, small = -(-len(totals) // 10), min(-(-len(totals) // 20), 1000)
    return [
        (rank, domain, pairs, pairs / len(rows), rank <= small)
        for rank, (domain, pairs, *_) in enumerate(totals[:listed], 1)
    ]
