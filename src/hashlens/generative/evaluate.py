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
from hashlens.generative.classified import Classifier, Seen
from hashlens.generative.distances import frechet_distance, kernel_distance, manifolds
from hashlens.generative.evaluation import CodesFound, GenerativeEvaluation, Memorisation
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
RARE = 0.01
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
        The same number for measures that compare all pairs, whose time grows with its square: KID, precision, recall,
        density, coverage, neural codes, and bits to the nearest training image.
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
    judge = Classifier.of(classifier, model.image_shape)
    known, other = load_training_data(train).load(), load_data(test).load()
    n = min(n, len(known), len(other))
    paired = min(n, paired)
    if paired <= k:
        raise DataError(f"evaluation with k={k} needs more than {k} images of each split, received {paired}")
    train, test = (_drawn(part, n, paired, seed) for part in (known, other))
    with bar("evaluating", PARTS) as advance:
        return _evaluated(model, train, test, judge, paired, k, seed, advance, shown=other.narrow(0, n))


def _drawn(images: ArrayExamples, n: int, paired: int, seed: int) -> ArrayExamples:
    """Return `n` random images, because the first ones may differ from the others, as in MNIST's test set.

    Their order is that of the data set if all pairs of them are compared.
    """
    if len(images) == paired:
        return images
    return images.select(numpy_generator(seed, "evaluated").permutation(len(images))[:n])


def _evaluated(
    model: GenerativeModel,
    train: ArrayExamples,
    test: ArrayExamples,
    judge: Classifier,
    paired: int,
    k: int,
    seed: int,
    advance: Callable[[str], None],
    *,
    shown: ArrayExamples,
) -> GenerativeEvaluation:
    n, shape, few = len(test), model.image_shape, slice(0, paired)
    real, known = (torch.cat(list(image_batches(part, shape))) for part in (test, train))
    made = model.sample(n, seed=seed)
    seen, seen_known, seen_made = (judge.seen(torch.split(part, BATCH)) for part in (real, known, made))
    advance("features")
    again = seen_again = codes = None
    if "encoder" in model.roles:
        codes = model.encode(known), model.encode(real)
        again = model.decode(codes[1])
        seen_again = judge.seen(torch.split(again, BATCH))
    advance("reconstructions")
    shares = _class_shares(judge, seen_made, test)
    spread = diversity(made, real)
    of_codes = _codes_by_network(model, train.narrow(0, paired), test.narrow(0, paired))
    advance("neural codes")
    memorised = _memorised(judge.network, known[few], real[few], made[few])
    advance("nearest training images")
    common = sum(share >= RARE for share in shares.values())
    found = GenerativeEvaluation(
        model=model.kind,
        n=n,
        classifier_accuracy=None if test.labels is None else float((seen.classes.numpy() == test.labels).mean()),
        reconstruction_error=None if again is None else float((again - real).square().mean()),
        random_pair_error=2 * float(real.var(dim=0).mean()),
        label_consistency=None if seen_again is None else float((seen_again.classes == seen.classes).double().mean()),
        fid=frechet_distance(seen.features, seen_made.features),
        fid_real=frechet_distance(seen.features, seen_known.features),
        fid_reconstructions=None if seen_again is None else frechet_distance(seen.features, seen_again.features),
        kid=kernel_distance(seen.features[few], seen_made.features[few]),
        kid_real=kernel_distance(seen.features[few], seen_known.features[few]),
        class_shares=shares,
        manifolds=manifolds(seen.features[few], seen_made.features[few], k=k),
        diversity=spread,
        **_code_accuracies(codes, train.labels, test.labels),
        codes=of_codes,
        memorisation=memorised,
        collapsed=spread < COLLAPSED or common <= len(shares) / 2,
        pictures=pictures(model, shown, seed=seed),
        paired=paired,
    )
    advance("pictures")
    return found


def _class_shares(judge: Classifier, made: Seen, test: ArrayExamples) -> dict[str, float]:
    count = judge.last.out_features
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


class Judging(nn.Module):
    """A discriminator of images and codes as a network of images; the encoder computes the codes."""

    def __init__(self, discriminator: nn.Module, encoder: nn.Module) -> None:
        super().__init__()
        self.discriminator, self.encoder = discriminator, encoder

    def forward(self, images: Tensor) -> Tensor:
        """Return scores ``(n, 1)``."""
        scores: Tensor = self.discriminator(images, self.encoder(images))
        return scores


def _codes_by_network(model: GenerativeModel, train: ArrayExamples, test: ArrayExamples) -> dict[str, CodesFound]:
    """Return measures of the neural codes of encoder and discriminator, each run as a network of images."""
    roles = [role for role in ("encoder", "discriminator") if role in model.roles]
    networks: dict[str, nn.Module] = {str(role): model.networks[role] for role in roles}
    if "discriminator" in networks and model.parts["discriminator"]:
        networks["discriminator"] = Judging(networks["discriminator"], networks["encoder"])
    found: dict[str, CodesFound] = {}
    for role, network in networks.items():
        layers = ["discriminator.*"] if isinstance(network, Judging) else None
        try:
            codes = [encode(network, part, layers=layers) for part in (train, test)]
        except CaptureError:  # a network of the user's own that has no gates has no codes
            continue
        found[role] = _codes_found(*codes)
    return found


def _codes_found(known: Codes, codes: Codes) -> CodesFound:
    labelled = known.labels is not None and codes.labels is not None
    return CodesFound(
        codes.code_bits,
        redundancy_ratio(codes),
        knn_accuracy(known, codes, k=min(NEAREST, len(known))) if labelled else None,
        retrieval_quality(codes, known, k=1).mean_average_precision if labelled else None,
    )


def _memorised(network: nn.Module, known: Tensor, real: Tensor, made: Tensor) -> Memorisation:
    index = Index(encode(network, known))
    of_test, of_made = (_nearest(index, encode(network, part)) for part in (real, made))
    return Memorisation(
        float(np.median(of_made)), float(np.median(of_test)), float((of_made < np.quantile(of_test, RARE)).mean())
    )


def _nearest(index: Index, codes: Codes) -> npt.NDArray[np.float64]:
    return index.search(codes, k=1).distances[:, 0].astype(np.float64)
