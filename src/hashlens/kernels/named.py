"""Names of networks on the command line."""

from difflib import get_close_matches

from hashlens.errors import KernelError, nearest
from hashlens.kernels.activations import GELU, Abs, Erf, LeakyReLU, ReLU, Sin
from hashlens.kernels.layer import Layer
from hashlens.kernels.layers import Conv, Dense, Flatten, GlobalAvgPool
from hashlens.kernels.network import InfiniteNetwork, serial

ACTIVATIONS: dict[str, Layer] = {
    "abs": Abs(), "erf": Erf(), "gelu": GELU(), "leaky": LeakyReLU(), "relu": ReLU(), "sin": Sin(),
}  # fmt: skip
KINDS = ("fc", "vec", "gap")
FORMS = "fc:DEPTH, vec:DEPTH or gap:DEPTH, with an activation behind a second colon (fc:3:erf)"


def is_network_name(name: str) -> bool:
    """Return whether a name has the form of these names, even if it is misspelt: a word, a colon and a depth.

    >>> is_network_name("fcc:3"), is_network_name("package.module:factory")
    (True, False)
    """
    kind, _, rest = name.partition(":")
    return kind in KINDS or rest.partition(":")[0].isdecimal()


def parse_network(name: str, weight_variance: float = 2.0, bias_variance: float = 0.01) -> InfiniteNetwork:
    """Return the network of a name: fully connected, or with 3x3 convolutions and one of two heads.

    Parameters
    ----------
    name : str
        ``fc:3``, ``vec:3`` or ``gap:3``: so many hidden layers; ``fc:3:erf`` has another activation than ReLU.
    weight_variance, bias_variance : float
        Variances of weights and biases in all layers.

    Raises
    ------
    KernelError
        If there is no network of this name.

    Examples
    --------
    >>> [type(layer).__name__ for layer in parse_network("fc:1").layers]
    ['Flatten', 'Dense', 'ReLU', 'Dense']
    """
    kind, *rest = name.split(":")
    if kind not in KINDS and (close := get_close_matches(kind, KINDS, n=1, cutoff=0.5)):
        raise KernelError(f"unknown network {name!r}; did you mean {':'.join([close[0], *rest])!r}?")
    depth = rest[0] if rest else ""
    activation = rest[1] if len(rest) > 1 else "relu"
    if kind not in KINDS or len(rest) not in (1, 2) or not depth.isdecimal():
        raise KernelError(f"unknown network {name!r}: write {FORMS}, or the name of a model")
    if activation not in ACTIVATIONS:
        raise KernelError(f"unknown activation {activation!r}; {nearest(activation, ACTIVATIONS)}")
    dense = Dense(None, weight_variance, bias_variance)
    if kind == "fc":
        return serial(Flatten(), *(dense, ACTIVATIONS[activation]) * int(depth), dense)
    conv = Conv(None, 3, weight_variance=weight_variance, bias_variance=bias_variance)
    head = Flatten() if kind == "vec" else GlobalAvgPool()
    return serial(*(conv, ACTIVATIONS[activation]) * int(depth), head, dense)
