"""What every command keeps, written once by this version into ``written/VERSION``: later versions must open it.

python tests/saved/write_fixtures.py 0.1
"""

import json
import sys
from contextlib import chdir
from pathlib import Path

from typer.testing import CliRunner

import hashlens as hl
from hashlens.cli.app import app

TRAIN, TEST = "digits#train[:90]", "digits#test[:40]"
COMMANDS = (
    "train mlp --data {train} --test {test} --width 12 --depth 2 --epochs 3 --checkpoint 1 --out network",
    "encode network --data {train} --out codes",
    "encode network --data {test} --out queries",
    "index build codes -o index",
    "index build codes -o index-ivf --kind ivf --nlist 6 --seed 3",
    "index build codes -o index-hnsw --kind hnsw --M 4 --seed 3 --threads 1",
    "index search index queries -k 3 --json neighbours.json",
    "measure network --data {train} --test {test} --json measurement.json",
    "audit network --data {train} --test {test} --csv audit --json audit.json",
    "explain network --data {test} --id 1440 --id 1442 -m gradient -o explanation.npz --json explanation.json",
    "explain network --data {test} --id 1440 -m anchor --json rule.json",
    "regions at network --data {test} --id 1440 --json radius.json",
    "regions along network --data {test} --from 1440 --to 1442 --json along.json",
    "regions plane network --data {test} --through 1440 1442 1445 --box -1 1 -1 1 --sampled 20 --json plane.json",
    "study run study.yaml",
)
STUDY = f"""
name: small
data: {{train: "{TRAIN}", test: "{TEST}"}}
measures: [redundancy_ratio, knn, network_accuracy]
training: {{recipe: figures, batch_size: 16, epochs: 3}}
axes:
  width: [3, 12]
  epochs: [0, 3]
repeats: 2
"""


def main() -> None:
    """Write everything into ``written/VERSION``."""
    folder = Path(__file__).parent / "written" / sys.argv[1]
    folder.mkdir(parents=True)
    runner = CliRunner()
    with chdir(folder):
        Path("study.yaml").write_text(STUDY)
        for command in COMMANDS:
            words = [word.format(train=TRAIN, test=TEST) for word in command.split()]
            done = runner.invoke(app, words, catch_exceptions=False)
            assert done.exit_code == 0, f"{command}: {done.output}"
        results = hl.Study.load("study.yaml").results
        charts = {
            "results": results,
            "curve": hl.curve(results, "knn", "width", where={"epochs": 3}),
            "phase_chart": hl.phase_chart(results),
            "effects": hl.effect_table(results, bootstrap=5),
        }
        for name, found in charts.items():
            Path(f"{name}.json").write_text(json.dumps(found.to_dict()))


if __name__ == "__main__":
    main()
