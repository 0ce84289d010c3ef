"""Files that an experiment keeps in a folder beside the store, each named by its digest."""

from pathlib import Path, PurePath

import xxhash

from hashlens.errors import StudyError
from hashlens.files import atomic_write


def keep(folder: Path, name: str, content: bytes) -> str:
    """Write `content` to a file in `folder`, unless it exists, and return the name of the file.

    Parameters
    ----------
    folder : Path
        The folder; created if it does not exist.
    name : str
        The name that the run gives the content; the file has the same suffix.
    content : bytes
        Content of the file.

    Raises
    ------
    StudyError
        If `content` is not bytes, or `name` is empty.
    OutputError
        If the file cannot be written.
    """
    if not isinstance(content, bytes) or not isinstance(name, str) or not name:
        raise StudyError(f"kept files are bytes with a name, received a {type(content).__name__} by {name!r:.60}")
    digest = xxhash.xxh3_128_hexdigest(content)
    file = Path(digest[:2]) / f"{digest}{PurePath(name).suffix}"
    if not (folder / file).exists():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / file, overwrite=True) as partial:
            partial.write_bytes(content)
    return file.as_posix()
