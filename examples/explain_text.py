"""Which words show the part of SciPy that a function belongs to? A bag-of-words network on SciPy's documentation.

    python examples/explain_text.py [FOLDER]

If a folder is named, pictures are written into it.
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
    """Return the words of a text."""
    return re.findall(r"[a-z]{3,}", text.lower())


def first_lines(part: str) -> list[str]:
    """Return the summaries of all functions of one part, without their own names."""
    module = import_module(f"scipy.{part}")
    texts = (inspect.getdoc(getattr(module, name)) or "" for name in sorted(module.__all__))
    return [" ".join(text.split("Parameters\n")[0].split())[:150] for text in texts if len(text.split()) > 15]


texts, labels = zip(*((text, part) for part, name in enumerate(PARTS) for text in first_lines(name)), strict=True)
order = np.random.default_rng(0).permutation(len(texts))
train, held_out = order[len(texts) // 5 :], order[: len(texts) // 5]
train_words = [set(words(texts[row])) for row in train]
vocabulary = sorted(word for word in set().union(*train_words) if sum(word in each for each in train_words) >= 3)
column = {word: i for i, word in enumerate(vocabulary)}


def bag(some_texts: list[str]) -> torch.Tensor:
    """Return a bag of words of each text, (n, words): 1 for each word of the vocabulary in it."""
    result = torch.zeros(len(some_texts), len(vocabulary))
    for row, text in enumerate(some_texts):
        result[row, [column[word] for word in words(text) if word in column]] = 1
    return result


def rows(chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the bags of words and the labels of the chosen texts."""
    return bag([texts[row] for row in chosen]), torch.tensor([labels[row] for row in chosen])


network = hl.train("mlp", rows(train), epochs=30, seed=0, width=64).network.eval()


def model(some_texts: list[str]) -> np.ndarray:
    """Return the scores of texts, (n, 4)."""
    with torch.no_grad():
        return network(bag(some_texts)).numpy()


truth = rows(held_out)[1].numpy()
scores = model([texts[row] for row in held_out])
predicted, margin = scores.argmax(1), np.diff(np.sort(scores, axis=1)[:, -2:]).ravel()
print(f"{len(texts)} texts, {len(vocabulary)} words; right on held-out texts: {(predicted == truth).mean():.3f}")

# The text with the least confident of the correct predictions.
text = texts[held_out[np.where(predicted == truth, margin, np.inf).argmin()]]
print(text)
options = {"class_names": PARTS, "tokenizer": words}
methods = ("lime", "kernel_shap", "cle", "anchor")
explanations = {method: hl.explain(model, text, method, **options) for method in methods}
for method, explanation in explanations.items():
    top_words = explanation.rule or ", ".join(f"{word} {value:+.3g}" for word, value in explanation.top(4))
    pairs = [" and ".join(explanation.features[i] for i in term.features) for term in explanation.interactions[:2]]
    print(f"{method}: {top_words}", *pairs, sep="; ")

# The network itself takes bags of words, so its linear region can be computed.
region = hl.explain(network, bag([text]), "region", class_names=PARTS, feature_names=vocabulary)
print("region:", ", ".join(f"{word} {value:+.3g}" for word, value in region.top(4)))
for folder in map(Path, sys.argv[1:2]):
    folder.mkdir(parents=True, exist_ok=True)
    for method in ("lime", "anchor"):
        save(explanations[method].plot(), folder / f"explain-text-{method}.png", overwrite=True)
