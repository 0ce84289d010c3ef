"""Data sets of the Hugging Face Hub, through its own client and cache."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from hashlens.data.address import Address
from hashlens.data.decode import Decoding
from hashlens.data.parquet import ParquetExamples, parquet_images, split_files, split_of
from hashlens.data.reading import reading
from hashlens.errors import DataError, MissingExtraError, nearest


def open_hub(address: Address) -> ParquetExamples:
    """Return the images of a split of a data set on the Hub: ``hub:OWNER/NAME#SPLIT``.

    If a repository has several configurations, add the folder of one: ``hub:OWNER/NAME/CONFIG#SPLIT``.

    Raises
    ------
    MissingExtraError
        If huggingface_hub is not installed.
    DataError
        If the repository or the split does not exist, or cannot be reached and is not in the cache.
    """
    decoding = Decoding.from_address(address)
    return parquet_images(address.text, hub_files(address), decoding)


def hub_files(address: Address) -> tuple[Path, ...]:
    """Download the Parquet files of a split into the Hub's cache, if needed, and return their paths.

    Raises
    ------
    MissingExtraError
        If huggingface_hub is not installed.
    DataError
        If the repository or the split does not exist, or cannot be reached and is not in the cache.
    """
    try:
        from huggingface_hub import list_repo_files, snapshot_download
    except ImportError:
        raise MissingExtraError("huggingface-hub", "hub", address.text) from None
    owner, _, rest = address.place.partition("/")
    name, _, folder = rest.partition("/")
    if not owner or not name:
        raise DataError(f"{address.text}: expected hub:OWNER/NAME#SPLIT, as in hub:ylecun/mnist#train")
    if address.split is None:
        raise DataError(f"{address.text}: say which split: {address.whole}#train or {address.whole}#test")
    repository = f"{owner}/{name}"
    prefixes = [f"{folder}/"] if folder else ["", "*/"]
    patterns = [f"{prefix}{address.split}{end}" for prefix in prefixes for end in (".parquet", "-*-of-*.parquet")]
    with _reading_hub(address):
        snapshot = Path(snapshot_download(repository, repo_type="dataset", allow_patterns=patterns)) / folder
    if not any(split_of(path.name) == address.split for path in snapshot.rglob("*.parquet")):
        with _reading_hub(address):
            files = list_repo_files(repository, repo_type="dataset")
        splits = {split for file in files if (split := split_of(file.rpartition("/")[2]))}
        hint = nearest(address.split, splits) if splits else "it has no Parquet files at all"
        raise DataError(f"{address.text}: {repository} has no Parquet files of split {address.split!r}; {hint}")
    return split_files(replace(address, place=str(snapshot)))


def _reading_hub(address: Address) -> AbstractContextManager[None]:
    # The client raises its own errors, and those of its HTTP library and of the file system. They vary by version.
    return reading(address.text, Exception, hint="is the name right, and is there a network or a copy in the cache?")
