"""What an experiment keeps besides numbers: files in a folder beside the store, each named by its digest."""

from pathlib import Path, PurePath

import xxhash

from hashlens.errors import StudyError
from hashlens.files import written_whole


def keep(folder: Path, name: str, content: bytes) -> str:
    """Write `content` into `folder`, unless it is there, and return the name of its file there.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    name : str
        What the run calls it; the file has its ending.
    content : bytes
        What is kept.

    Raises
    ------
    StudyError
        If it is no bytes, or has no name.
    OutputError
        If it cannot be written.
    """
    if not isinstance(content, bytes) or not isinstance(name, str) or not name:
        raise StudyError(f"kept files are bytes with a name, received a {type(content).__name__} by {name!r:.60}")
    digest = xxhash.xxh3_128_hexdigest(content)
    file = Path(digest[:2]) / f"{digest}{PurePath(name).suffix}"
    if not (folder / file).exists():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        with written_whole(folder / file, overwrite=True) as partial:
            partial.write_bytes(content)
    return file.as_posix()
