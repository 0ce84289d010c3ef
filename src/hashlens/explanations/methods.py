"""The table of methods of explanation: their names, kinds of input and implementations."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from hashlens.arguments import excerpt
from hashlens.errors import ExplainError, nearest
from hashlens.tables import Table, table

if TYPE_CHECKING:
    from hashlens.explanations.explanation import Explanation
    from hashlens.explanations.request import Request


@dataclass(frozen=True)
class Method:
    """A method of explanation.

    Attributes
    ----------
    name : str
        Name in ``explain(method=...)``.
    group : str
        Group: ``gradient``, ``cam``, ``perturbation``, ``global`` or ``code``.
    kinds : tuple of str
        Kinds of input that it explains.
    meaning : str
        Meaning of its values, in a line.
    source : str
        Source of the formula.
    implementation : str
        Implementation, as ``module:function`` in this package; imported at the first use.
    needs_module : bool
        Whether it needs a torch module and cannot explain a plain function.
    aliases : tuple of str
        Other names, such as those in XDeep.
    """

    name: str
    group: str
    kinds: tuple[str, ...]
    meaning: str
    source: str
    implementation: str
    needs_module: bool = True
    aliases: tuple[str, ...] = ()

    def run(self, request: "Request", **options: object) -> "Explanation":
        """Run the method on a request."""
        module, name = self.implementation.split(":")
        function: Callable[..., Explanation] = getattr(import_module(f"hashlens.explanations.{module}"), name)
        return function(request, **options)


POSITIONAL = ("image", "signal", "spectrogram")
"""Kinds of input whose values lie at positions in space or time."""
NUMERIC = (*POSITIONAL, "table")
ALL = (*NUMERIC, "text")
METHODS = (
    Method("gradient", "gradient", NUMERIC, "gradient of the score with respect to the input", "Simonyan et al. (2014)",
           "gradients:gradient", aliases=("vanilla_backprop", "saliency", "vanilla")),
    Method("guided_backprop", "gradient", NUMERIC, "gradient, with negative signals dropped at each gate",
           "Springenberg et al. (2015)", "guided:guided_backprop", aliases=("guided",)),
    Method("integrated_gradients", "gradient", NUMERIC,
           "share of each feature in the change of the score from a baseline", "Sundararajan et al. (2017)",
           "gradients:integrated_gradients", aliases=("integrate_grad", "ig")),
    Method("guided_integrated_gradients", "gradient", NUMERIC, "integrated gradients, guided at each gate",
           "XDeep (2019)", "guided:guided_integrated_gradients", aliases=("integrate_guided_grad",)),
    Method("smooth_grad", "gradient", NUMERIC, "mean gradient over noisy copies", "Smilkov et al. (2017)",
           "gradients:smooth_grad", aliases=("smoothgrad",)),
    Method("smooth_guided_grad", "gradient", NUMERIC, "mean guided gradient over noisy copies", "XDeep (2019)",
           "guided:smooth_guided_grad", aliases=("smooth_guided_backprop",)),
    Method("grad_cam", "cam", POSITIONAL, "where the channels of a layer are evidence for the class",
           "Selvaraju et al. (2017)", "cam:grad_cam", aliases=("gradcam",)),
    Method("grad_cam_plus_plus", "cam", POSITIONAL, "the same, each position weighted by its own gradient",
           "Chattopadhay et al. (2018)", "cam:grad_cam_plus_plus", aliases=("gradcampp", "gradcam++", "grad_cam++")),
    Method("score_cam", "cam", POSITIONAL, "the same, each channel weighted by the score of the input masked by it",
           "Wang et al. (2020)", "cam:score_cam", aliases=("scorecam",)),
    Method("lime", "perturbation", ALL, "weights of a linear model fitted near the input", "Ribeiro et al. (2016)",
           "lime:lime", needs_module=False),
    Method("cle", "perturbation", ALL, "the same, with interaction terms", "XDeep (2019)", "lime:cle",
           needs_module=False),
    Method("kernel_shap", "perturbation", ALL, "Shapley values: shares that add up to the prediction",
           "Lundberg, Lee (2017)", "shap:kernel_shap", needs_module=False, aliases=("shap", "kernelshap")),
    Method("anchor", "perturbation", ALL, "a rule under which the prediction almost never changes",
           "Ribeiro et al. (2018)", "anchors:anchor", needs_module=False, aliases=("anchors",)),
    Method("activation_maximization", "global", ("image",), "an image that maximises a unit, channel, layer or class",
           "Erhan et al. (2009)", "maximize:activation_maximization",
           aliases=("maximize", "activation_maximisation", "filter", "layer", "logit")),
    Method("deep_dream", "global", ("image",), "an image in which features of a layer are amplified",
           "Mordvintsev et al. (2015)", "dream:deep_dream", aliases=("deepdream",)),
    Method("inversion", "global", ("image",), "an image with the same activations of a layer",
           "Mahendran, Vedaldi (2015)", "inversion:inversion", aliases=("inverted_representation", "inverted")),
    Method("code_inversion", "global", NUMERIC, "an input with the requested neural code", "hashlens",
           "code_inversion:code_inversion"),
    Method("region", "code", NUMERIC, "the affine map of the network at the input, and the radius in which it is valid",
           "hashlens", "region:region"),
    Method("contrast", "code", NUMERIC, "the smallest change towards the nearest example of another class",
           "hashlens", "contrast:contrast"),
)  # fmt: skip
NAMES = {name: method for method in METHODS for name in (method.name, *method.aliases)}


def find_method(name: object) -> Method:
    """Return a method by its name or an alias; raise ExplainError with a similar name if there is none."""
    if not isinstance(name, str) or name not in NAMES:
        raise ExplainError(f"no method {excerpt(name)}: {nearest(name, [method.name for method in METHODS])}")
    return NAMES[name]


def explain_methods() -> Table:
    """Return the table of methods: names, aliases, kinds of input, meaning of the values, sources."""
    rows = [
        (method.name, method.group, ", ".join(method.kinds), method.meaning, method.source, ", ".join(method.aliases))
        for method in METHODS
    ]
    columns = ("method", "group", "kinds", "values", "source", "other names")
    return table("Methods of explanation", columns, rows, "hl.explain(model, x, method=...)", names=6)
