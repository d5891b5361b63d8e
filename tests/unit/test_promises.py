"""Every promise of the README and of SECURITY.md names tests that there are."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
README = " ".join((PROJECT / "README.md").read_text("utf-8").split())
DOCUMENTS = {"SECURITY.md": "what a stranger might do", "docs/promises.md": "promise"}


def lines_of(document: str) -> list[list[str]]:
    """The cells of a document's table, without its headings."""
    text = (PROJECT / document).read_text("utf-8")
    table = text.split(f"| {DOCUMENTS[document]} |", 1)[1].split("\n\n", 1)[0]
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_is_tried_by_tests_that_there_are(document: str) -> None:
    for promise, *_, tried in lines_of(document):
        named = re.findall(r"`(tests/[^`]+\.py)::(\w+)`", tried)
        assert named or "make lint" in tried, promise
        for file, name in named:
            assert name in functions_of(file), f"{file} has no {name}"


def test_what_is_promised_are_the_words_of_the_readme() -> None:
    assert [promise for promise, _ in lines_of("docs/promises.md") if promise not in README] == []


def functions_of(file: str) -> set[str]:
    parsed = ast.parse((PROJECT / file).read_text("utf-8"))
    return {node.name for node in ast.walk(parsed) if isinstance(node, ast.FunctionDef)}
