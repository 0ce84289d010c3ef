"""Linear regions on a plane through three digits before training, after one epoch and after ten.

python examples/slice_in_training.py                                      # scikit-learn's digits, in numbers
python examples/slice_in_training.py --data data/mnist --out slice.png    # MNIST as Parquet, drawn
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import hashlens as hl
from hashlens.regions.figures import plane_figure
from hashlens.report.plots import draw, save

EPOCHS = (0, 1, 10)


def main():
    """Train, compute the regions of the plane at each checkpoint, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="folder of MNIST as Parquet; the digits of scikit-learn by default")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--out", help="draw to this PNG, SVG or PDF")
    arguments = parser.parse_args()

    source = f"parquet:{arguments.data}" if arguments.data else "digits"
    examples = hl.load_data(f"{source}#test").load()
    # The plane goes through one image each of three classes.
    rows = [int((examples.labels == digit).argmax()) for digit in (3, 5, 8)]
    images = examples.tensor()[rows]
    with tempfile.TemporaryDirectory() as folder:
        trained = hl.train(
            "mlp", f"{source}#train", epochs=EPOCHS[-1], depth=2, width=arguments.width, checkpoints=EPOCHS,
            out=Path(folder) / "network",
        )  # fmt: skip
        figures = []
        for epoch, checkpoint in zip(EPOCHS, trained.fitted.checkpoints, strict=True):
            plane = hl.regions.plane(hl.load_model(str(checkpoint)), through=images)
            sampled = plane.sampled_count(200)
            print(f"epoch {epoch:2}: {plane.count:,} regions; a grid of 200 x 200 points finds {sampled:,}")
            figure = plane_figure(plane, "class", marks=("3", "5", "8"))
            figures.append(replace(figure, title=f"Epoch {epoch}: {figure.title}"))
    if arguments.out:
        print(save(draw(figures, columns=3), arguments.out, overwrite=True))


if __name__ == "__main__":
    main()
