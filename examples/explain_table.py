"""Why does this employee leave? Six methods on a table whose rules are known.

    python examples/explain_table.py [FOLDER]

If a folder is named, pictures are written into it.
"""

import sys
from pathlib import Path

import torch

import hashlens as hl
from hashlens.report.plots import save
from hashlens.ted.retention import FEATURES, RULES, retention

table = retention(10_000, seed=0)
rows, leaves = torch.from_numpy(table.rows), torch.from_numpy(table.labels)
mean, scale = rows[:8000].mean(0), rows[:8000].std(0)
network = hl.train("mlp", ((rows[:8000] - mean) / scale, leaves[:8000]), epochs=60, seed=0, width=64).network
# The explained model takes the original values (months and levels) and standardises them itself.
standardise = torch.nn.Linear(8, 8)
standardise.load_state_dict({"weight": torch.diag(1 / scale), "bias": -mean / scale})
model = torch.nn.Sequential(standardise, network).eval()
with torch.no_grad():
    right = (model(rows[8000:]).argmax(1) == leaves[8000:]).float().mean().item()
print(f"right on held-out rows: {right:.3f}")

# The first held-out employee who leaves by the first rule: organization 1, rating high, salary low.
employee = 8000 + int((table.explanations[8000:] == 0).nonzero()[0][0])
print("true reason:", {name: RULES[0][name] for name in RULES[0]})
options = {
    "feature_names": FEATURES,
    "class_names": ("stays", "leaves"),
    "target": "leaves",
    "background": rows[:100],
    "batch_size": 4096,
}
explanations = {
    method: hl.explain(model, rows[employee], method, **options)
    for method in ("kernel_shap", "lime", "cle", "integrated_gradients", "region")
}
explanations["anchor"] = hl.explain(
    model, rows[employee], "anchor", **{**options, "target": None, "background": rows[:4000]}
)
for method, explanation in explanations.items():
    parts = explanation.rule or ", ".join(f"{name} {value:+.3g}" for name, value in explanation.top(3))
    pairs = [" and ".join(explanation.features[i] for i in term.features) for term in explanation.interactions[:2]]
    print(f"{method}: {parts}", *pairs, sep="; ")

leaving = rows[8000:][table.explanations[8000:] < len(RULES)][:12]
comparison = hl.compare_explanations(
    model, leaving, ("kernel_shap", "lime", "integrated_gradients", "gradient"), **options
)
print(comparison)
for folder in map(Path, sys.argv[1:2]):
    folder.mkdir(parents=True, exist_ok=True)
    for method in ("kernel_shap", "cle", "anchor"):
        save(explanations[method].plot(), folder / f"explain-table-{method}.png", overwrite=True)
    save(comparison.plot(), folder / "explain-table-compared.png", overwrite=True)
