"""What an evaluation of a generative model found, and its page."""

from collections.abc import Mapping
from dataclasses import dataclass

from hashlens.generative.distances import Manifolds
from hashlens.generative.pictures import GeneratedPictures
from hashlens.report.figures import Bars, Figure
from hashlens.report.page import Chart, Page, Section
from hashlens.result import Result
from hashlens.tables import Table, number, table

COVERED = 0.02
"""A class is covered where at least this share of samples is of it."""


@dataclass(frozen=True)
class CodesFound:
    """What the neural codes of one network tell.

    Attributes
    ----------
    bits : int
        Of a code.
    redundancy_ratio : float
        On test images: 0 where each has a code of its own.
    knn_accuracy : float or None
        Of 9-NN on test images, by codes of training images; None without labels.
    mean_average_precision : float or None
        Where test images rank training images by their codes; None without labels.
    """

    bits: int
    redundancy_ratio: float
    knn_accuracy: float | None
    mean_average_precision: float | None


@dataclass(frozen=True)
class Memorisation:
    """How near samples are to training images, beside test images, by neural codes of the classifier.

    Attributes
    ----------
    samples, test : float
        Median bits to the nearest training image.
    share : float
        Share of samples that are nearer than all but 1 % of test images; above .01 samples are copies more often.
    """

    samples: float
    test: float
    share: float


@dataclass(frozen=True, eq=False)
class GenerativeEvaluation(Result):
    """What an evaluation of a generative model found.

    Numbers of several models are comparable where `n`, the images and the classifier are the same.

    Attributes
    ----------
    model : str
        Which kind.
    n : int
        Samples, and test images that they are compared with.
    classifier_accuracy : float or None
        On test images; None without labels.
    reconstruction_error : float or None
        Mean squared error of G(E(x)), mean of pixels, on test images; None without an encoder.
    random_pair_error : float
        The same for two test images drawn at random: what a reconstruction that knows nothing would have.
    label_consistency : float or None
        Share of test images whose reconstruction the classifier puts in the same class.
    fid, fid_real : float
        Fréchet distance of samples, and of as many training images, to test images, by the classifier's features.
    fid_reconstructions : float or None
        The same of reconstructions.
    kid, kid_real : float
        Kernel distances, without bias.
    class_shares : mapping of str to float
        Share of samples that the classifier puts in each class.
    manifolds : Manifolds
        Precision, recall, density and coverage.
    diversity : float
        Variance of samples, as a share of the test images' own.
    code_knn, code_logistic : float or None
        Accuracies of 1-NN and of logistic regression on E(x); None without labels or an encoder.
    codes : mapping of str to CodesFound
        Of the encoder and the discriminator, where they have gates.
    memorisation : Memorisation
        Whether samples are copies.
    collapsed : bool
        Whether samples are nearly the same, or miss half of the classes: then nothing here is a result.
    pictures : GeneratedPictures
        What it all looks like.
    paired : int
        Samples and test images of `kid`, `manifolds`, `codes` and `memorisation`, which compare each with each; 0 in
        results that were saved before there was this number, where it is `n`.
    """

    model: str
    n: int
    classifier_accuracy: float | None
    reconstruction_error: float | None
    random_pair_error: float
    label_consistency: float | None
    fid: float
    fid_real: float
    fid_reconstructions: float | None
    kid: float
    kid_real: float
    class_shares: Mapping[str, float]
    manifolds: Manifolds
    diversity: float
    code_knn: float | None
    code_logistic: float | None
    codes: Mapping[str, CodesFound]
    memorisation: Memorisation
    collapsed: bool
    pictures: GeneratedPictures
    paired: int = 0

    @property
    def covered(self) -> int:
        """Classes that at least 2 % of samples are of."""
        return sum(share >= COVERED for share in self.class_shares.values())

    def __rich__(self) -> Table:
        shown = (
            ("reconstruction error (MSE)", self.reconstruction_error, self.random_pair_error, "two random images"),
            ("label consistency", self.label_consistency, self.classifier_accuracy, "classifier's accuracy"),
            ("class-FID", self.fid, self.fid_real, "training images"),
            ("class-FID of reconstructions", self.fid_reconstructions, self.fid_real, "training images"),
            ("KID", self.kid, self.kid_real, "training images"),
            ("precision", self.manifolds.precision, None, ""),
            ("recall", self.manifolds.recall, None, ""),
            ("density", self.manifolds.density, None, ""),
            ("coverage", self.manifolds.coverage, None, ""),
            ("diversity", self.diversity, 1.0, "test images"),
            ("1-NN on E(x)", self.code_knn, None, ""),
            ("logistic regression on E(x)", self.code_logistic, None, ""),
            ("bits to the nearest training image", self.memorisation.samples, self.memorisation.test, "test images"),
            ("samples nearer than 99 % of test images", self.memorisation.share, 0.01, "test images"),
        )
        rows = [(name, number(value), number(beside), of) for name, value, beside, of in shown if value is not None]
        rows.append(("classes covered", f"{self.covered} of {len(self.class_shares)}", "", ""))
        state = ": COLLAPSED, nothing here is a result" if self.collapsed else ""
        return table(f"{self.model}, {self.n:,} samples{state}", ("", "value", "beside", "of"), rows)

    def figures(self) -> tuple[Figure, ...]:
        """Return the shares of classes among samples, and the pictures."""
        names = tuple(self.class_shares)
        shares = tuple(float(self.class_shares[name]) for name in names)
        title = f"Classes of samples (covered from {COVERED:.0%})"
        return (Bars(title, "share of samples", names, (("samples", shares),), reach=0.1), *self.pictures.figures())

    def page(self) -> Page:
        """Return the page: numbers, classes, samples, reconstructions, and ways to scrub through."""
        verdict = "its samples have collapsed: nothing here is a result" if self.collapsed else ""
        classes, *_ = self.figures()
        return Page(
            f"Evaluation of a {self.model}", f"{self.n:,} samples beside as many test images", verdict, "",
            (
                Section("Numbers", (self.__rich__(),)),
                Section("Classes", (Chart(classes),)),
                *self.pictures.sections(),
                Section("Neural codes", (self._codes_table(),) if self.codes else ()),
            ),
        )  # fmt: skip

    def _codes_table(self) -> Table:
        rows = [
            (name, number(at.bits), number(at.redundancy_ratio), number(at.knn_accuracy),
             number(at.mean_average_precision))
            for name, at in self.codes.items()
        ]  # fmt: skip
        return table("Neural codes", ("network", "bits", "redundancy ratio", "9-NN", "mAP"), rows)
