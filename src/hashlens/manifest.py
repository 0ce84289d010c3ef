"""Folders with a manifest: a file with the schema version, and the size and checksum of every other file.

Codes and indexes are such folders. The manifest is written last, with the size and xxh3-128 hash of every other file,
so that incomplete or changed folders are detected.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from hashlens.arguments import excerpt
from hashlens.errors import HashlensError, OutputError
from hashlens.files import file_digest

MANIFEST = "manifest.json"
T = TypeVar("T")


@dataclass(frozen=True)
class FolderKind:
    """One kind of folder with a manifest.

    Attributes
    ----------
    format : str
        Name of the kind in the manifest.
    schema_version : int
        Newest schema version that this hashlens reads.
    files : tuple of str
        Names of the required files.
    what : str
        Readable name with its article, such as ``a folder of codes``.
    made_with : str
        How to create such a folder, for messages.
    remedy : str
        How to repair a broken folder, for messages.
    error : type
        Class of the errors raised.
    """

    format: str
    schema_version: int
    files: tuple[str, ...]
    what: str
    made_with: str
    remedy: str
    error: type[HashlensError]

    @property
    def noun(self) -> str:
        """Readable name without the article."""
        return self.what.partition(" ")[2]

    def write(self, folder: Path, body: dict[str, Any]) -> None:
        """Write the manifest of a folder, after all its other files.

        If a subfolder has a manifest of its own, only that manifest is listed.
        """
        listed = [file for file in (*folder.iterdir(), *folder.glob(f"*/{MANIFEST}")) if file.is_file()]
        files = {
            file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "xxh3_128": file_digest(file)}
            for file in sorted(listed)
        }
        head = {"format": self.format, "schema_version": self.schema_version}
        (folder / MANIFEST).write_text(json.dumps({**head, **body, "files": files}, indent=1) + "\n")

    def open(self, path: str | Path, verify: bool, read: Callable[[Path, dict[str, Any]], T]) -> T:
        """Check a folder and return the result of `read`; every fault becomes a one-line error.

        Parameters
        ----------
        path : str or Path
            The folder.
        verify : bool
            Whether to check the checksums, not only the sizes.
        read : callable
            Function of the folder and its manifest that reads the files.
        """
        if not isinstance(path, str | PathLike):
            raise self.error(f"a folder is named by its path, received {excerpt(path)}; make one with {self.made_with}")
        folder = Path(path)
        manifest = self._read(folder)
        try:
            for name, record in manifest["files"].items():
                self._check(folder / name, record, verify)
            return read(folder, manifest)
        except (KeyError, TypeError, ValueError, AttributeError, OSError, RuntimeError) as error:
            reason = str(error).split("\n")[0]
            raise self.error(f"{folder}: the {self.noun} is corrupt ({reason}); {self.remedy}") from error

    def require_replaceable(self, path: Path) -> None:
        """Raise OutputError if replacing `path` would delete anything other than a folder of this kind."""
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return
        manifest = path / MANIFEST
        if not manifest.is_file() or _format(manifest) not in (None, self.format):
            raise OutputError(
                f"{path} exists already and is no {self.noun}, so it is not replaced: choose another path"
            )
        if foreign := _unlisted_file(path, manifest):
            raise OutputError(
                f"{path} holds {foreign!r} besides the {self.noun}, which would be lost: move it, or choose another "
                "path"
            )

    def _read(self, folder: Path) -> dict[str, Any]:
        file = folder / MANIFEST
        if not file.is_file():
            what = "is not there" if not folder.exists() else f"has no {MANIFEST}, so it is no {self.noun}"
            raise self.error(f"{folder} {what}; make one with {self.made_with}")
        try:
            manifest = json.loads(file.read_text())
            known, schema = manifest["format"] == self.format, int(manifest["schema_version"])
            complete = isinstance(manifest["files"], dict) and set(self.files) <= set(manifest["files"])
        except (ValueError, KeyError, TypeError) as error:
            raise self.error(f"{file} is corrupt ({error}); {self.remedy}") from error
        if not known:
            other = str(manifest["format"]).removeprefix("hashlens-")
            raise self.error(f"{folder} is no {self.noun}: its format is {other!r}; make one with {self.made_with}")
        if not complete:
            raise self.error(f"{file} does not describe {self.what}; {self.remedy}")
        if schema > self.schema_version:
            raise self.error(
                f"{folder} has schema version {schema}, this hashlens reads up to {self.schema_version}; "
                "upgrade hashlens"
            )
        return manifest  # type: ignore[no-any-return]

    def _check(self, file: Path, record: dict[str, Any], verify: bool) -> None:
        if not file.is_file():
            raise self.error(f"{file} is missing; {self.remedy}, or restore it")
        if file.stat().st_size != record["bytes"]:
            raise self.error(
                f"{file} has {file.stat().st_size:,} bytes where the manifest says {record['bytes']:,}: it is "
                f"truncated or overwritten; {self.remedy}"
            )
        if verify and file_digest(file) != record["xxh3_128"]:
            raise self.error(f"{file} has a wrong checksum: its bytes changed since it was written; {self.remedy}")


def _unlisted_file(folder: Path, manifest: Path) -> str | None:
    """Return the name of an entry of a folder that its manifest does not list; None without one.

    HTML pages do not count. The result is also None if the manifest is broken, as in a partly written folder.
    """
    try:
        own = {Path(file).parts[0] for file in json.loads(manifest.read_text())["files"]} | {MANIFEST}
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in own)
    return next((name for name in others if Path(name).suffix.lower() not in (".html", ".htm")), None)


def _format(manifest: Path) -> Any:
    """Return the format named in a manifest; None if the manifest is broken, as in a partly written folder."""
    try:
        return json.loads(manifest.read_text())["format"]
    except (ValueError, KeyError, TypeError):
        return None
