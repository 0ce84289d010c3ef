"""Which words say which part of SciPy a function is from? A bag-of-words network on SciPy's own documentation.

    python examples/explain_text.py [FOLDER]

With a folder, pictures are written into it.
"""

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

import hashlens as hl
from hashlens.report.plots import save

PARTS = ("linalg", "optimize", "signal", "stats")


def words(text: str) -> list[str]:
    """The words of a text."""
    return re.findall(r"[a-z]{3,}", text.lower())


def first_lines(part: str) -> list[str]:
    """The summaries of all functions of one part, without their own names."""
    module = import_module(f"scipy.{part}")
    texts = (inspect.getdoc(getattr(module, name)) or "" for name in sorted(module.__all__))
    return [" ".join(text.split("Parameters\n")[0].split())[:150] for text in texts if len(text.split()) > 15]


texts, labels = zip(*((text, at) for at, part in enumerate(PARTS) for text in first_lines(part)), strict=True)
order = np.random.default_rng(0).permutation(len(texts))
learnt, held_out = order[len(texts) // 5 :], order[: len(texts) // 5]
seen = [set(words(texts[at])) for at in learnt]
vocabulary = sorted(word for word in set().union(*seen) if sum(word in some for some in seen) >= 3)
place = {word: at for at, word in enumerate(vocabulary)}


def bag(some: list[str]) -> torch.Tensor:
    """Which words of the vocabulary each text has, (n, words)."""
    found = torch.zeros(len(some), len(vocabulary))
    for row, text in enumerate(some):
        found[row, [place[word] for word in words(text) if word in place]] = 1
    return found


def rows(chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Bags and parts of the texts chosen."""
    return bag([texts[at] for at in chosen]), torch.tensor([labels[at] for at in chosen])


network = hl.train("mlp", rows(learnt), epochs=30, seed=0, width=64).network.eval()


def model(some: list[str]) -> np.ndarray:
    """Scores of texts, (n, 4)."""
    with torch.no_grad():
        return network(bag(some)).numpy()


truth = rows(held_out)[1].numpy()
scores = model([texts[at] for at in held_out])
predicted, sure = scores.argmax(1), np.diff(np.sort(scores, axis=1)[:, -2:]).ravel()
print(f"{len(texts)} texts, {len(vocabulary)} words; right on held-out texts: {(predicted == truth).mean():.3f}")

# Of the texts that it gets right, the one that it is least sure of.
text = texts[held_out[np.where(predicted == truth, sure, np.inf).argmin()]]
print(text)
asked = {"class_names": PARTS, "tokenizer": words}
found = {method: hl.explain(model, text, method, **asked) for method in ("lime", "kernel_shap", "cle", "anchor")}
for method, explanation in found.items():
    said = explanation.rule or ", ".join(f"{word} {value:+.3g}" for word, value in explanation.top(4))
    joined = [" and ".join(explanation.features[at] for at in term.features) for term in explanation.interactions[:2]]
    print(f"{method}: {said}", *joined, sep="; ")

# The same network as a module on bags of words: its gradients, and its linear region.
region = hl.explain(network, bag([text]), "region", class_names=PARTS, feature_names=vocabulary)
print("region:", ", ".join(f"{word} {value:+.3g}" for word, value in region.top(4)))
for folder in map(Path, sys.argv[1:2]):
    folder.mkdir(parents=True, exist_ok=True)
    for method in ("lime", "anchor"):
        save(found[method].plot(), folder / f"explain-text-{method}.png", overwrite=True)
