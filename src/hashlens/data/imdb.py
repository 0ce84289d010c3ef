"""IMDB: film reviews as bags of 10,000 words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from hashlens.data.address import Address
from hashlens.data.examples import Batch
from hashlens.data.hub import hub_files
from hashlens.data.labels import class_labels
from hashlens.data.parquet import read_columns
from hashlens.data.streamed import StreamedExamples

REPOSITORY = "stanfordnlp/imdb"
WORDS = 10_000


def open_imdb(address: Address) -> "BagExamples":
    """Return the reviews of a split as counts of the 10,000 words most frequent in the training set.

    References
    ----------
    A. L. Maas et al., *Learning Word Vectors for Sentiment Analysis*, ACL 2011; ``stanfordnlp/imdb`` on the Hub.

    Raises
    ------
    MissingExtraError
        If huggingface_hub is not installed.
    DataError
        If the data cannot be downloaded and are not in the cache.
    """
    split = address.choose(["train", "test"])
    table = {
        name: read_columns(
            address.text,
            hub_files(replace(address, scheme="hub", place=REPOSITORY, split=name)),
            ["text", "label"],
        )
        for name in {"train", split}
    }
    return BagExamples(
        name=address.text,
        labels=class_labels(table[split]["label"], address.text)[0],
        ids=np.arange(len(table[split]["label"])),
        class_names=("neg", "pos"),
        bags=word_bags(table["train"]["text"], table[split]["text"]),
    )


def word_bags(train_texts: Sequence[str], texts: Sequence[str], vocabulary_size: int = WORDS) -> Any:
    """Return the counts, in each text, of the words most frequent in the training texts (bag of words).

    Parameters
    ----------
    train_texts, texts : sequence of str
        Texts that define the vocabulary, and n texts to count words in.
    vocabulary_size : int
        Largest number of words in the vocabulary.

    Returns
    -------
    scipy.sparse.csr_matrix
        float32 ``(n, words)``: the counts.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(max_features=vocabulary_size, dtype=np.float32).fit(train_texts).transform(texts).tocsr()


@dataclass(eq=False, kw_only=True)
class BagExamples(StreamedExamples):
    """Rows of a sparse matrix, converted to dense batch by batch: all 25,000 reviews would take a gigabyte.

    Attributes
    ----------
    bags : scipy.sparse.csr_matrix
        float32 ``(n, words)``: counts of words.
    name, labels, ids, class_names
        As in :class:`~hashlens.data.examples.Examples`.
    """

    name: str
    labels: npt.NDArray[np.int64] | None
    ids: npt.NDArray[Any]
    class_names: tuple[str, ...] | None
    bags: Any

    def _narrow(self, start: int, stop: int) -> Self:
        labels = None if self.labels is None else self.labels[start:stop]
        return replace(self, labels=labels, ids=self.ids[start:stop], bags=self.bags[start:stop])

    def _pieces(self, batch_size: int) -> Iterator[Batch]:
        for start in range(0, len(self), batch_size):
            rows = slice(start, start + batch_size)
            inputs = torch.from_numpy(self.bags[rows].toarray())
            labels = None if self.labels is None else torch.from_numpy(self.labels[rows])
            yield Batch(inputs, labels, self.ids[rows], inputs)
