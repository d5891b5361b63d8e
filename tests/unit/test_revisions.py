"""What changed since the revision before, whatever was loaded, and however, on the way there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pytest

from laion_pipeline.errors import ShardError, WarehouseError
from laion_pipeline.releases.release import Release
from laion_pipeline.tables.table import check_table, materialize_table
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import load_pairs
from tests.builders import (
    RAW,
    SAMPLE,
    Row,
    accept_removal,
    change,
    column,
    fetch,
    list_folder,
    pair,
    pairs,
    provenance,
    reload,
    replaced,
    table_of,
    tables,
    warehouse_at,
    write_shard,
    write_table,
)
from tests.oracles import revisions

World = Mapping[str, Sequence[Row]]
Diff = dict[str, dict[str, int]]

DIFF = tables()["revision_diff"]
BARE = Release(name="bare", columns=("url", "text"))


@dataclass
class Loader:
    """A warehouse, the folder that it is loaded from, and what it should know of earlier loads."""

    root: Path
    release: Release = SAMPLE
    complete: tuple[str, World] | None = None
    previous: tuple[str, World] | None = None
    is_complete: bool = False
    warehouse: Warehouse = field(init=False)

    def __post_init__(self) -> None:
        self.warehouse = warehouse_at(self.root / "warehouse.duckdb")

    @property
    def folder(self) -> Path:
        return self.root / "shards"

    def write(self, world: World) -> None:
        for file in self.folder.glob("*.parquet"):
            if file.name not in world:
                file.unlink()
        for name, rows in world.items():
            write_shard(self.folder, name, rows, self.release.columns)

    def seen(self, world: World) -> World:
        """The rows with just the columns of the release."""
        return {
            path: [
                {name: row[name] for name in self.release.columns if name in row} for row in rows
            ]
            for path, rows in world.items()
        }

    def load(self, world: World) -> str:
        """Load a revision whole; return its name."""
        self.write(world)
        revision = list_folder(self.folder, self.release).revision
        reload(self.warehouse, self.folder, self.release)
        accept_removal(self.warehouse)
        if self.complete and not (self.is_complete and self.complete[0] == revision):
            self.previous = self.complete
        self.complete, self.is_complete = (revision, world), True
        return revision

    def load_first(self, world: World, shards: int) -> None:
        """Load only the first few shards."""
        self.write(world)
        listing = list_folder(self.folder, self.release)
        some = replace(listing, shards=listing.shards[:shards], complete=False)
        load_pairs(self.warehouse, self.release, some)
        self.is_complete = False

    def break_off(self, world: World, bad: str) -> None:
        """Try to load a revision of which a shard turns out to be bad when its turn comes."""
        self.write(world)
        broken = table_of([pair(99), pair(98)], self.release.columns)
        if "width" in self.release.columns:
            broken = replaced(broken, "width", pa.array([640, 512.5]))
        else:
            broken = replaced(broken, "text", pa.array([b"\xff", b"a"]).view(pa.string()))
        write_table(self.folder, bad, broken)
        with pytest.raises(ShardError):
            reload(self.warehouse, self.folder, self.release, batch_shards=1)
        self.is_complete = False
        with pytest.raises(WarehouseError, match="not completely loaded"):
            provenance(self.warehouse)

    def diff(self) -> Diff:
        """The table as it would be made now, once it has passed its own check."""
        with self.warehouse.connect(read_only=True) as connection:
            connection.execute(f"CREATE TEMP TABLE revision_diff AS {DIFF.sql}")
            rows = connection.execute("FROM revision_diff").fetchall()
            assert connection.execute(DIFF.check_sql).fetchall() == []
        if rows:
            assert self.previous is not None
            assert self.complete is not None
            assert {row[:2] for row in rows} == {(self.previous[0], self.complete[0])}
        return {
            str(row[2]): dict(zip(revisions.DIFF_COLUMNS, map(int, map(str, row[3:])), strict=True))
            for row in rows
        }

    def assert_right(self) -> Diff:
        found = self.diff()
        if not (self.is_complete and self.complete and self.previous):
            assert found == {}
            return found
        before, after = (self.seen(world) for _, world in (self.previous, self.complete))
        expected = revisions.revision_diff(before, after)
        assert found.keys() == expected.keys()
        for path, line in expected.items():
            for name, (least, most) in line.items():
                assert least <= found[path][name] <= most, f"{path}: {name}"
        totals = tuple(sum(line[name] for line in found.values()) for name in ("added", "removed"))
        assert totals == revisions.added_and_removed(before, after)
        return found


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Loader:
    loader = Loader(tmp_path_factory.mktemp("first"))
    loader.load(ABC)
    return loader


@pytest.fixture
def abc(first: Loader, tmp_path: Path) -> Loader:
    """A warehouse that has loaded the revision ABC, and nothing else."""
    (tmp_path / "warehouse.duckdb").write_bytes(first.warehouse.file.read_bytes())
    return Loader(tmp_path, complete=first.complete, is_complete=True)


def world(**shards: Sequence[Row]) -> dict[str, list[Row]]:
    return {f"part-{name}.parquet": list(rows) for name, rows in shards.items()}


ABC = world(a=pairs(4), b=pairs(3, first=10), c=pairs(2, first=20))


def counts(**wanted: int) -> dict[str, int]:
    return {**dict.fromkeys(revisions.DIFF_COLUMNS, 0), **wanted}


def shown(diff: Diff) -> Diff:
    """Only what changed, of the shards in which anything did."""
    changes = revisions.DIFF_COLUMNS[2:]
    lines = {p: {n: line[n] for n in changes if line[n]} for p, line in diff.items()}
    return {path.removeprefix("part-")[0]: line for path, line in lines.items() if line}


def but(old: World, **shards: Sequence[Row] | None) -> dict[str, list[Row]]:
    """A revision in which some shards are others, or are not there."""
    new: dict[str, list[Row]] = {path: list(rows) for path, rows in old.items()}
    for name, rows in shards.items():
        if rows is None:
            del new[f"part-{name}.parquet"]
        else:
            new[f"part-{name}.parquet"] = list(rows)
    return new


# A second revision after ABC, and all that changed by it.
SECOND: dict[str, tuple[World, Diff]] = {
    "a row more": (but(ABC, b=pairs(4, first=10)), {"b": {"added": 1}}),
    "a row less": (but(ABC, b=pairs(2, first=10)), {"b": {"removed": 1}}),
    "all rows others": (but(ABC, c=pairs(2, first=30)), {"c": {"added": 2, "removed": 2}}),
    "rows in another order": (but(ABC, a=pairs(4)[::-1]), {}),
    "another text": (
        but(ABC, a=[*pairs(3), pair(3, text="other")]),
        {"a": {"changed_text": 1}},
    ),
    "no text any more": (
        but(ABC, a=[*pairs(3), pair(3, text=None)]),
        {"a": {"changed_text": 1}},
    ),
    "two other scores": (
        but(ABC, a=[*pairs(3), pair(3, punsafe=0.4, aesthetic=9.0)]),
        {"a": {"changed_scores": 1}},
    ),
    "another text and another score": (
        but(ABC, a=[*pairs(3), pair(3, text="other", similarity=0.5)]),
        {"a": {"changed_text": 1, "changed_scores": 1}},
    ),
    "no score any more": (
        but(ABC, a=[*pairs(3), pair(3, similarity=None)]),
        {"a": {"changed_scores": 1}},
    ),
    "another size and URL": (but(ABC, a=[*pairs(3), pair(3, width=1, url="http://a.b/c")]), {}),
    "a row moved": (but(ABC, a=pairs(3), b=[*pairs(3, first=10), pair(3)]), {}),
    "a row moved and changed": (
        but(ABC, a=pairs(3), b=[*pairs(3, first=10), pair(3, text="other")]),
        {"b": {"changed_text": 1}},
    ),
    "a row twice": (but(ABC, a=[*pairs(4), pair(3)]), {"a": {"added": 1}}),
    "another text of a row twice": (
        but(ABC, a=[*pairs(4), pair(3, text="other")]),
        {"a": {"added": 1}},
    ),
    "a shard more": (but(ABC, d=pairs(3, first=40)), {"d": {"added": 3}}),
    "a shard more, of known rows": (but(ABC, d=pairs(4)), {"d": {"added": 4}}),
    "a shard less": (but(ABC, b=None), {"b": {"removed": 3}}),
    "a shard emptied": (but(ABC, b=[]), {"b": {"removed": 3}}),
    "an empty shard more": (but(ABC, d=[]), {}),
    "a shard cut in two": (but(ABC, a=pairs(2), d=pairs(2, first=2)), {}),
    "shards put together": (but(ABC, b=pairs(3, first=10) + pairs(2, first=20), c=None), {}),
    "a shard renamed": (but(ABC, c=None, d=pairs(2, first=20)), {}),
    "a shard renamed, another changed": (
        but(ABC, a=pairs(5), c=None, d=pairs(2, first=20)),
        {"a": {"added": 1}},
    ),
    "shards renamed around": (
        world(a=pairs(3, first=10), b=pairs(2, first=20), c=pairs(4)), {},
    ),
    "every shard another": (
        world(d=pairs(1, first=50)),
        {"a": {"removed": 4}, "b": {"removed": 3}, "c": {"removed": 2}, "d": {"added": 1}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("after", "changes"), SECOND.values(), ids=SECOND)
def test_what_changed_is_told_shard_by_shard(after: World, changes: Diff, abc: Loader) -> None:
    abc.load(after)
    found = abc.assert_right()
    assert shown(found) == changes
    rows = {path: (line["previous_rows"], line["rows"]) for path, line in found.items()}
    assert rows == {
        path: (len(ABC.get(path, [])), len(after.get(path, []))) for path in {*ABC, *after}
    }


def test_of_a_first_revision_nothing_is_told(loader: Loader) -> None:
    loader.load(ABC)
    assert loader.diff() == {}
    loader.load(ABC)
    assert loader.diff() == {}, "loading it again makes no second one"


def test_the_same_revision_again_leaves_what_is_told_as_it_is(abc: Loader) -> None:
    abc.load(but(ABC, a=pairs(5)))
    told = abc.diff()
    abc.load(but(ABC, a=pairs(5)))
    assert abc.diff() == told
    assert shown(told) == {"a": {"added": 1}}


def test_a_revision_is_compared_with_the_one_just_before(loader: Loader) -> None:
    for count in (4, 6, 5, 9):
        loader.load(but(ABC, a=pairs(count)))
        loader.assert_right()
    assert shown(loader.diff()) == {"a": {"added": 4}}
    loader.load(ABC)
    assert shown(loader.diff()) == {"a": {"removed": 5}}


def test_a_revision_of_the_same_files_is_compared_too(abc: Loader) -> None:
    """As when only the page of a data set is edited."""
    abc.write(ABC)
    listing = list_folder(abc.folder)
    for revision in ("first", "second"):
        load_pairs(abc.warehouse, SAMPLE, replace(listing, revision=revision))
    materialize_table(abc.warehouse, DIFF, abc.root / "tables")
    lines = fetch(
        abc.warehouse,
        "SELECT previous_revision, revision, sum(rows), sum(added + removed) FROM revision_diff"
        " GROUP BY ALL",
    )
    assert lines == [("first", "second", 9, 0)]


def test_a_revision_that_only_renames_is_one_of_its_own(abc: Loader) -> None:
    abc.load(but(ABC, a=pairs(5)))
    abc.load(but(ABC, a=pairs(5), c=None, z=pairs(2, first=20)))
    assert shown(abc.assert_right()) == {}, "the row was added by the revision before"


def test_a_load_of_the_first_shards_is_compared_with_nothing(abc: Loader) -> None:
    abc.load_first(but(ABC, a=pairs(5)), 2)
    assert abc.diff() == {}
    abc.load_first(but(ABC, a=pairs(6)), 1)
    assert abc.diff() == {}
    abc.load(but(ABC, a=pairs(7)))
    assert shown(abc.assert_right()) == {"a": {"added": 3}}


def test_first_shards_that_were_loaded_already_do_not_hide_the_revision_before(abc: Loader) -> None:
    more = but(ABC, d=pairs(3, first=40))
    abc.load_first(more, 3)
    assert abc.diff() == {}
    abc.load(more)
    assert shown(abc.assert_right()) == {"d": {"added": 3}}


def test_the_rest_of_the_first_shards_makes_a_first_revision(loader: Loader) -> None:
    loader.load_first(ABC, 1)
    loader.load_first(ABC, 2)
    loader.load(ABC)
    assert loader.diff() == {}
    loader.load(but(ABC, b=pairs(4, first=10)))
    assert shown(loader.diff()) == {"b": {"added": 1}}


@pytest.mark.parametrize("then", ["completed", "other", "taken back"])
def test_a_load_that_broke_off_is_not_compared_with(then: str, abc: Loader) -> None:
    second = {path: [pair(7), *rows[1:]] for path, rows in ABC.items()}
    third = {path: [*rows[1:], pair(8)] for path, rows in ABC.items()}
    abc.break_off(second, "part-b.parquet")
    abc.load({"completed": second, "other": third, "taken back": ABC}[then])
    assert (shown(abc.assert_right()) == {}) == (then == "taken back")
    abc.load(but(third, b=pairs(9)))
    abc.assert_right()


def test_a_release_read_in_another_way_has_no_revision_before(abc: Loader) -> None:
    abc.load(but(ABC, a=pairs(5)))
    swapped = SAMPLE.model_copy(update={"sizes_swapped": True})
    abc.release, abc.complete, abc.previous = swapped, None, None
    abc.load(but(ABC, a=pairs(6)))
    assert abc.diff() == {}
    abc.load(but(ABC, a=pairs(9)))
    assert shown(abc.diff()) == {"a": {"added": 3}}


def test_other_rules_are_no_other_revision(abc: Loader) -> None:
    abc.load(but(ABC, a=pairs(5)))
    stricter = SAMPLE.model_copy(update={"ranges": {}})
    reload(abc.warehouse, abc.folder, stricter)
    assert shown(abc.assert_right()) == {"a": {"added": 1}}


@pytest.mark.parametrize("release", [RAW, BARE], ids=lambda release: release.name)
def test_without_hashes_rows_are_the_same_by_url(release: Release, loader: Loader) -> None:
    loader.release = release
    loader.load(ABC)
    loader.load(but(ABC, a=[pair(0, text="x"), pair(1, hash=5), *pairs(2, first=30)], b=[pair(2)]))
    assert shown(loader.diff()) == {
        "a": {"added": 2, "removed": 1, "changed_text": 1},
        "b": {"removed": 3},
    }


def test_without_hashes_another_text_is_no_other_row(loader: Loader) -> None:
    loader.release = RAW
    loader.load(ABC)
    loader.load(but(ABC, a=[pair(0, text="other"), pair(1, similarity=0.9), *pairs(2, first=2)]))
    assert shown(loader.diff()) == {"a": {"changed_text": 1, "changed_scores": 1}}


def test_rows_whose_hash_is_missing_are_the_same_by_url(loader: Loader) -> None:
    loader.load(world(a=pairs(3, hash=None), b=pairs(3, first=10)))
    loader.load(
        world(
            a=[pair(0, hash=None, text="x"), pair(1, hash=None), pair(4, hash=None)],
            b=pairs(3, first=10),
        )
    )
    assert shown(loader.diff()) == {"a": {"added": 1, "removed": 1, "changed_text": 1}}


def test_values_that_are_equal_are_no_change(loader: Loader) -> None:
    loader.load(world(a=[pair(0, punsafe=0.0), pair(1, similarity=float("nan"))]))
    loader.load(world(a=[pair(0, punsafe=-0.0), pair(1, similarity=float("nan")), pair(2)]))
    assert shown(loader.diff()) == {"a": {"added": 1}}


TAMPERINGS = [
    "UPDATE revision_diff SET added = added + 1 WHERE shard = 'part-a.parquet'",
    "UPDATE revision_diff SET removed = removed + 1 WHERE shard = 'part-b.parquet'",
    "UPDATE revision_diff SET rows = rows + 1 WHERE shard = 'part-a.parquet'",
    "UPDATE revision_diff SET previous_rows = previous_rows - 1 WHERE shard = 'part-a.parquet'",
    "UPDATE revision_diff SET rows = NULL",
    "UPDATE revision_diff SET added = NULL, removed = NULL",
    "DELETE FROM revision_diff WHERE shard = 'part-a.parquet'",
    "DELETE FROM revision_diff WHERE shard = 'part-b.parquet'",  # which has gone
    "DELETE FROM revision_diff",
    "INSERT INTO revision_diff FROM revision_diff WHERE shard = 'part-a.parquet'",
    "INSERT INTO revision_diff FROM revision_diff WHERE shard = 'part-b.parquet'",
]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Two revisions: a row was added to the first shard, the second has gone."""
    loader = Loader(tmp_path_factory.mktemp("changed"))
    loader.load(ABC)
    loader.load(but(ABC, a=pairs(5), b=None))
    result = materialize_table(loader.warehouse, DIFF, loader.root / "tables")
    assert check_table(loader.warehouse, DIFF, result.rows).status == "passed"
    with loader.warehouse.connect() as connection:
        yield connection


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_a_table_tampered_with_fails_its_check(
    tampering: str, changed: duckdb.DuckDBPyConnection
) -> None:
    changed.begin()
    changed.execute(tampering)
    found = changed.execute(DIFF.check_sql).fetchall()
    changed.rollback()
    assert found


def test_a_line_where_nothing_is_to_compare_with_fails_the_check(abc: Loader) -> None:
    materialize_table(abc.warehouse, DIFF, abc.root / "tables")
    change(abc.warehouse, "INSERT INTO revision_diff VALUES ('a', 'b', 'c', 1, 1, 0, 0, 0, 0)")
    assert check_table(abc.warehouse, DIFF, 1).status == "failed"


class Maker:
    """Makes up revisions, each from the one before; a few values, so that many are equal."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def row(self) -> Row:
        number = self.random.randrange(60)
        return pair(
            number,
            hash=self.random.choice([number] * 9 + [None]),
            text=self.random.choice(["one", "two", None]),
            aesthetic=self.random.choice([7.5, 8.0]),
        )

    def rows(self) -> list[Row]:
        return [self.row() for _ in range(self.random.randrange(9))]

    def first(self) -> dict[str, list[Row]]:
        return {f"part-{number}.parquet": self.rows() for number in range(4)}

    def next(self, old: World) -> dict[str, list[Row]]:
        new = {path: list(rows) for path, rows in old.items()}
        ways: list[Callable[[dict[str, list[Row]]], None]] = [
            self.edit, self.edit, self.edit, self.add, self.remove, self.rename, self.swap,
            self.move, self.repeat, self.copy,
        ]  # fmt: skip
        for way in self.random.choices(ways, k=self.random.randrange(1, 4)):
            way(new)
        return new

    def path(self, shards: World) -> str:
        return self.random.choice(sorted(shards))

    def unused(self, shards: World) -> str:
        free = [f"part-{n}.parquet" for n in range(9) if f"part-{n}.parquet" not in shards]
        return self.random.choice(free)

    def edit(self, shards: dict[str, list[Row]]) -> None:
        rows = shards[self.path(shards)]
        for number, row in enumerate(rows):
            if self.random.random() < 0.4:
                other = self.row()
                name = self.random.choice(["text", "aesthetic", "width"])
                rows[number] = {**row, name: other[name]}
        rows += self.rows()[:2]
        del rows[: self.random.randrange(3)]

    def add(self, shards: dict[str, list[Row]]) -> None:
        if len(shards) < 8:
            shards[self.unused(shards)] = self.rows()

    def remove(self, shards: dict[str, list[Row]]) -> None:
        if len(shards) > 2:
            del shards[self.path(shards)]

    def rename(self, shards: dict[str, list[Row]]) -> None:
        shards[self.unused(shards)] = shards.pop(self.path(shards))

    def swap(self, shards: dict[str, list[Row]]) -> None:
        one, other = self.path(shards), self.path(shards)
        shards[one], shards[other] = shards[other], shards[one]

    def move(self, shards: dict[str, list[Row]]) -> None:
        one, other = self.path(shards), self.path(shards)
        moved, shards[one] = shards[one][:3], shards[one][3:]
        shards[other] = shards[other] + moved

    def repeat(self, shards: dict[str, list[Row]]) -> None:
        path = self.path(shards)
        shards[path] = shards[path] + shards[path][:2]

    def copy(self, shards: dict[str, list[Row]]) -> None:
        if len(shards) < 8:
            shards[self.unused(shards)] = list(shards[self.path(shards)])


def changed_paths(old: World, new: World) -> Iterator[str]:
    known = [list(rows) for rows in old.values()]
    return (path for path, rows in new.items() if old.get(path) != rows and list(rows) not in known)


@pytest.mark.parametrize("seed", range(4))
def test_any_sequence_of_loads_is_told_right(seed: int, loader: Loader) -> None:
    maker = Maker(seed)
    loader.release = maker.random.choice([SAMPLE, SAMPLE, BARE])
    revisions: list[World] = [maker.first()]
    for _ in range(4):
        new = maker.random.choice([maker.next(revisions[-1])] * 5 + revisions)
        how = maker.random.choice(["whole", "whole", "whole", "first", "broken"])
        bad = next(changed_paths({p: r for w in revisions for p, r in w.items()}, new), None)
        if how == "first" and len(new) > 1:
            loader.load_first(new, maker.random.randrange(1, len(new)))
            loader.assert_right()
        elif how == "broken" and bad:
            loader.break_off(new, bad)
        else:
            loader.load(new)
            loader.assert_right()
        revisions.append(new)
    loader.load(revisions[-1])
    loader.assert_right()
    loader.load(revisions[0])
    loader.assert_right()


def test_keys_of_replaced_rows_are_kept_only_once(abc: Loader) -> None:
    abc.break_off({path: [*rows, pair(70)] for path, rows in ABC.items()}, "part-c.parquet")
    abc.break_off({path: [*rows, pair(71)] for path, rows in ABC.items()}, "part-c.parquet")
    abc.load(ABC)
    abc.load_first(ABC, 1)
    assert column(abc.warehouse, "SELECT count(*) FROM replaced_pairs") == [5]
