"""The picture of what is made from what: shards, pairs, tables and charts, from left to right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from laion_pipeline.charts import CHARTS
from laion_pipeline.report.story import STORY, Section
from laion_pipeline.tables.table import LOADED_TABLES, Table

# In px of the picture.
_WIDTH, _HEIGHT = 144, 20
_BETWEEN_LAYERS, _BETWEEN_NODES = 43, 6


@dataclass(frozen=True)
class Node:
    """A box of the picture: where its upper left corner is, in px, and where it leads."""

    name: str
    x: int
    y: int
    href: str
    width: int = _WIDTH
    height: int = _HEIGHT


@dataclass(frozen=True)
class LineagePicture:
    """The boxes, the curves between them as SVG has them, and the size of all in px."""

    nodes: Sequence[Node]
    edges: Sequence[str]
    width: int
    height: int


def lineage_picture(tables: Sequence[Table], story: Sequence[Section] = STORY) -> LineagePicture:
    """The picture of the tables that are given, and of all charts, of which a story tells."""
    charts = [name for section in story for name in section.charts]
    layers = [["shards"], ["pairs"], *_table_layers(tables, story), charts]
    tallest = max(map(len, layers))
    nodes = {
        name: Node(name, *_place(layer, place, tallest - len(names)), _href(name, charts))
        for layer, names in enumerate(layers)
        for place, name in enumerate(names)
    }
    edges = [
        _curve(nodes[one], nodes[other])
        for one, other in _edges(tables)
        if {one, other} <= nodes.keys()
    ]
    width = len(layers) * (_WIDTH + _BETWEEN_LAYERS) - _BETWEEN_LAYERS
    height = tallest * (_HEIGHT + _BETWEEN_NODES) - _BETWEEN_NODES
    return LineagePicture(list(nodes.values()), edges, width, height)


def _table_layers(tables: Sequence[Table], story: Sequence[Section]) -> list[list[str]]:
    """The tables in the order of the story, each right of all that it is made from."""
    depths: dict[str, int] = {}
    for table in tables:  # each after those that it reads
        depths[table.name] = 1 + max((depths[name] for name in table.derived_sources), default=-1)
    return [
        [name for section in story for name in section.tables if depths[name] == depth]
        for depth in range(max(depths.values()) + 1)
    ]


def _place(layer: int, place: int, spare: int) -> tuple[int, int]:
    """Where a box is: a layer with fewer boxes than the tallest stands in the middle."""
    step = _HEIGHT + _BETWEEN_NODES
    return layer * (_WIDTH + _BETWEEN_LAYERS), place * step + spare * step // 2


def _edges(tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    yield "shards", "pairs"
    for table in tables:
        if table.sources & LOADED_TABLES:
            yield "pairs", table.name
        for source in sorted(table.derived_sources):
            yield source, table.name
    for chart in CHARTS:
        for source in chart.tables:
            yield source, chart.name


def _curve(one: Node, other: Node) -> str:
    """From the right side of one box to the left side of another."""
    start, end = one.x + one.width, other.x
    middle = (start + end) // 2
    y, to = one.y + one.height // 2, other.y + other.height // 2
    return f"M{start} {y}C{middle} {y} {middle} {to} {end} {to}"


def _href(name: str, charts: Sequence[str]) -> str:
    if name in ("shards", "pairs"):
        return "#provenance"
    return f"#{name}" if name in charts else f"#table-{name}"
