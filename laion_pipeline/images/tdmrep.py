"""What a tdmrep.json says of addresses: the protocol of a group at the W3C to reserve rights."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from laion_pipeline.images.robots import canonical, matches, path_of


@dataclass(frozen=True)
class Reservations:
    """Patterns of paths in turn, and whether the rights to mine what is there are reserved."""

    of_paths: Sequence[tuple[str, bool]]

    @classmethod
    def parsed(cls, text: str) -> "Reservations":
        """Those of a text; none where it is something else, as the page that many sites send."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            told = []
        rules = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
        return cls(
            [
                (canonical(each["location"]), str(each.get("tdm-reservation")) in ("1", "True"))
                for each in rules
                if isinstance(each.get("location"), str)
            ]
        )

    def refusal(self, url: str) -> str:
        """The file, where by it the rights to mine what is at an address are reserved; else ''."""
        path = path_of(url)
        reserved = next((r for pattern, r in self.of_paths if matches(pattern, path)), False)
        return "tdmrep.json" if reserved else ""
