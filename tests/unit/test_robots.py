"""What robots.txt and tdmrep.json say of an address, beside another reader of the first."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from laion_pipeline.images.robots import Robots
from laion_pipeline.images.tdmrep import Reservations

HOST = "https://host.example"


def refusal(text: str, path: str = "/images/a.png", program: str = "img2dataset") -> str:
    return Robots.parsed(text).refusal(HOST + path, [program])


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("", False),
        ("<!doctype html><title>User-agent: *</title>", False),
        ("User-agent: *\nDisallow: /", True),
        ("user-AGENT : *\r\nDISALLOW:/images", True),
        ("User-agent: *\nDisallow:", False),
        ("User-agent: *\nDisallow: / # all", True),
        ("User-agent: *\nDisallow: /image/", False),
        ("User-agent: *\nDisallow: /images/*.png$", True),
        ("User-agent: *\nDisallow: /images/*.pn$", False),
        ("User-agent: *\nDisallow: *.png", True),
        ("User-agent: *\nDisallow: /%69mages/", True),
        ("User-agent: *\nDisallow: /\nAllow: /images", False),
        ("User-agent: *\nAllow: /images\nDisallow: /images", False),
        ("User-agent: *\nDisallow: /images/a\nAllow: /images", True),
        ("User-agent: other\nDisallow: /", False),
        ("User-agent: img2dataset\nDisallow: /", True),
        ("User-agent: Img2Dataset/1.0\nDisallow: /", True),
        ("User-agent: img2dataset\nDisallow:\nUser-agent: *\nDisallow: /", False),
        ("User-agent: other\nUser-agent: *\nCrawl-delay: 3\nDisallow: /", True),
        ("User-agent: *\nAllow: /a\nUser-agent: *\nDisallow: /images", True),
        ("User-agent: *\nSitemap: /s\nUser-agent: other\nDisallow: /images", True),
        ("Disallow: /", False),
    ],
)
def test_what_is_allowed(text: str, refused: bool) -> None:
    assert refusal(text) == ("robots.txt" if refused else "")


AGAINST = "Content-Usage: train-ai=n in robots.txt"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("Content-Usage: train-ai=n", AGAINST),
        ("content-usage:search=y, train-ai=n;x=1", AGAINST),
        ("Content-Usage: train-ai=y", ""),
        ("Content-Usage: search=n", ""),
        ("Content-Usage: /images/ train-ai=n", AGAINST),
        ("Content-Usage: /images/*.jpg\ttrain-ai=n", ""),
        ("Content-Usage: train-ai=n\nContent-Usage: /images/ train-ai=y", ""),
        ("Content-Usage: train-ai=y\nContent-Usage: /images/ train-ai=n", AGAINST),
        ("Content-Usage: train-ai=y\nContent-Usage: train-ai=n", AGAINST),
        ("Content-Usage: /images/", ""),
        ("Content-Usage:", ""),
        ("Allow: /\nContent-Usage: train-ai=n", AGAINST),
        ("Disallow: /\nContent-Usage: train-ai=y", "robots.txt"),
    ],
)
def test_what_may_be_trained_on(rules: str, said: str) -> None:
    assert refusal(f"User-agent: *\n{rules}") == said
    assert refusal(f"User-agent: img2dataset\n{rules}") == said
    assert refusal(f"User-agent: other\n{rules}") == ""


def test_each_program_goes_by_its_own_group() -> None:
    robots = Robots.parsed("User-agent: laion-pipeline\nDisallow: /\nUser-agent: *\nAllow: /")
    assert robots.refusal(HOST, ["img2dataset"]) == ""
    assert robots.refusal(HOST, ["img2dataset", "laion-pipeline"]) == "robots.txt"


PATTERNS = st.lists(st.sampled_from(["/", "a", "b", "*", "%41", "é", "?", ".png"]), max_size=6)
RULES = st.tuples(
    st.sampled_from(["Allow", "Disallow"]), PATTERNS, st.sampled_from(["", "", "$"])
).map(lambda rule: f"{rule[0]}: /{''.join(rule[1])}{rule[2]}")
PATHS = st.lists(st.sampled_from(["/", "a", "b", "A", "%C3%A9", "?", ".png"]), max_size=8)


@given(st.lists(RULES, max_size=5), PATHS)
def test_what_another_reader_finds(rules: list[str], parts: list[str]) -> None:
    text = "\n".join(["User-agent: *", *rules])
    path = f"/{''.join(parts)}"
    allowed = Protego.parse(text).can_fetch(HOST + path, "img2dataset")
    assert refusal(text, path) == ("" if allowed else "robots.txt")


def test_patterns_that_would_take_for_ever_do_not() -> None:
    text = f"User-agent: *\nDisallow: /{'*a' * 2_000}b\nDisallow: /{'*' * 100_000}$x"
    began = time.monotonic()
    assert refusal(text, f"/{'a' * 4_000}") == ""
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("text", "reserved"),
    [
        ('[{"location": "/", "tdm-reservation": 1}]', True),
        ('[{"location": "/", "tdm-reservation": "1", "tdm-policy": "https://p.example"}]', True),
        ('[{"location": "/", "tdm-reservation": 0}]', False),
        ('[{"location": "/images/*.png$", "tdm-reservation": 1}]', True),
        ('[{"location": "/images/", "tdm-reservation": 0},'
         ' {"location": "/", "tdm-reservation": 1}]', False),
        ('[{"location": "/", "tdm-reservation": 1},'
         ' {"location": "/images/", "tdm-reservation": 0}]', True),
        ('[{"location": "/other", "tdm-reservation": 1}]', False),
        ("<!doctype html>", False), ("", False), ("{}", False), ("[1]", False), ("[{}]", False),
        ('[{"location": 1, "tdm-reservation": 1}]', False), ("[" * 100_000, False),
    ],
)  # fmt: skip
def test_what_is_reserved(text: str, reserved: bool) -> None:
    said = Reservations.parsed(text).refusal(f"{HOST}/images/a.png")
    assert said == ("tdmrep.json" if reserved else "")
