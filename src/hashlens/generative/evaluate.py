"""Evaluation of generative models, all by the same images, classifier and number of samples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hashlens.arguments import require_whole
from hashlens.codes.codes import Codes
from hashlens.codes.encode import encode
from hashlens.data.examples import ArrayExamples
from hashlens.data.sources import load_data, load_training_data
from hashlens.errors import CaptureError, DataError, ModelError
from hashlens.generative.classifier import Classification, Classifier
from hashlens.generative.distances import frechet_distance, kernel_distance, manifolds
from hashlens.generative.evaluation import CodeMeasures, GenerativeEvaluation, Memorisation
from hashlens.generative.health import COLLAPSED, diversity
from hashlens.generative.images import image_batches
from hashlens.generative.model import GenerativeModel
from hashlens.generative.pictures import pictures
from hashlens.index.index import Index
from hashlens.measures.determinism import redundancy_ratio
from hashlens.measures.knn import knn_accuracy, knn_accuracy_features
from hashlens.measures.logistic import logistic_regression
from hashlens.progress import bar
from hashlens.retrieval.quality import retrieval_quality
from hashlens.seeds import numpy_generator

Tensor = torch.Tensor
BATCH = 500
NEAREST = 9
"""Number of neighbours of K-NN by neural codes."""
RARE = 0.01
"""Share below which a class counts as missing among the samples; and share of the test images that lie nearest to
training images, for the comparison with samples."""
PARTS = 5
"""Steps of the progress bar."""


def evaluate(
    model: GenerativeModel,
    train: Any,
    test: Any,
    *,
    classifier: Any = None,
    n: int = 10_000,
    paired: int = 5000,
    k: int = 5,
    seed: int = 0,
) -> GenerativeEvaluation:
    """Measure the quality of samples, reconstructions and codes of a model.

    Parameters
    ----------
    model : GenerativeModel
        The trained model.
    train : str, Examples or pair
        Images that the model was trained on, with or without labels.
    test : str, Examples or pair
        Other images of the same kind.
    classifier : str, Path or torch.nn.Module
        Classifier trained on the same images, such as a folder of `hashlens train`. Images are compared by its
        classes, features and neural codes.
    n : int
        Number of samples, and of random images of each split; all images if there are fewer.
    paired : int
        Number of samples, and of random images of each split, for the measures that compare all pairs: KID, precision,
        recall, density, coverage, measures of neural codes, and bits to the nearest training image. Their time grows
        with the square of this number. At most `n` are used.
    k : int
        Number of neighbours for precision, recall, density and coverage.
    seed : int
        Seed of the samples and of the random images.

    Returns
    -------
    GenerativeEvaluation
        All measures and pictures.

    Raises
    ------
    ModelError
        If there is no classifier, or the classifier or the model does not accept the images.
    DataError
        If the images have another size than those of the model, or are too few.
    """
    for name, value in (("n", n), ("paired", paired), ("k", k)):
        require_whole(ModelError, name, value)
    image_classifier = Classifier.of(classifier, model.image_shape)
    known, other = load_training_data(train).load(), load_data(test).load()
    n = min(n, len(known), len(other))
    paired = min(n, paired)
    if paired <= k:
        raise DataError(f"evaluation with k={k} needs more than {k} images of each split, received {paired}")
    train, test = (_random_images(part, n, paired, seed) for part in (known, other))
    with bar("evaluating", PARTS) as advance:
        return _evaluate_images(
            model, train, test, image_classifier, paired, k, seed, advance, shown=other.narrow(0, n)
        )


def _random_images(images: ArrayExamples, n: int, paired: int, seed: int) -> ArrayExamples:
    """Return `n` random images, because the first ones may differ from the others, as in MNIST's test set.

    If all images are used, for all pairs too, they are returned in their own order.
    """
    if len(images) == paired:
        return images
    return images.select(numpy_generator(seed, "evaluated").permutation(len(images))[:n])


def _evaluate_images(
    model: GenerativeModel,
    train: ArrayExamples,
    test: ArrayExamples,
    classifier: Classifier,
    paired: int,
    k: int,
    seed: int,
    advance: Callable[[str], None],
    *,
    shown: ArrayExamples,
) -> GenerativeEvaluation:
    """Return the evaluation of a model on train and test images, and pictures of the images `shown`."""
    n, shape, few = len(test), model.image_shape, slice(0, paired)
    real, known = (torch.cat(list(image_batches(part, shape))) for part in (test, train))
    made = model.sample(n, seed=seed)
    of_real, of_known, of_made = (classifier.classify(torch.split(part, BATCH)) for part in (real, known, made))
    advance("features")
    reconstructions = of_reconstructions = codes = None
    if "encoder" in model.roles:
        codes = model.encode(known), model.encode(real)
        reconstructions = model.decode(codes[1])
        of_reconstructions = classifier.classify(torch.split(reconstructions, BATCH))
    advance("reconstructions")
    shares = _class_shares(classifier, of_made, test)
    spread = diversity(made, real)
    code_measures = _codes_by_network(model, train.narrow(0, paired), test.narrow(0, paired))
    advance("neural codes")
    memorisation = _memorisation(classifier.network, known[few], real[few], made[few])
    advance("nearest training images")
    common = sum(share >= RARE for share in shares.values())
    found = GenerativeEvaluation(
        model=model.kind,
        n=n,
        classifier_accuracy=None if test.labels is None else float((of_real.classes.numpy() == test.labels).mean()),
        reconstruction_error=None if reconstructions is None else float((reconstructions - real).square().mean()),
        # The mean squared difference of two images is twice the variance.
        random_pair_error=2 * float(real.var(dim=0).mean()),
        label_consistency=None
        if of_reconstructions is None
        else float((of_reconstructions.classes == of_real.classes).double().mean()),
        fid=frechet_distance(of_real.features, of_made.features),
        fid_real=frechet_distance(of_real.features, of_known.features),
        fid_reconstructions=None
        if of_reconstructions is None
        else frechet_distance(of_real.features, of_reconstructions.features),
        kid=kernel_distance(of_real.features[few], of_made.features[few]),
        kid_real=kernel_distance(of_real.features[few], of_known.features[few]),
        class_shares=shares,
        manifolds=manifolds(of_real.features[few], of_made.features[few], k=k),
        diversity=spread,
        **_code_accuracies(codes, train.labels, test.labels),
        codes=code_measures,
        memorisation=memorisation,
        collapsed=spread < COLLAPSED or common <= len(shares) / 2,
        pictures=pictures(model, shown, seed=seed),
        paired=paired,
    )
    advance("pictures")
    return found


def _class_shares(classifier: Classifier, made: Classification, test: ArrayExamples) -> dict[str, float]:
    """Return the share of samples in each class, by the name of the class."""
    count = classifier.last.out_features
    names = test.class_names if test.class_names and len(test.class_names) == count else map(str, range(count))
    shares = torch.bincount(made.classes, minlength=count).double() / len(made.classes)
    return dict(zip(names, shares.tolist(), strict=True))


def _code_accuracies(
    codes: tuple[Tensor, Tensor] | None, known: npt.NDArray[np.int64] | None, labels: npt.NDArray[np.int64] | None
) -> dict[str, Any]:
    if codes is None or known is None or labels is None:
        return {"code_knn": None, "code_logistic": None}
    return {
        "code_knn": knn_accuracy_features(codes[0], known, codes[1], labels, k=1),
        "code_logistic": logistic_regression(codes[0], known).accuracy(codes[1], labels),
    }


class DiscriminatorOfImages(nn.Module):
    """A discriminator of images and codes as a network of images; the encoder computes the codes."""

    def __init__(self, discriminator: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.discriminator, self.encoder = discriminator, encoder

    def forward(self, images: Tensor) -> Tensor:
        """Return scores ``(n, 1)``."""
        scores: Tensor = self.discriminator(images, self.encoder(images))
        return scores


def _codes_by_network(model: GenerativeModel, train: ArrayExamples, test: ArrayExamples) -> dict[str, CodeMeasures]:
    """Return measures of the neural codes of encoder and discriminator, each run as a network of images."""
    roles = [role for role in ("encoder", "discriminator") if role in model.roles]
    networks: dict[str, nn.Module] = {str(role): model.networks[role] for role in roles}
    if "discriminator" in networks and model.code_sizes["discriminator"]:
        networks["discriminator"] = DiscriminatorOfImages(networks["discriminator"], networks["encoder"])
    found: dict[str, CodeMeasures] = {}
    for role, network in networks.items():
        layers = ["discriminator.*"] if isinstance(network, DiscriminatorOfImages) else None
        try:
            codes = [encode(network, part, layers=layers) for part in (train, test)]
        except CaptureError:  # a network of the user's own that has no gates has no codes
            continue
        found[role] = _measure_codes(*codes)
    return found


def _measure_codes(known: Codes, codes: Codes) -> CodeMeasures:
    labelled = known.labels is not None and codes.labels is not None
    return CodeMeasures(
        codes.code_bits,
        redundancy_ratio(codes),
        knn_accuracy(known, codes, k=min(NEAREST, len(known))) if labelled else None,
        retrieval_quality(codes, known, k=1).mean_average_precision if labelled else None,
    )


def _memorisation(network: nn.Module, known: Tensor, real: Tensor, made: Tensor) -> Memorisation:
    index = Index(encode(network, known))
    of_test, of_made = (_nearest_distances(index, encode(network, part)) for part in (real, made))
    return Memorisation(
        float(np.median(of_made)), float(np.median(of_test)), float((of_made < np.quantile(of_test, RARE)).mean())
    )


def _nearest_distances(index: Index, codes: Codes) -> npt.NDArray[np.float64]:
    return index.search(codes, k=1).distances[:, 0].astype(np.float64)
