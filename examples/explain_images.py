"""What do the methods say of the same images? All of them side by side, compared, and what the network looks for.

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


def main():
    """Explain, compare, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", help="folder of a network; one is trained on the digits by default")
    parser.add_argument("--data", default="digits#test")
    parser.add_argument("--layer", help="for CAMs; by default the last convolution")
    parser.add_argument("--classes", nargs="*", help="names of the classes")
    parser.add_argument("--images", type=int, default=4, help="of the first ones that the network gets right")
    parser.add_argument("--compared", type=int, default=16, help="images that the methods are compared on")
    parser.add_argument("--out", type=Path, help="draw into this folder")
    arguments = parser.parse_args()

    if arguments.model:
        network = hl.load_model(arguments.model)
    else:
        network = hl.train("cnn", "digits#train", epochs=5, seed=0, width=16).network
    examples = hl.load_data(arguments.data)
    test = examples.narrow(0, 2000).load()
    images = test.tensor()
    asked = {"class_names": arguments.classes or test.class_names}
    network.eval()
    with torch.no_grad():
        right = (network(images).argmax(1).numpy() == test.labels).nonzero()[0]
    chosen = images[right[: arguments.images]]
    # Of methods that take parts away: what is away is black.
    black = {method: {"background": torch.zeros_like(images[:1])} for method in ("kernel_shap", "lime")}
    found = {method: hl.explain(network, chosen, method, **asked, **black.get(method, {})) for method in METHODS}
    for method, explanation in found.items():
        first, value = explanation.top(1)[0]
        print(f"{method}: most at {first}, {value:+.3g}")

    # Black pixels lie exactly on boundaries of units: half a grey level of noise moves them off.
    noise = torch.rand(chosen.shape, generator=torch.Generator().manual_seed(0)) / 510
    region = hl.explain(network, chosen + noise, "region", **asked)
    print("region: one affine map within", ", ".join(f"{radius:.2g}" for radius in region.diagnostics["radius"]))
    contrast = hl.explain(network, chosen, "contrast", background=images[-300:], **asked)
    print("contrast: turns after", ", ".join(f"{share:.0%}" for share in contrast.diagnostics["share_of_the_way"]))
    compared = hl.compare_explanations(network, images[right[: arguments.compared]], METHODS[:6], **asked)
    print(compared)
    looked_for = hl.explain(network, method="logit", target=list(range(10)), background=images[-300:], **asked)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        strips = [side_by_side([*found.values(), region], row) for row in range(len(chosen))]
        strips[:-1] = [replace(strip, low="", high="") for strip in strips[:-1]]
        save(draw(strips, columns=1), arguments.out / "explain-images.png", overwrite=True)
        for name, explanation in (("contrast", contrast), ("looked-for", looked_for), ("lime", found["lime"])):
            save(explanation.plot(), arguments.out / f"explain-{name}.png", overwrite=True)
        save(compared.plot(), arguments.out / "explain-compared.png", overwrite=True)


if __name__ == "__main__":
    main()
