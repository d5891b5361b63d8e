"""A subset from the Launchpad: what is given there is written, looked at and checked."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
import trustme

from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.subsets.verifying import CHECKED
from tests.image_servers import answer, serving
from tests.orchestration.runs import INGEST, RELEASE, configured, run

pytestmark = pytest.mark.slow

SUBSET = dg.AssetSelection.assets("subset")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("place")
    generate_sample(place / "source", rows=3000, shards=2)
    with configured(place / "data", place / "source"):
        assert run(INGEST).success
        yield place / "data"


def test_without_a_filter_nothing_is_written(data: Path) -> None:
    done = run(SUBSET)
    assert done.success
    told = done.metadata["subset"]
    assert told["exported"] is False
    assert "Launchpad" in told["to_export"]
    assert not (data / RELEASE / "exports").exists()


def test_a_filter_is_written_shown_and_checked(data: Path, tmp_path: Path) -> None:
    (tmp_path / "gone.txt").write_text("i.pins.example\n")
    given = {
        "name": "photos", "caption_any": ["photo", "view"], "punsafe": {"at_most": 0.05},
        "aesthetic": {"at_least": 7.2}, "dedupe": ["url"], "order": "highest aesthetic",
        "opt_out_hosts": [str(tmp_path / "gone.txt")], "limit": 40, "formats": ["kohya"],
    }  # fmt: skip
    done = run(SUBSET, config={"subset": given})
    assert done.success
    told = done.metadata["subset"]
    table = pq.read_table(data / RELEASE / "exports" / "photos" / "pairs.parquet")
    assert told["dagster/row_count"] == table.num_rows == 40
    assert max(table["punsafe"].to_pylist()) <= 0.05
    assert not [url for url in table["url"].to_pylist() if "//i.pins.example/" in url]
    assert told["exports"] == "photos"
    assert told["pairs.parquet"].endswith("/files/exports/photos/pairs.parquet")
    assert "kohya.json" in {record.data["file"] for record in told["files"]}
    assert {record.data["condition"] for record in told["funnel"]} >= {"punsafe <= 0.05"}
    quantiles = {record.data["of"]: record.data for record in told["quantiles"]}
    assert quantiles["aesthetic"]["5 %"] >= 7.2
    hosts = [record.data for record in told["commonest_hosts"]]
    assert 0 < sum(host["pairs"] for host in hosts) <= 40
    assert len(told["first_pairs"]) == 10
    assert " x " in told["first_pairs"][0].data["size"]
    assert {name: done.checks[f"subset.{name}"].passed for name in CHECKED} == dict.fromkeys(
        CHECKED, True
    )


def test_hosts_are_asked_where_the_filter_has_it_so(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = ["us.stock.example", "cdn.shop.example"]
    given = {"name": "asked", "host_consent": True, "hosts_allowed": hosts}
    answers = {"us.stock.example/robots.txt": answer(b"User-agent: *\nDisallow: /")}
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("host.example").configure_cert(tls)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    authority.configure_trust(trusting)
    with serving(answers, tls) as servers:
        over = servers.network(certificates=lambda: trusting)
        monkeypatch.setattr("laion_pipeline.images.requests.Network", lambda: over)
        done = run(SUBSET, config={"subset": given})
    assert done.success
    told = done.metadata["subset"]
    urls = pq.read_table(data / RELEASE / "exports" / "asked" / "pairs.parquet")["url"].to_pylist()
    assert told["dagster/row_count"] == len(urls) > 0
    assert not [url for url in urls if "//us.stock.example/" in url]
    assert (told["hosts_that_say_no"], told["hosts_that_did_not_say"]) == (1, 0)
    assert (told["hosts_asked"], told["share_of_hosts_that_say_no"]) == (2, 0.5)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"order": "prettiest", "limit": 3}, "config: order is prettiest, but should be one of"),
        ({"punsafe": {"at_mots": 0.1}}, "config: punsafe"),
        ({"aesthetic": {"at_least": 12.0}}, "aesthetic: 12 <= aesthetic leaves no pair"),
        ({"caption_all": ["no such word"]}, "subset: no pair is left"),
    ],
)  # fmt: skip
def test_a_wrong_filter_fails_with_one_line(
    data: Path, given: dict[str, object], line: str
) -> None:
    done = run(SUBSET, config={"subset": given})
    assert not done.success
    failure = done.failures["subset"].step_failure_data.error
    assert failure is not None
    assert line in str(failure.cause or failure)
