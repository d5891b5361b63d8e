"""The picture of what is made from what: everything is in it, and arrows lead to the right."""

import re
from itertools import combinations

from laion_pipeline.charts import CHARTS
from laion_pipeline.report.lineage import lineage_picture
from tests.builders import tables

PICTURE = lineage_picture(list(tables().values()))
NODES = {node.name: node for node in PICTURE.nodes}


def test_everything_is_in_it_once() -> None:
    expected = ["shards", "pairs", *tables(), *(chart.name for chart in CHARTS)]
    assert sorted(node.name for node in PICTURE.nodes) == sorted(expected)


def test_no_box_covers_another_or_is_cut_off() -> None:
    for one, other in combinations(PICTURE.nodes, 2):
        beside = abs(one.x - other.x) >= one.width
        assert beside or abs(one.y - other.y) >= one.height, (one.name, other.name)
    for node in PICTURE.nodes:
        assert 0 <= node.x <= PICTURE.width - node.width
        assert 0 <= node.y <= PICTURE.height - node.height


def test_curves_lead_from_what_is_read_to_what_is_made() -> None:
    starts = {(node.x + node.width, node.y + node.height // 2): node for node in PICTURE.nodes}
    ends = {(node.x, node.y + node.height // 2): node for node in PICTURE.nodes}
    drawn = set()
    for edge in PICTURE.edges:
        x, y, *_, to_x, to_y = map(int, re.findall(r"-?\d+", edge))
        assert x < to_x
        drawn.add((starts[x, y].name, ends[to_x, to_y].name))
    assert len(drawn) == len(PICTURE.edges)
    expected = {("shards", "pairs")}
    for table in tables().values():
        expected |= {(source, table.name) for source in table.derived_sources}
        if "valid_pairs" in table.sources or "quarantine" in table.sources:
            assert ("pairs", table.name) in drawn
    expected |= {(source, chart.name) for chart in CHARTS for source in chart.tables}
    assert expected <= drawn
    assert {one for one, _ in drawn - expected} == {"pairs"}


def test_each_box_leads_to_what_it_names() -> None:
    assert NODES["crop_loss"].href == "#table-crop_loss"
    assert NODES["training_crops"].href == "#training_crops"
    assert NODES["pairs"].href == "#provenance"
