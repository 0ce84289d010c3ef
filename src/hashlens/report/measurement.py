"""The figures and the page of a measurement."""

import base64
import io
from pathlib import Path

from hashlens.files import written_whole
from hashlens.measurement import Measurement
from hashlens.report.figures import Bars, Figure, Histogram, Lines, Series
from hashlens.report.plots import draw
from hashlens.version import __version__


def measurement_figures(measured: Measurement) -> tuple[Figure, ...]:
    """Return the figure data of a measurement: accuracies, redundancy, bits to determinism, distances."""
    return (
        _accuracies(measured),
        _redundancy(measured),
        _bits(measured),
        _distances(measured),
    )


def _accuracies(measured: Measurement) -> Bars:
    own = measured.categorization
    rows: list[tuple[str, float | None, float | None]] = [("codes", own.knn, own.logistic)]
    rows += [(at.name.replace("_", " "), at.knn, at.logistic) for at in measured.controls.values()]
    return Bars(
        "Classes from the codes, beside controls",
        "accuracy on test",
        tuple(name for name, _, _ in rows),
        (("K-NN", tuple(knn for _, knn, _ in rows)), ("logistic", tuple(logistic for _, _, logistic in rows))),
    )


def _redundancy(measured: Measurement) -> Bars:
    rows: list[tuple[str, float | None, float | None]] = [
        ("codes", measured.redundancy_ratio.train, measured.redundancy_ratio.test)
    ]
    for control in (*measured.controls.values(), measured.random_inputs):
        if control.redundancy_ratio is not None:
            rows.append((control.name.replace("_", " "), control.redundancy_ratio.train, control.redundancy_ratio.test))
    return Bars(
        "Examples that share a code",
        "redundancy ratio R",
        tuple(name for name, _, _ in rows),
        (("train", tuple(train for _, train, _ in rows)), ("test", tuple(test for _, _, test in rows))),
    )


def _bits(measured: Measurement) -> Lines:
    curve = measured.bits_to_determinism.curve
    x, y = tuple(float(bits) for bits, _ in curve), tuple(ratio for _, ratio in curve)
    return Lines(
        "How few bits tell examples apart", "randomly chosen bits", "R on train", (Series("R", x, y),),
        mark=measured.bits_to_determinism.threshold, log_x=True,
    )  # fmt: skip


def _distances(measured: Measurement) -> Histogram:
    apart = measured.separation
    return Histogram(
        "Distance between codes on test",
        "Hamming distance / bits",
        tuple(apart.edges.tolist()),
        (
            ("same class", tuple(apart.within_histogram.tolist())),
            ("different classes", tuple(apart.between_histogram.tolist())),
        ),
    )


def _png(figure: Figure) -> str:
    picture = io.BytesIO()
    draw([figure]).savefig(picture, format="png", dpi=110)
    return base64.b64encode(picture.getvalue()).decode()


def write_measurement_page(measured: Measurement, path: str | Path) -> Path:
    """Write a measurement as one HTML file that fetches nothing, and return its path."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(loader=PackageLoader("hashlens.report", "html"), autoescape=True, undefined=StrictUndefined)
    origin = measured.provenance.train
    text = pages.get_template("page.html.jinja").render(
        title=f"{measured.model}: its neural code, measured",
        subtitle=(
            f"train {origin.data}, test {measured.provenance.test.data}; parameters {origin.parameters_digest[:12]}, "
            f"{origin.dtype} on {origin.device}, batch {origin.batch_size}, seed {origin.seed}"
        ),
        verdict=measured.regime.name,
        reason=measured.regime.reason,
        pictures=[{"title": figure.title, "data": _png(figure)} for figure in measurement_figures(measured)],
        tables=measured.tables(),
        notes=measured.notes,
        version=__version__,
    )
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return Path(path)
