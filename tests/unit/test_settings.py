"""Settings: what the environment may say, and the one line that tells what is wrong with it."""

from pathlib import Path

import pytest

from laion_pipeline.contract import Contract, Threshold
from laion_pipeline.errors import LaionError, SettingsError, SourceError, TransientError
from laion_pipeline.ingestion import fetch_shards
from laion_pipeline.session import Session
from laion_pipeline.settings import Settings
from tests.builders import pairs, write_shard


@pytest.fixture(autouse=True)
def environment(unconfigured: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return unconfigured


def refusal() -> str:
    """What opening a session says when it is refused."""
    with pytest.raises(SettingsError) as caught:
        Session.open()
    assert caught.value.exit_status == 2
    assert not isinstance(caught.value, TransientError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_everything_has_a_default(tmp_path: Path) -> None:
    session = Session.open()
    assert session.release.name == "sample"
    assert session.settings.source is None
    assert session.settings.revision == "main"
    assert session.settings.max_shards is None
    assert session.contract == Contract.of(session.release)
    assert (session.warehouse.memory_limit, session.warehouse.threads) == ("4GB", None)
    assert session.paths.root == tmp_path / "data" / "sample"
    assert session.paths.root.is_dir()
    assert list(session.paths.root.iterdir()) == [], "trying it out leaves nothing behind"


def test_files_have_fixed_places(tmp_path: Path) -> None:
    session, root = Session.open(), tmp_path / "data" / "sample"
    assert session.paths.shards == root / "shards"
    assert session.paths.warehouse == session.warehouse.file == root / "warehouse.duckdb"
    assert session.paths.tables == root / "tables"
    assert session.paths.quarantine == root / "tables" / "quarantine.parquet"
    assert session.paths.charts == root / "charts"
    assert session.paths.data_docs == root / "data_docs"
    assert session.paths.report == root / "report.html"
    assert session.paths.dagster == root / "dagster"
    assert session.paths.run_lock == root / "run.lock"


def test_the_environment_is_heard(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {
        "RELEASE": "laion-art", "SOURCE": str(tmp_path), "REVISION": "v1.0", "MAX_SHARDS": "3",
        "DOWNLOADS": "2", "MEMORY_LIMIT": "1.5 GiB", "THREADS": "1",
    }  # fmt: skip
    for name, value in values.items():
        environment.setenv(f"LAION_{name}", value)
    session = Session.open()
    settings = session.settings
    assert (session.release.name, settings.source) == ("laion-art", tmp_path)
    assert (settings.revision, settings.max_shards, settings.downloads) == ("v1.0", 3, 2)
    assert (session.warehouse.memory_limit, session.warehouse.threads) == ("1.5 GiB", 1)
    with session.warehouse.connect() as connection:
        limit, threads = connection.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads')"
        ).fetchall()[0]
    assert (limit, threads) == ("1.5 GiB", 1)


def test_an_empty_variable_is_unset(environment: pytest.MonkeyPatch) -> None:
    plain = Settings.from_environment()
    for name in Settings.model_fields:
        if name != "data_dir":
            environment.setenv(f"LAION_{name.upper()}", "")
    assert Settings.from_environment() == plain


def test_folders_are_made_absolute(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.chdir(tmp_path)
    environment.setenv("HOME", str(tmp_path / "home"))
    environment.setenv("LAION_DATA_DIR", "here/../there")
    environment.setenv("LAION_SOURCE", "~/shards")
    environment.setenv("LAION_CONTRACT", "here/../contract.toml")
    (tmp_path / "home" / "shards").mkdir(parents=True)
    settings = Settings.from_environment()
    assert settings.contract == tmp_path / "contract.toml"
    assert settings.data_dir == tmp_path / "there"
    assert settings.source == tmp_path / "home" / "shards"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("MAX_SHARDS", value) for value in ("0", "-1", "1.5", "many", "nan", " ")),
        *(("DOWNLOADS", value) for value in ("0", "-1", "all")),
        *(("THREADS", value) for value in ("0", "-2", "two", "1e3")),
        *(("MEMORY_LIMIT", value) for value in ("4", "GB", "4 XB", "-1GB", "80%", "lots", "4GB;")),
        *(("RELEASE", value) for value in ("laion2b", "Sample", "../sample", " ", "sample\n")),
        *(("RELEASE", value) for value in ("none.toml", "/dev/null/none.toml")),
    ],
)
def test_a_wrong_value_is_told_with_its_variable(
    name: str, value: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(f"LAION_{name}", value)
    message = refusal()
    assert message.startswith(f"LAION_{name}"), "as the user wrote it"
    assert value.strip() in message


def test_two_wrong_values_are_told_one_at_a_time(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LAION_THREADS", "none")
    environment.setenv("LAION_MAX_SHARDS", "none")
    assert refusal().count("LAION_") == 1


@pytest.mark.parametrize("value", ["0GB", "1KB"])
def test_a_memory_limit_of_no_use_is_told(value: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LAION_MEMORY_LIMIT", value)

    def use() -> None:
        with Session.open().warehouse.connect() as connection:
            connection.execute("CREATE TABLE t AS SELECT range AS a FROM range(1000)")

    with pytest.raises(LaionError, match=f"LAION_MEMORY_LIMIT={value}"):
        use()


@pytest.mark.parametrize("below", ["file", "file/data", "file/a/b"])
def test_a_data_folder_that_cannot_be_is_told(
    below: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file")
    environment.setenv("LAION_DATA_DIR", str(tmp_path / below))
    message = refusal()
    assert message.startswith(f"LAION_DATA_DIR={tmp_path / below}: cannot be written: ")
    assert (tmp_path / "file").read_text() == "a file"


def test_a_source_that_is_no_folder_is_told(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("LAION_SOURCE", str(tmp_path / "none"))
    session = Session.open()  # what is loaded can be worked on without it
    with pytest.raises(SettingsError, match="no such folder") as caught:
        session.open_source()
    assert str(caught.value) == f"LAION_SOURCE={tmp_path / 'none'}: no such folder"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SOURCE", "s3://bucket/folder", "is an address, but should be a local folder"),
        ("SOURCE", "hf://datasets/laion/laion-art", "name the release in LAION_RELEASE"),
        ("SOURCE", "/a\\b/[c]", "without both a backslash and one of"),
        ("SOURCE", "/caf\udce9", "should be a path whose bytes are UTF-8"),
        ("SOURCE", "~nobody-of-this-name/x", "home folder of a user that there is"),
        ("DATA_DIR", "/tmp/a?b", "without ? in it"),
        ("DATA_DIR", "/tmp/caf\udce9", "should be a path whose bytes are UTF-8"),
        ("DATA_DIR", "/tmp/" + "a" * 300, "cannot be written: File name too long"),
        ("CONTRACT", "/tmp/caf\udce9", "should be a path whose bytes are UTF-8"),
        ("RELEASE", "a" * 300 + ".toml", "cannot be read: File name too long"),
    ],
)
def test_a_path_that_is_of_no_use_is_told(
    variable: str, value: str, told: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(f"LAION_{variable}", value)
    said = refusal()
    assert said.startswith(f"LAION_{variable}=")
    assert told in said
    assert said.isprintable()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file or directory"),
        ("[url_http]\nerror_above = -1", "url_http.error_above: should be "),
        ("[colour]", "colour: no check whose threshold can be set; "),
    ],
)
def test_thresholds_that_cannot_be_are_told_before_anything_is_made(
    content: str | None, complaint: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "contract.toml"
    if content is not None:
        file.write_text(content)
    environment.setenv("LAION_CONTRACT", str(file))
    assert refusal().startswith(f"LAION_CONTRACT={file}: {complaint}")
    assert not (tmp_path / "data").exists()


def test_thresholds_are_those_of_the_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "contract.toml").write_text("[url_http]\nerror_above = 0.5\n")
    environment.setenv("LAION_CONTRACT", str(tmp_path / "contract.toml"))
    session = Session.open()
    changed = {"url_http": Threshold(warn_above=0, error_above=0.5)}
    assert session.contract == Contract.of(session.release, changed)


def test_a_source_that_went_or_is_empty_is_told(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    environment.setenv("LAION_SOURCE", str(folder))
    session = Session.open()
    source = session.open_source()
    with pytest.raises(SourceError, match=f"^LAION_SOURCE={folder}: no .* file in this folder"):
        source.list_shards()
    folder.rmdir()
    with pytest.raises(SettingsError, match=f"^LAION_SOURCE={folder}: cannot be read: "):
        source.list_shards()


def test_a_release_without_a_repo_needs_a_source(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text('name = "own"\ncolumns = ["url", "text"]\n')
    environment.setenv("LAION_RELEASE", str(tmp_path / "own.toml"))
    session = Session.open()
    with pytest.raises(SettingsError, match=r"^LAION_RELEASE=.*own\.toml: .*LAION_SOURCE"):
        session.open_source()


def test_max_shards_takes_the_first(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        write_shard(tmp_path / "shards", f"{name}.parquet", pairs(1))
    (tmp_path / "shards" / "notes.txt").write_text("no shard")
    (tmp_path / "shards" / "folder").mkdir()
    environment.setenv("LAION_SOURCE", str(tmp_path / "shards"))
    environment.setenv("LAION_MAX_SHARDS", "2")
    session = Session.open()
    listed = session.open_source().list_shards()
    assert [shard.path for shard in listed.shards] == [f"{n}.parquet" for n in "abc"]
    wanted = fetch_shards(session).listing
    assert [shard.path for shard in wanted.shards] == ["a.parquet", "b.parquet"]


def test_files_of_ones_own_are_not_called_made_up(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("LAION_SOURCE", str(tmp_path))
    assert "made up" not in Session.open().release.title
    environment.delenv("LAION_SOURCE")
    assert "made up" in Session.open().release.title


@pytest.mark.parametrize("name", ["sample", "dagster"])
def test_a_release_of_ones_own_has_a_name_of_its_own(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "own.toml").write_text(f'name = "{name}"\ncolumns = ["url", "text"]\n')
    environment.setenv("LAION_RELEASE", str(tmp_path / "own.toml"))
    with pytest.raises(SettingsError, match=f"name: {name} is taken"):
        Session.open()
