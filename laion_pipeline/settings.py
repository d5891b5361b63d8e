"""Settings: the `LAION_*` environment variables, each checked."""

import os
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from laion_pipeline.common.places import STORES, place_at
from laion_pipeline.common.toml_files import first_problem
from laion_pipeline.contract import Contract, read_overrides
from laion_pipeline.errors import SettingsError
from laion_pipeline.paths import Paths
from laion_pipeline.releases.release import Release
from laion_pipeline.warehouse.terms import TermGroups


def _memory_size(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?\s*[KMGT]i?B", text):
        raise ValueError("should be a size such as 4GB")
    return text


def _timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("should be the name of a time zone, such as UTC or Europe/Berlin")
    return name


def _revision(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{7,40}", text):
        raise ValueError("should be a revision, or at least the first 7 of its hexadecimal digits")
    return text


def _absolute(path: Path) -> Path:
    try:
        absolute = os.path.abspath(path.expanduser())  # noqa: PTH100 - resolve() would follow links
        absolute.encode()
    except RuntimeError as error:
        raise ValueError("should begin with the home folder of a user that there is") from error
    except UnicodeEncodeError as error:
        raise ValueError("should be a path whose bytes are UTF-8: rename its folders") from error
    return Path(absolute)


def _openable(path: Path) -> Path:
    """A path below which DuckDB opens files: it takes a backslash for a slash beside a pattern."""
    if "\\" in str(path) and re.search(r"[*?\[]", str(path)):
        raise ValueError(
            "should be a path without both a backslash and one of * ? [ in it, which DuckDB cannot"
            " open: rename a folder"
        )
    return path


def _writable(path: Path) -> Path:
    if "?" in str(path):
        raise ValueError("should be a path without ? in it, which DuckDB cannot open")
    return path


def _rows_folder(text: str) -> str:
    """The path of a folder, or the address of one in an object store."""
    if "://" not in text:
        return str(_writable(_openable(_absolute(Path(text)))))
    if not re.fullmatch(rf"({'|'.join(STORES)})://[^/\s]+[^*?#\[\]\s]*", text):
        raise ValueError(
            "should be a folder, or one in a bucket, such as s3://bucket/folder or"
            " gs://bucket/folder"
        )
    return text.rstrip("/")


def _local(given: object) -> object:
    if isinstance(given, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", given):
        raise ValueError(
            "is an address, but should be a local folder: copy the shards into one; or, for a"
            " release on the Hub, leave it empty and name the release in LAION_RELEASE"
        )
    return given


Revision = Annotated[str, AfterValidator(_revision)]
Timezone = Annotated[str, AfterValidator(_timezone)]
RowsFolder = Annotated[str, AfterValidator(_rows_folder)]
Port = Annotated[int, Field(ge=1, le=65535)]
MemorySize = Annotated[str, AfterValidator(_memory_size)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Folder = Annotated[AbsolutePath, AfterValidator(_openable)]
LocalFolder = Annotated[Folder, BeforeValidator(_local)]
DataFolder = Annotated[Folder, AfterValidator(_writable)]


class Settings(BaseSettings):
    """What the environment says, checked once, never changed afterwards."""

    model_config = SettingsConfigDict(
        env_prefix="LAION_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    release: str = "sample"
    source: LocalFolder | None = None
    revision: str = "main"
    data_dir: DataFolder = Path("data")
    max_shards: PositiveInt | None = None
    downloads: PositiveInt = 8
    keep_shards: bool = True
    contract: AbsolutePath | None = None
    terms: AbsolutePath | None = None
    cleaned: LocalFolder | None = None
    fetch_images: bool = False
    explore: bool = False
    accept_removal: Revision | None = None
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark_master: str = "local[*]"
    pairs_folder: RowsFolder | None = None
    memory_limit: MemorySize = "4GB"
    threads: PositiveInt | None = None
    port: Port = 3000
    automation: bool = False
    schedule: str = "0 3 * * 1"
    timezone: Timezone = "UTC"
    poll_seconds: PositiveInt = 1800
    alert_url: SecretStr | None = None
    history_url: SecretStr | None = None
    history_runs: PositiveInt = 200

    @classmethod
    def from_environment(cls, **given: str) -> Self:
        """The settings of this process, but for those that are given.

        Raises SettingsError naming the variable that is wrong.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            problem = first_problem(error)
            name = f"LAION_{problem.where.upper()}"
            raise SettingsError(f"{name}={problem.given}: {problem.what}") from error

    @property
    def memory_limit_bytes(self) -> int:
        """The memory limit as a number."""
        number, unit = re.findall(r"([\d.]+)\s*(\w+)", self.memory_limit)[0]
        step = 1024 if "i" in unit else 1000
        return int(float(number) * step ** (" KMGT".index(unit[0])))

    def find_contract(self, release: Release) -> Contract:
        """The contract of a release, with the thresholds that are configured, and what is accepted.

        Raises SettingsError naming what is wrong with the file of thresholds.
        """
        overrides = None if self.contract is None else read_overrides(self.contract)
        return Contract.of(release, overrides, self.accept_removal or "")

    def find_terms(self) -> TermGroups:
        """The terms that are asked about; none where no file names any.

        Raises SettingsError naming what is wrong with the file.
        """
        return TermGroups() if self.terms is None else TermGroups.read(self.terms)

    def paths(self, release: Release) -> Paths:
        """Where a release's files lie.

        Raises SettingsError where what reads an object store is not installed.
        """
        root, folder = self.data_dir / release.name, self.pairs_folder
        if folder is None:
            return Paths(root)
        library = STORES.get(folder.partition("://")[0])
        if library and find_spec(library) is None:
            raise SettingsError(
                f"LAION_PAIRS_FOLDER={folder}: {library}, which reads it, is not installed: pip"
                f" install {library}"
            )
        return Paths(root, place_at(f"{folder}/{release.name}"))

    def prepare(self, release: Release) -> Paths:
        """Make the release's folder, and see that it can be written.

        Raises SettingsError when it cannot.
        """
        paths = self.paths(release)
        try:
            paths.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=paths.root):
                pass
        except OSError as error:
            raise SettingsError(
                f"LAION_DATA_DIR={self.data_dir}: cannot be written: {error.strerror}"
            ) from error
        return paths
