"""Explain the same images by several methods, compare the methods, and draw images that maximise each class.

python examples/explain_images.py                                             # scikit-learn's digits
python examples/explain_images.py --model runs/mnist --data 'parquet:data/mnist#test' --out pictures
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

import hashlens as hl
from hashlens.explanations.figures import side_by_side
from hashlens.report.plots import draw, save

METHODS = (
    "gradient", "guided_backprop", "integrated_gradients", "smooth_grad", "grad_cam", "score_cam", "kernel_shap",
    "lime",
)  # fmt: skip
COMPARED = METHODS[:6]


def main():
    """Explain, compare, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="folder of a network; one is trained on the digits by default")
    parser.add_argument("--data", default="digits#test")
    parser.add_argument("--layer", help="layer of the CAMs; by default the last one with maps of features")
    parser.add_argument("--classes", nargs="*", help="names of the classes")
    parser.add_argument(
        "--images",
        type=int,
        default=4,
        help="number of explained images, the first ones that the network classifies correctly",
    )
    parser.add_argument("--compared", type=int, default=16, help="number of images on which the methods are compared")
    parser.add_argument("--out", type=Path, help="draw into this folder")
    arguments = parser.parse_args()

    if arguments.model:
        network = hl.load_model(arguments.model)
    else:
        network = hl.train("cnn", "digits#train", epochs=5, seed=0, width=16).network
    examples = hl.load_data(arguments.data)
    test = examples.narrow(0, 2000).load()
    images = test.tensor()
    names = {"class_names": arguments.classes or test.class_names}
    network.eval()
    with torch.no_grad():
        right = (network(images).argmax(1).numpy() == test.labels).nonzero()[0]
    shown_images = images[right[: arguments.images]]
    options = {method: {} for method in METHODS}
    # Methods that remove parts replace them by black.
    options["kernel_shap"] = options["lime"] = {"background": torch.zeros_like(images[:1])}
    options["grad_cam"] = options["score_cam"] = {"layer": arguments.layer}
    explanations = {method: hl.explain(network, shown_images, method, **names, **options[method]) for method in METHODS}
    for method, explanation in explanations.items():
        first, value = explanation.top(1)[0]
        print(f"{method}: most at {first}, {value:+.3g}")

    # Images with black pixels lie exactly on boundaries of regions; noise of half a grey level moves them away.
    noise = torch.rand(shown_images.shape, generator=torch.Generator().manual_seed(0)) / 510
    region = hl.explain(network, shown_images + noise, "region", **names)
    print("region: one affine map within", ", ".join(f"{radius:.2g}" for radius in region.diagnostics["radius"]))
    contrast = hl.explain(network, shown_images, "contrast", background=images[-300:], **names)
    print("contrast: turns after", ", ".join(f"{share:.0%}" for share in contrast.diagnostics["share_of_the_way"]))
    compared_images, compared_options = images[right[: arguments.compared]], {name: options[name] for name in COMPARED}
    comparison = hl.compare_explanations(network, compared_images, compared_options, **names)
    print(comparison)
    class_images = hl.explain(network, method="logit", target=list(range(10)), background=images[-300:], **names)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        strips = [side_by_side([*explanations.values(), region], row) for row in range(len(shown_images))]
        strips[:-1] = [replace(strip, low="", high="") for strip in strips[:-1]]
        save(draw(strips, columns=1), arguments.out / "explain-images.png", overwrite=True)
        for name, explanation in (("contrast", contrast), ("looked-for", class_images), ("lime", explanations["lime"])):
            save(explanation.plot(), arguments.out / f"explain-{name}.png", overwrite=True)
        save(comparison.plot(), arguments.out / "explain-compared.png", overwrite=True)


if __name__ == "__main__":
    main()
