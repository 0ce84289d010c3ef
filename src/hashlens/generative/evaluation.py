"""The result of an evaluation of a generative model, and its page."""

from collections.abc import Mapping
from dataclasses import dataclass

from hashlens.generative.distances import Manifolds
from hashlens.generative.pictures import GeneratedPictures
from hashlens.report.figures import Bars, Figure
from hashlens.report.page import Chart, Page, Section
from hashlens.result import Result
from hashlens.tables import Table, number, table

COVERED = 0.02
"""Smallest share of the samples at which a class counts as covered."""


@dataclass(frozen=True)
class CodeMeasures:
    """Measures of the neural codes of one network.

    Attributes
    ----------
    bits : int
        Number of bits of a code.
    redundancy_ratio : float
        Redundancy ratio on test images.
    knn_accuracy : float or None
        Accuracy of 9-NN on test images, by codes of training images; None without labels.
    mean_average_precision : float or None
        Mean average precision if test images rank training images by their codes; None without labels.
    """

    bits: int
    redundancy_ratio: float
    knn_accuracy: float | None
    mean_average_precision: float | None


@dataclass(frozen=True)
class Memorisation:
    """Distance of samples and of test images to training images, by neural codes of the classifier.

    Attributes
    ----------
    samples, test : float
        Median Hamming distance of samples and of test images to the nearest training image, in bits.
    share : float
        Share of samples that are nearer to a training image than 99 % of the test images are. If it is clearly above
        .01, some samples are copies.
    """

    samples: float
    test: float
    share: float


@dataclass(frozen=True, eq=False)
class GenerativeEvaluation(Result):
    """Result of the evaluation of a generative model.

    Compare numbers of several models only if `n`, the images and the classifier are the same.

    Attributes
    ----------
    model : str
        Kind of model.
    n : int
        Number of samples, and of test images that they are compared with.
    classifier_accuracy : float or None
        Accuracy of the classifier on test images; None without labels.
    reconstruction_error : float or None
        Mean squared error of G(E(x)) over pixels of test images; None without an encoder.
    random_pair_error : float
        The same error for two random test images, for comparison.
    label_consistency : float or None
        Share of test images whose reconstruction has the same predicted class.
    fid, fid_real : float
        Class-FID, the Fréchet distance to test images by the features of the classifier (not of an Inception network),
        for samples and for as many training images.
    fid_reconstructions : float or None
        Class-FID of reconstructions.
    kid, kid_real : float
        Kernel distance (unbiased) to test images by the same features, for samples and for training images.
    class_shares : mapping of str to float
        Share of samples in each class, as predicted by the classifier.
    manifolds : Manifolds
        Precision, recall, density and coverage.
    diversity : float
        Variance of the samples divided by that of the test images.
    code_knn, code_logistic : float or None
        Accuracies of 1-NN and of logistic regression on E(x); None without labels or an encoder.
    codes : mapping of str to CodeMeasures
        Measures of the neural codes of encoder and discriminator, if these have gates.
    memorisation : Memorisation
        Distances of samples to training images.
    collapsed : bool
        Whether samples are nearly equal, or miss half of the classes; the other numbers then have no meaning.
    pictures : GeneratedPictures
        Samples, reconstructions and interpolations.
    paired : int
        Number of samples and test images for `kid`, `manifolds`, `codes` and `memorisation`, which compare all pairs.
        It is 0 in results of earlier versions, which used `n`.
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
    codes: Mapping[str, CodeMeasures]
    memorisation: Memorisation
    collapsed: bool
    pictures: GeneratedPictures
    paired: int = 0

    @property
    def covered(self) -> int:
        """Number of classes with at least 2 % of the samples."""
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
        state = ", COLLAPSED: these numbers have no meaning" if self.collapsed else ""
        note = "class-FID and KID use the features of the classifier, not of an Inception network"
        return table(f"{self.model}, {self.n:,} samples{state}", ("", "value", "beside", "of"), rows, note)

    def figures(self) -> tuple[Figure, ...]:
        """Return the shares of classes among samples, and the pictures."""
        names = tuple(self.class_shares)
        shares = tuple(float(self.class_shares[name]) for name in names)
        title = f"Classes of samples (covered from {COVERED:.0%})"
        return (Bars(title, "share of samples", names, (("samples", shares),), reach=0.1), *self.pictures.figures())

    def page(self) -> Page:
        """Return the page: measures, classes, samples, reconstructions, and interpolations with a slider."""
        verdict = "the samples have collapsed, so these numbers have no meaning" if self.collapsed else ""
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
