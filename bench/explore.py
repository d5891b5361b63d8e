"""How long first pages of the page Explore take, over an index that is there.

    LAION_EXPLORE=true LAION_DATA_DIR=... make run
    LAION_DATA_DIR=... python -m bench.explore

Asks a server of the page for each search once, and then twice more; the server is a process beside
this one. Prints a line a search: the seconds that each took, and how many pairs there are.
"""

import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_TIMES = 3
_FOUND = re.compile(r"[\d,]+(?= pairs)")
SEARCHES: Mapping[str, Mapping[str, str]] = {
    "a common word and a score, best first": {
        "words": "portrait", "aesthetic_from": "7.5", "order": "highest aesthetic",
    },
    "two words and two scores, at random": {
        "words": "black white", "aesthetic_from": "7.2", "similarity_from": "0.3",
    },
    "a word without another, and a host": {"words": "print -canvas", "host": "shop.example"},
    "a score only, lowest watermark first": {
        "aesthetic_from": "8", "order": "lowest pwatermark",
    },
    "all safe pairs, at random": {"punsafe_to": "0.1"},
}  # fmt: skip


def main() -> None:
    """Ask, and print what it took."""
    with _served() as address:
        for name, fields in SEARCHES.items():
            url = f"{address}/?{urllib.parse.urlencode(fields)}"
            took = []
            for _ in range(_TIMES):
                began = time.monotonic()
                with urllib.request.urlopen(url) as answer:  # noqa: S310 - of this machine
                    page = answer.read().decode()
                took.append(f"{time.monotonic() - began:6.2f}")
            found = _FOUND.search(page)
            print(f"{name:40} {' '.join(took)}  {found[0] if found else 'none'}", flush=True)


@contextmanager
def _served() -> Iterator[str]:
    command = [sys.executable, "-m", "laion_pipeline", "explore", "--port", "3001"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        try:
            yield server.stderr.readline().strip()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
