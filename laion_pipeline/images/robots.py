"""What a robots.txt says of addresses to a program: RFC 9309, and the IETF's AI preferences.

A rule of those, `Content-Usage`, has a path, or none where it is for all, and usages. A look takes
no longer than there are rules, whatever patterns a stranger has written.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from laion_pipeline.images.consent import TRAIN, reserves

_ALL = "*"
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_PATH = re.compile(r"[^:/]+://[^/?#\\]*([^#]*)")
_ESCAPED = re.compile("%([0-9a-fA-F]{2})")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]")


@dataclass
class _Group:
    """Rules for a program, each a pattern of paths and whether what it is about is allowed."""

    crawling: list[tuple[str, bool]] = field(default_factory=list)
    training: list[tuple[str, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class Robots:
    """The groups of a robots.txt, by the programs they are for."""

    groups: Mapping[str, _Group]

    @classmethod
    def parsed(cls, text: str) -> "Robots":
        """The groups of a text; what is no rule, in whatever else that may be, is passed over."""
        groups: dict[str, _Group] = {}
        current: list[_Group] = []
        begun = False
        for line in text.splitlines():
            name, _, value = (part.strip() for part in line.partition("#")[0].partition(":"))
            match name.casefold():
                case "user-agent":
                    current = [] if begun else current
                    begun = False
                    current.append(groups.setdefault(_program(value), _Group()))
                case "allow" | "disallow" as rule if value:
                    for group in current:
                        group.crawling.append((canonical(value), rule == "allow"))
                    begun = True
                case "content-usage" if value:
                    path, *usages = value.split(None, 1) if value[0] == "/" else ("/", value)
                    for group in current:
                        group.training.append((canonical(path), not reserves("".join(usages))))
                    begun = True
                case "allow" | "disallow" | "content-usage":
                    begun = True
        return cls(groups)

    @property
    def rules(self) -> int:
        """How many there are."""
        return sum(len(group.crawling) + len(group.training) for group in self.groups.values())

    def refusal(self, url: str, programs: Sequence[str]) -> str:
        """The rule by which one of these programs may not use what is at an address; '' if none.

        A program without a group of its own goes by the one for all.
        """
        path = path_of(url)
        for program in programs:
            group = self.groups.get(program, self.groups.get(_ALL))
            if group is None:
                continue
            if True not in _said(group.crawling, path):
                return "robots.txt"
            if False in _said(group.training, path):
                return f"Content-Usage: {TRAIN}=n in robots.txt"
        return ""


def _program(value: str) -> str:
    """The name of a program, without its version; `*` for all."""
    return re.split(r"[/\s]", value.casefold(), maxsplit=1)[0]


def _said(rules: Sequence[tuple[str, bool]], path: str) -> set[bool]:
    """What the longest rules for a path say; that all is allowed where there are none."""
    found = [(len(pattern), allows) for pattern, allows in rules if matches(pattern, path)]
    longest, _ = max(found, default=(0, True))
    return {allows for length, allows in found if length == longest} or {True}


def path_of(url: str) -> str:
    """The path and the query of an address, in the form that patterns are compared with."""
    found = _PATH.match(url)
    path = found[1] if found else ""
    return canonical(path if path.startswith("/") else f"/{path}")


def canonical(path: str) -> str:
    """A path in the one way of several to write it: letters and digits plain, all else escaped."""

    def written(found: re.Match[str]) -> str:
        letter = chr(int(found[1], 16))
        return letter if _UNRESERVED.match(letter) else found[0].upper()

    return _ESCAPED.sub(written, quote(path, safe=_ASCII))


def matches(pattern: str, path: str) -> bool:
    """Whether a path begins as a pattern has it: `*` is anything, a last `$` the path's end."""
    ends = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not others:
        return not ends or at == len(path)
    *between, last = others
    for part in between:
        if (found := path.find(part, at)) < 0:
            return False
        at = found + len(part)
    if ends:
        return len(path) - len(last) >= at and path.endswith(last)
    return path.find(last, at) >= 0
