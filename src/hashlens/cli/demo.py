"""``hashlens demo``: train, measure and encode networks on the digits of scikit-learn, in under a minute."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashlens.cli.options import Debug, Seed, Threads, check_named, console, set_threads, write_json
from hashlens.files import check_writable

if TYPE_CHECKING:
    from hashlens.measurement import Measurement
    from hashlens.report.figures import Lines

WIDTHS = (8, 16, 32, 64, 128, 256)
EPOCHS = 60


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the picture, the page, the networks and the codes.")] = Path(
        "hashlens-demo"
    ),
    seed: Seed = 0,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Train small networks on digits, compare their widths, and write a picture, a page and codes."""
    import hashlens as hl
    from hashlens.progress import bar
    from hashlens.report.plots import draw, save

    set_threads(threads)
    check_named(out)
    check_writable(out / "widths.png", overwrite=True)
    terminal = console()
    train, test = hl.load_data("digits#train"), hl.load_data("digits#test")
    measured = {}
    with bar("training and measuring", len(WIDTHS)) as advance:
        for width in WIDTHS:
            trained = hl.train(
                "mlp", train, recipe="figures", epochs=EPOCHS, width=width, seed=seed, test=test,
                out=out / f"width-{width}", overwrite=True,
            )  # fmt: skip
            last = width == WIDTHS[-1]
            measured[width] = hl.measure(trained.network, train, test, controls=last, seed=seed)
            advance(f"width {width}")
    hl.encode(trained.network, test, out=out / "codes", overwrite=True)
    save(draw(_width_figures(measured)), out / "widths.png", overwrite=True)
    widest = measured[WIDTHS[-1]]
    widest.to_html(out / "report.html", overwrite=True)
    write_json(widest, out / "measure.json", force=True)
    terminal.print(widest)
    terminal.print(
        f"\n{out}/widths.png    how the code changes with the width of the network"
        f"\n{out}/report.html   this measurement as a page"
        f"\n{out}/codes         the codes of the test digits: hashlens.Codes.load('{out}/codes')"
        f"\nnext: hashlens measure {out}/width-32 --train 'digits#train' --test 'digits#test'",
        soft_wrap=True,
    )  # fmt: skip


def _width_figures(measured: "Mapping[int, Measurement]") -> "tuple[Lines, ...]":
    """Return figures of determinism and categorization over the width, for measurements by width."""
    from hashlens.report.figures import Lines, Series

    x = tuple(map(float, measured))
    ratio = [each.redundancy_ratio for each in measured.values()]
    accuracy = [each.categorization for each in measured.values()]
    network = [each.network_accuracy for each in measured.values()]
    return (
        Lines("Determinism: examples that share a code", "hidden units", "redundancy ratio R", (
            Series("train", x, tuple(levels.train for levels in ratio)),
            Series("test", x, tuple(levels.test for levels in ratio)),
        ), log_x=True),
        Lines("Categorization: test accuracy from the codes alone", "hidden units", "accuracy", (
            Series("the network itself", x, tuple(levels.test or 0.0 for levels in network)),
            Series("K-NN on codes", x, tuple(levels.knn for levels in accuracy)),
            Series("logistic on codes", x, tuple(levels.logistic for levels in accuracy)),
            Series("K-Means on codes (purity)", x, tuple(levels.kmeans_purity.test for levels in accuracy)),
        ), log_x=True),
    )  # fmt: skip
