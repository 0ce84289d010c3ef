"""Samples, reconstructions and interpolations of a generative model, as figures and as a page with a slider."""

import base64
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np

from hashlens.arguments import require_whole
from hashlens.data.sources import load_data
from hashlens.errors import ModelError
from hashlens.generative.grid import Images, as_uint8, tile_images
from hashlens.generative.images import image_batches
from hashlens.generative.model import GenerativeModel
from hashlens.plain import written_as
from hashlens.report.figures import Figure, Pixels
from hashlens.report.page import Block, Chart, Page, Section, Widget
from hashlens.result import Result
from hashlens.seeds import torch_generator
from hashlens.tables import Table, table

COLUMNS = 10
"""Number of images in a row of samples, or of reconstructions."""
RECONSTRUCTIONS = 20
"""Number of images that are reconstructed."""
INTERPOLATIONS = 6
"""Number of interpolations, each between two images."""
STEPS = 17
"""Number of images of an interpolation, including both ends; with an odd number there is one in the middle."""
TEMPLATE = """<p><label for="interpolation-{{ number }}">position between the two images</label>
<input id="interpolation-{{ number }}" type="range" min="0" value="0" style="width:20em"> <output></output></p>
<canvas role="img" aria-label="{{ title }}" style="image-rendering:pixelated;max-width:100%"></canvas>"""


@dataclass(frozen=True, eq=False)
class GeneratedPictures(Result):
    """Samples, reconstructions and interpolations of a generative model; pixels are from 0 to 255.

    Attributes
    ----------
    model : str
        Kind of model.
    collapsed : bool
        Whether samples were nearly equal at the end of the training.
    samples : numpy.ndarray
        uint8 ``(n, h, w)`` or ``(n, h, w, 3)``: samples.
    originals, reconstructions : numpy.ndarray
        uint8: images and their reconstructions; empty without an encoder or images.
    interpolations : numpy.ndarray
        uint8 ``(k, steps, h, w)`` or ``(k, steps, h, w, 3)``: interpolations between pairs of originals, or between
        pairs of random latent codes. Saved results have them under the key ``ways``.
    """

    model: str
    collapsed: bool
    samples: Images
    originals: Images
    reconstructions: Images
    interpolations: Images = field(metadata=written_as("ways"))

    def __rich__(self) -> Table:
        count, steps = self.interpolations.shape[:2]
        rows = [("samples", f"{len(self.samples):,}"), ("reconstructions", f"{len(self.reconstructions):,}"),
                ("interpolations", f"{count:,} of {steps} images each")]  # fmt: skip
        return table(f"Pictures of a {self.model}" + (", COLLAPSED" if self.collapsed else ""), ("", ""), rows)

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of samples, of originals above their reconstructions (if any), and of interpolations."""
        figures = [_grid_figure("Samples", "of random latent codes", self.samples, COLUMNS)]
        if len(self.originals):
            columns = min(COLUMNS, len(self.originals))
            rows = np.stack([_whole_rows(self.originals, columns), _whole_rows(self.reconstructions, columns)], axis=1)
            caption = "each row of images above its reconstructions"
            figures.append(_grid_figure("Reconstructions", caption, np.concatenate(np.concatenate(rows)), columns))
        steps = self.interpolations.shape[1]
        images = self.interpolations.reshape(-1, *self.interpolations.shape[2:])
        figures.append(_grid_figure("Interpolations", "each row is one, from left to right", images, steps))
        return tuple(figures)

    def page(self) -> Page:
        """Return the page."""
        verdict = "the samples have collapsed, so the model is useless" if self.collapsed else ""
        return Page(f"Pictures of a {self.model}", "", verdict, "", self.sections())

    def sections(self) -> tuple[Section, ...]:
        """Return the pictures as sections of a page."""
        samples, *reconstructions, _ = self.figures()
        return (
            Section("Samples", (Chart(samples),)),
            Section("Reconstructions", tuple(map(Chart, reconstructions))),
            Section("Interpolations", _interpolation_widget(self.interpolations)),
        )


def _whole_rows(images: Images, columns: int) -> Images:
    """Return images ``(n, h, w, ...)`` as rows ``(rows, columns, h, w, ...)``; the last row is filled up with white."""
    white = np.full((-len(images) % columns, *images.shape[1:]), 255, np.uint8)
    return np.concatenate([images, white]).reshape(-1, columns, *images.shape[1:])


def _grid_figure(title: str, caption: str, images: Images, columns: int) -> Pixels:
    return Pixels(title, (caption,), (tile_images(images, columns).astype(np.float64) / 255,))


def _interpolation_widget(interpolations: Images) -> tuple[Block, ...]:
    """Return a widget that shows one step of every interpolation; its slider chooses the step."""
    coloured = interpolations if interpolations.ndim == 5 else np.repeat(interpolations[..., None], 3, axis=4)
    count, steps, height, width = coloured.shape[:4]
    data: dict[str, Any] = {
        "interpolations": count, "steps": steps, "height": height, "width": width,
        "pixels": base64.b64encode(np.ascontiguousarray(coloured).tobytes()).decode(),
    }  # fmt: skip
    script = files("hashlens.generative").joinpath("interpolations.js").read_text(encoding="utf-8")
    return (Widget("From one image to another", TEMPLATE, script, data),)


def pictures(model: GenerativeModel, data: Any = None, *, n: int = 100, seed: int = 0) -> GeneratedPictures:
    """Return samples, reconstructions and interpolations of a model.

    Parameters
    ----------
    model : GenerativeModel
        The trained model.
    data : str, Examples or array, optional
        Images. If the model has an encoder, the first 20 are reconstructed, and the interpolations are between the
        first 6 and the next 6. Without an encoder, or with fewer images than 12, the interpolations are between random
        latent codes.
    n : int
        Number of samples.
    seed : int
        Seed of the random latent codes.

    Raises
    ------
    ModelError
        If the model is neither fitted nor built, or `n` is below 1.
    DataError
        If the images have another size than those of the model, or pixels are below 0 or above 1.
    """
    require_whole(ModelError, "n", n)
    shape, samples = model.image_shape, model.sample(n, seed=seed)
    images = reconstructions = samples[:0]
    if data is not None and "encoder" in model.roles:
        images = next(image_batches(load_data(data).narrow(0, RECONSTRUCTIONS), shape, RECONSTRUCTIONS))
        reconstructions = model.reconstruct(images)
    if len(images) >= 2 * INTERPOLATIONS:
        first, second = images[:INTERPOLATIONS], images[INTERPOLATIONS : 2 * INTERPOLATIONS]
    else:
        # The generator is seeded with "ways" as in earlier versions, so that the latent codes stay the same.
        codes = model.settings.draw(2 * INTERPOLATIONS, torch_generator(seed, "ways"))
        first, second = codes[:INTERPOLATIONS], codes[INTERPOLATIONS:]
    return GeneratedPictures(
        model=model.kind,
        collapsed=bool(model.info and model.info.collapsed),
        samples=as_uint8(samples),
        originals=as_uint8(images),
        reconstructions=as_uint8(reconstructions),
        interpolations=as_uint8(model.interpolate(first, second, STEPS)),
    )
