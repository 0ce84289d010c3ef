"""Draw the pictures of the gallery, each by one function, for data that scikit-learn ships.

python examples/gallery.py                  # draws all pictures and prints their sizes
python examples/gallery.py --out gallery    # gallery/measurement.png, gallery/code_map.png, ...
"""

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from sklearn.datasets import make_moons

import hashlens as hl
from hashlens.regions.figures import plane_figure
from hashlens.report.figures import Histogram, Pixels, Scatter
from hashlens.report.plots import draw
from hashlens.retrieval import model_quality_curve

DPI = 100


def trained(seed=0, width=32):
    """Train the network of most pictures: two hidden layers."""
    return hl.train("mlp", "digits#train", depth=2, width=width, epochs=20, seed=seed).network


def measurement(network):
    """Draw all measures next to their controls."""
    return hl.measure(network, "digits#train", "digits#test").plot()


def code_map(network):
    """Draw one figure of a measurement: the map of the codes of the test examples."""
    result = hl.measure(network, "digits#train", "digits#test", controls=False)
    return draw([figure for figure in result.figures() if isinstance(figure, Scatter)])


def distances(network):
    """Draw distances: codes of one class are nearer to each other than codes of two classes."""
    result = hl.measure(network, "digits#train", "digits#test", controls=False)
    return draw([figure for figure in result.figures() if isinstance(figure, Histogram)])


def collisions():
    """Draw digits that share a code in a narrow network although their labels differ."""
    narrow = hl.train("mlp", "digits#train", width=12, epochs=20).network
    group = hl.measure(narrow, "digits#train", "digits#test", controls=False).exhibits.collisions.train[0]
    images = hl.load_data("digits#train").load().tensor()[group.rows.tolist(), 0].numpy()
    title, names = f"Some of {group.size} digits with one code", tuple(f"a {label}" for label in group.labels)
    return draw([Pixels(title, names, tuple(images / images.max()), columns=6)])


def audit():
    """Draw leaks, wrong labels, blind spots and novel examples; ten training digits were added to the test set."""
    train, test = hl.load_data("digits#train").load(), hl.load_data("digits#test").load()
    images = torch.cat([test.tensor(), train.tensor()[:10]])
    labels = torch.cat([torch.from_numpy(test.labels), torch.from_numpy(train.labels[:10])])
    return hl.audit(trained(width=256), (train.tensor(), train.labels), (images, labels)).plot()


def coverage(network):
    """Draw the number of codes against the number of examples, and the units that are never on or always on."""
    return hl.coverage(hl.encode(network, "digits#train")).plot()


def two_networks(network):
    """Draw the similarity of two networks, trained from different seeds, layer by layer."""
    return hl.compare_models(network, trained(seed=1), "digits#test").plot()


def retrieval(network):
    """Draw how well codes find rows of the same class, next to controls of the same length."""
    lengths = (8, 16, 32, 64)
    return model_quality_curve(network, "digits#train", "digits#test", lengths, methods=("depth", "variance")).plot()


def along(network):
    """Draw the outputs on the segment from a 0 to a 1; the lines are exact."""
    digits = hl.load_data("digits#test").load()
    zero, one = (digits.tensor()[(digits.labels == digit).argmax()] for digit in (0, 1))
    return hl.regions.along(network, zero, one).plot()


def plane():
    """Draw every linear region of the plane through three digits, coloured by predicted class."""
    digits = hl.load_data("digits#test").load()
    three = digits.tensor()[[int((digits.labels == digit).argmax()) for digit in (3, 5, 8)]]
    regions = hl.regions.plane(trained(width=64), through=three)
    return draw([plane_figure(regions, "class", marks=("3", "5", "8"))])


def moons():
    """Draw the whole input space of a network with two inputs: its gradient and its decision boundary."""
    points, labels = make_moons(400, noise=0.15, random_state=0)
    network = hl.train("mlp", (points, labels), depth=3, width=16, epochs=300).network
    regions = hl.regions.plane(network, box=(-1.6, 2.6, -1.2, 1.7))
    return draw([plane_figure(regions, "gradient", points=points, labels=labels)])


def monitor():
    """Draw redundancy and the accuracy of K-NN on the codes during training."""
    torch.manual_seed(0)
    digits = hl.load_data("digits#train").load()
    images, labels = digits.tensor(), torch.from_numpy(digits.labels)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 24), torch.nn.ReLU(), torch.nn.Linear(24, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    code_monitor = hl.CodeMonitor("digits#train", "digits#test", every=10, time_budget=None)
    for _ in range(12):
        for rows in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
            code_monitor.step(network)
    return code_monitor.history.plot()


def study(folder):
    """Run a study: train 21 networks, measure each five times, and return all numbers."""
    (folder / "study.yaml").write_text("""
        name: digits
        data: {train: "digits#train", test: "digits#test"}
        measures: [redundancy_ratio, knn, network_accuracy]
        training: {recipe: figures, batch_size: 16, epochs: 30}
        axes:
          width: [8, 16, 24, 32, 64, 128, 256]
          epochs: [0, 1, 3, 10, 30]
        repeats: 3
    """)
    return hl.Study.load(folder / "study.yaml").run().results


def phase_chart(results):
    """Draw which networks are under-, critically and sufficiently expressive."""
    return hl.phase_chart(results, x="width", y="epochs").plot()


def width_curve(results):
    """Draw one measure over one axis, with intervals over repeats."""
    return hl.curve(results, "redundancy_ratio", over="width", split=("train", "test"), where={"epochs": 30}).plot()


def effects(results):
    """Draw how much of the variance each factor explains."""
    return hl.effect_table(results).plot()


OF_A_NETWORK = (measurement, code_map, distances, coverage, two_networks, retrieval, along)
OF_THEIR_OWN = (collisions, audit, plane, moons, monitor)
OF_A_STUDY = (phase_chart, width_curve, effects)


def write(canvas, path):
    """Write a picture with a palette of 256 colours, which takes a third of the bytes."""
    png = BytesIO()
    canvas.savefig(png, dpi=DPI)
    Image.open(png).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def main():
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, help="write them to this folder as PNG")
    arguments = parser.parse_args()
    network = trained()
    pictures = {picture.__name__: picture(network) for picture in OF_A_NETWORK}
    pictures |= {picture.__name__: picture() for picture in OF_THEIR_OWN}
    with tempfile.TemporaryDirectory() as folder:
        results = study(Path(folder))
        pictures |= {picture.__name__: picture(results) for picture in OF_A_STUDY}
    for name, canvas in pictures.items():
        width, height = canvas.get_size_inches()
        print(f"{name}: {width:.1f} x {height:.1f} inches")
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            write(canvas, arguments.out / f"{name}.png")


if __name__ == "__main__":
    main()
