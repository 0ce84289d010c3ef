"""The study of encoders: the effect of an autoencoder loss on a BiGAN, and encoders that are trained afterwards.

The protocol is that of hashlens. All models of a repeat have the same images, the same classifier and seeds that depend
on the repeat alone, so they are compared in pairs. The GAN of a repeat is inverted twice, without and with the error of
images in the loss. The weight of the autoencoder loss applies to BiGANs only; other models are equal at all its levels.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import torch
from torch import nn

from hashlens.data.examples import ArrayExamples
from hashlens.data.numbering import with_one_numbering
from hashlens.data.sources import load_data, load_training_data
from hashlens.errors import StudyError
from hashlens.generative.bigan import BiGAN
from hashlens.generative.evaluate import evaluate
from hashlens.generative.evaluation import GenerativeEvaluation
from hashlens.generative.gan import GAN
from hashlens.generative.inverted_gan import InvertedGAN
from hashlens.generative.model import GenerativeModel
from hashlens.generative.vae import VAE
from hashlens.result import Split
from hashlens.seeds import torch_seed
from hashlens.study.cells import Run
from hashlens.study.experiment import Experiment, Outcome, Reporter, Resources
from hashlens.study.row import Row
from hashlens.study.spec import StudySpec
from hashlens.study.spec.fields import Count, Text, number_in_range
from hashlens.study.spec.section import Section
from hashlens.study.variables import Factor, MeasureInfo, Variables
from hashlens.training.recipe import find_recipe
from hashlens.training.train import train

SEEDS = 2**31 - 1
"""Seeds are below this number."""
BIGAN, INVERTED, INVERTED_IMAGES, VAE_NAME = "BiGAN", "inverted GAN", "inverted GAN, images", "VAE"
MODELS = (BIGAN, INVERTED, INVERTED_IMAGES, VAE_NAME)


class Images(Section):
    """Where the images are: what :func:`hashlens.load_data` takes as text."""

    train: Text
    test: Text


class EncodersSpec(StudySpec):
    """The fields of a study of encoders.

    Attributes
    ----------
    data : mapping, optional
        ``train`` and ``test``: what :func:`hashlens.load_data` takes as text; digits by default.
    images : int
        Number of training images of the generative models, the first ones; the classifier is trained on all.
    epochs : int
        Number of epochs of a BiGAN, a VAE, a GAN, and an encoder that inverts a GAN.
    classifier_epochs, classifier_width : int
        Epochs and width of the perceptron that is the classifier of the evaluation.
    latent, width : int
        Number of latent dimensions, and of units of the two hidden layers of each network.
    learning_rate : float
        Learning rate of all generative models.
    evaluated, paired : int
        Number of samples and images of each split that are compared, and number of those compared in all pairs.
    """

    data: Images | None = None
    images: Count = 10_000
    epochs: Count = 20
    classifier_epochs: Count = 10
    classifier_width: Count = 256
    latent: Count = 32
    width: Count = 512
    learning_rate: Annotated[float, number_in_range("more than 0", lambda value: value > 0)] = 2e-4
    evaluated: Count = 10_000
    paired: Count = 2_500


@dataclass(frozen=True, eq=False)
class EncoderResources(Resources):
    """Data and classifier that all runs share.

    Attributes
    ----------
    data : Split of ArrayExamples
        Whole in memory.
    """

    data: Split[ArrayExamples] = field(kw_only=True)

    @property
    def digests(self) -> dict[str, str]:
        """Digests of train and test."""
        return {"train": self.data.train.digest(), "test": self.data.test.digest()}

    @cached_property
    def classifier(self) -> nn.Module:
        """The perceptron that is trained on all training images, for all runs."""
        spec = self.spec
        seed = torch_seed(spec.seed, "classifier") % SEEDS
        return train(
            "mlp", self.data.train, recipe=find_recipe("figures"), epochs=spec.classifier_epochs, seed=seed,
            width=spec.classifier_width, device=self.device,
        ).network  # fmt: skip


class Encoders(Experiment):
    """Experiment: train generative models with encoders, and evaluate them in the same way."""

    variables = Variables(
        "encoders",
        (
            Factor("model", default=BIGAN, allowed=MODELS, fixed_at="first"),
            Factor("ae_weight", "weight of the autoencoder's loss", type="float", default=0.0, fixed_at="first"),
        ),
        None,
        {
            "reconstruction_error": MeasureInfo("reconstruction error (MSE)", "MSE", low=0.0, better="lower"),
            "log_reconstruction_error": MeasureInfo("natural logarithm of the MSE", "log MSE", better="lower"),
            "share_of_random_pairs": MeasureInfo("MSE, share of that of random pairs", "of random", low=0.0,
                                                 better="lower"),
            "label_consistency": MeasureInfo(low=0.0, high=1.0, better="higher", group="accuracy"),
            "code_knn": MeasureInfo("1-NN on E(x)", low=0.0, high=1.0, better="higher", group="accuracy"),
            "code_logistic": MeasureInfo("logistic regression on E(x)", low=0.0, high=1.0, better="higher",
                                         group="accuracy"),
            "fid": MeasureInfo("class-FID of samples", "FID", low=0.0, better="lower", group="FID"),
            "fid_reconstructions": MeasureInfo("class-FID of reconstructions", low=0.0, better="lower", group="FID"),
            "fid_real": MeasureInfo("class-FID of training images", "FID real", low=0.0, group="FID"),
            "kid": MeasureInfo("KID of samples", "KID", better="lower"),
            "least_class": MeasureInfo("share of the rarest class among samples", low=0.0, high=1.0, better="higher"),
            "precision": MeasureInfo(low=0.0, high=1.0, better="higher", group="overlap"),
            "recall": MeasureInfo(low=0.0, high=1.0, better="higher", group="overlap"),
            "density": MeasureInfo(low=0.0, better="higher", group="overlap"),
            "coverage": MeasureInfo(low=0.0, high=1.0, better="higher", group="overlap"),
            "diversity": MeasureInfo("variance of samples, share of the images' own", low=0.0),
            "copies": MeasureInfo("samples nearer to training images than 99 % of test images", low=0.0, high=1.0),
            "classifier_accuracy": MeasureInfo(low=0.0, high=1.0, better="higher"),
        },
        responses=("reconstruction_error", "label_consistency", "fid"),
    )  # fmt: skip
    Spec = EncodersSpec

    def open(self, spec: Any, device: Any = None, **inputs: Any) -> Resources:
        """Load the images; ``train`` and ``test`` take the place of those of the spec."""
        unknown = set(inputs) - {"train", "test"}
        if unknown:
            raise StudyError(f"experiment encoders takes no {min(unknown)}=: give train= and test=")
        own = {"train": "digits#train", "test": "digits#test"} if spec.data is None else spec.data.model_dump()
        sources = {**own, **{name: source for name, source in inputs.items() if source is not None}}
        known, other = load_training_data(sources["train"]).load(), load_data(sources["test"]).load()
        if known.labels is None or other.labels is None:
            raise StudyError("the study of encoders needs images with labels, of which its classifier learns")
        known, other = with_one_numbering(known, other)
        return EncoderResources(spec, device, data=Split(known, other))

    def packs(self, repeated: Sequence[tuple[Any, int]], resources: Resources) -> Iterable[Sequence[tuple[Any, int]]]:
        """Return runs that share a training: a BiGAN alone; the inverted GANs, and the VAEs, of a repeat together."""
        packs: dict[Any, list[tuple[Any, int]]] = {}
        for cell, repeat in repeated:
            name = cell["model"]
            family: Any = cell.key if name == BIGAN else name.partition(",")[0]
            packs.setdefault((family, repeat), []).append((cell, repeat))
        return list(packs.values())

    def run(self, pack: Sequence[Run], resources: Any, reporter: Reporter) -> Iterator[Outcome]:
        """Train and evaluate; a model whose samples have collapsed counts as failed."""
        done: dict[Any, GenerativeEvaluation] = {}
        gans: dict[int, GenerativeModel] = {}
        for run in pack:
            cell, spec = run.cell, resources.spec
            seed = torch_seed(spec.seed, "encoders", run.repeat) % SEEDS
            key = (cell["model"], cell["ae_weight"] if cell["model"] == BIGAN else 0.0, run.repeat)
            if key not in done:
                if cell["model"].startswith(INVERTED) and run.repeat not in gans:
                    gans[run.repeat] = self._fit(GAN(**_settings(spec, seed)), resources)
                done[key] = self._fit_and_evaluate(
                    _build_model(cell, spec, seed, gans.get(run.repeat)), resources, seed
                )
            reporter.advance(run)
            yield _to_outcome(run, done[key], spec.measures)

    def _fit(self, model: GenerativeModel, resources: Any) -> GenerativeModel:
        spec = resources.spec
        return model.fit(resources.data.train.narrow(0, spec.images), epochs=spec.epochs, device=resources.device)

    def _fit_and_evaluate(self, model: GenerativeModel, resources: Any, seed: int) -> GenerativeEvaluation:
        self._fit(model, resources)
        data, spec = resources.data, resources.spec
        known = data.train.narrow(0, spec.images)
        return evaluate(
            model, known, data.test, classifier=resources.classifier, n=spec.evaluated, paired=spec.paired, seed=seed
        )


def _settings(spec: Any, seed: int) -> dict[str, Any]:
    return {"latent": spec.latent, "width": spec.width, "learning_rate": spec.learning_rate, "seed": seed}


def _build_model(cell: Any, spec: Any, seed: int, gan: GenerativeModel | None) -> GenerativeModel:
    """Return the model of a cell, untrained."""
    if cell["model"] == BIGAN:
        return BiGAN(ae_weight=cell["ae_weight"], **_settings(spec, seed))
    if gan is not None and cell["model"].startswith(INVERTED):
        return InvertedGAN(gan, image_weight=float(cell["model"] == INVERTED_IMAGES),
                           learning_rate=spec.learning_rate, seed=seed)  # fmt: skip
    return VAE(**_settings(spec, seed))


def _to_outcome(run: Run, found: GenerativeEvaluation, measures: Sequence[str]) -> Outcome:
    if found.collapsed:
        return Outcome(
            run,
            failure=f"samples have collapsed: diversity {found.diversity:.2f}, {found.covered} of "
            f"{len(found.class_shares)} classes covered",
        )
    values = measure_values(found)
    return Outcome(run, [Row(measure=name, split="test", value=values[name]) for name in measures])


def measure_values(found: GenerativeEvaluation) -> dict[str, float]:
    """Return the measures of an evaluation of a model with an encoder, of images with labels."""
    values = {
        "reconstruction_error": found.reconstruction_error,
        "label_consistency": found.label_consistency,
        "code_knn": found.code_knn,
        "code_logistic": found.code_logistic,
        "fid": found.fid,
        "fid_reconstructions": found.fid_reconstructions,
        "fid_real": found.fid_real,
        "kid": found.kid,
        "least_class": min(found.class_shares.values()),
        "precision": found.manifolds.precision,
        "recall": found.manifolds.recall,
        "density": found.manifolds.density,
        "coverage": found.manifolds.coverage,
        "diversity": found.diversity,
        "copies": found.memorisation.share,
        "classifier_accuracy": found.classifier_accuracy,
    }
    known = {name: value for name, value in values.items() if value is not None}
    error = known["reconstruction_error"]
    return {
        **known,
        "log_reconstruction_error": math.log(max(error, torch.finfo(torch.float32).tiny)),
        "share_of_random_pairs": error / found.random_pair_error,
    }


EXPERIMENT = Encoders()
