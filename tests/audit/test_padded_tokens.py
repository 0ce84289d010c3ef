"""An audit of padded tokens: the same in batches of any width."""

import numpy as np
import pytest
import torch

from hashlens.audit.audit import audit
from hashlens.errors import AuditError


class Tokens(torch.nn.Module):
    """Classes of token sequences: the mean of what is no padding."""

    def __init__(self):
        super().__init__()
        self.embedding, self.fc, self.head = torch.nn.Embedding(40, 12), torch.nn.Linear(12, 24), torch.nn.Linear(24, 3)

    def forward(self, ids, mask):
        maps = torch.relu(self.fc(self.embedding(ids))) * mask[..., None]
        return self.head(maps.sum(dim=1) / mask.sum(dim=1, keepdim=True))


def tokens(n, seed, width=None):
    numbers = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, 15, (n,), generator=numbers).tolist()
    rows = [torch.randint(1, 40, (length,), generator=numbers) for length in lengths]
    labels = torch.tensor([int(row[0]) % 3 for row in rows])

    def collated(batch):
        longest = width or max(len(row) for row, _ in batch)
        ids = torch.stack([torch.nn.functional.pad(row, (0, longest - len(row))) for row, _ in batch])
        return {"ids": ids, "attention_mask": ids > 0, "label": torch.stack([label for _, label in batch])}

    return torch.utils.data.DataLoader(list(zip(rows, labels, strict=True)), 32, collate_fn=collated)


def test_padded_tokens_are_audited_alike_in_batches_of_any_width():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Tokens().double()
    given = {"forward": lambda net, batch: net(batch["ids"], batch["attention_mask"]), "mask": "attention_mask"}
    found = audit(model, tokens(200, 1), tokens(80, 2, width=14), **given)
    wide = audit(model, tokens(200, 1, width=20), tokens(80, 2, width=20), **given)
    assert found.provenance.test.masked
    assert found.provenance.test.sampled_from == 14 * 24 or found.provenance.test.sampled_from is None
    assert found.command.endswith(", forward=forward, mask='attention_mask')")
    assert found.accuracy.steps[0].accuracy == wide.accuracy.steps[0].accuracy
    assert np.array_equal(found.label_issues.test.rows, wide.label_issues.test.rows)
    assert np.array_equal(found.blind_spots.rows, wide.blind_spots.rows)
    with pytest.raises(AuditError, match="views= is for images, and mask= is for padded tokens"):
        audit(model, tokens(200, 1), tokens(80, 2), views=True, **given)
