"""Sentences of different lengths: padded batches as dicts, and a mask that removes padding from the codes."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

import hashlens as hl


class Classifier(nn.Module):
    """A transformer of two layers over token numbers, and a linear head on the mean of the tokens."""

    def __init__(self, vocabulary=50, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        layer = nn.TransformerEncoderLayer(width, nhead=4, dim_feedforward=64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 2)

    def forward(self, tokens, mask):
        """Return the logits ``(b, 2)`` of `tokens` ``(b, positions)``; `mask` is true where a token is no padding."""
        states = self.encoder(self.embed(tokens), src_key_padding_mask=~mask)
        return self.head((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def padded(sentences):
    """Pad sentences to the length of the longest one, and return them as a batch."""
    tokens = nn.utils.rnn.pad_sequence([torch.tensor(words) for words, _ in sentences], batch_first=True)
    lengths = torch.tensor([len(words) for words, _ in sentences])
    mask = torch.arange(tokens.shape[1]) < lengths[:, None]
    return {"tokens": tokens, "mask": mask, "label": torch.tensor([label for _, label in sentences])}


def make_sentences(n, generator):
    """Draw `n` sentences of 3 to 20 tokens; the label is 1 if token 7 occurs."""
    drawn = [generator.integers(1, 50, generator.integers(3, 21)).tolist() for _ in range(n)]
    return [(words, int(7 in words)) for words in drawn]


def main():
    """Encode padded batches with a mask, and show the error without one."""
    torch.manual_seed(0)
    model = Classifier()
    sentences = make_sentences(300, np.random.default_rng(0))
    loader = DataLoader(sentences, batch_size=32, collate_fn=padded)

    try:
        hl.encode(model, loader)
    except hl.HashlensError as error:
        print("without mask=:", error)

    codes = hl.encode(model, loader, mask="mask")  # a key of the batch; a function of the batch works too
    print("with mask=:   ", codes)
    for layer in codes.layers:
        print(f"  {layer.name}: {layer.shape} (positions, units)")
    print("bits that are on, in the shortest and in the longest sentence:", *ones_of_extremes(codes, sentences))

    # In batches of another size, sentences are padded to other lengths; the fingerprints stay the same.
    batches_of_32 = hl.fingerprint(model, loader, mask="mask")
    batches_of_7 = hl.fingerprint(model, DataLoader(sentences, batch_size=7, collate_fn=padded), mask="mask")
    same = (batches_of_32.hashes == batches_of_7.hashes).all(axis=1).sum()
    print(f"same fingerprint in batches of 32 and of 7: {same} of {len(batches_of_32)} sentences")


def ones_of_extremes(codes, sentences):
    """Return how many units are on in the shortest and in the longest sentence."""
    lengths = [len(words) for words, _ in sentences]
    ones = codes.unpack().sum(axis=1)
    return ones[np.argmin(lengths)], ones[np.argmax(lengths)]


if __name__ == "__main__":
    main()
