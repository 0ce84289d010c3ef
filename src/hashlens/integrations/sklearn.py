"""scikit-learn: a network as a transformer from examples to the bits of their neural codes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hashlens.arguments import excerpt
from hashlens.codes.codes import Codes, require_same_code
from hashlens.codes.encode import encode
from hashlens.codes.reading import Forward, Gates, Granularity
from hashlens.errors import CodesError
from hashlens.nets.copying import Copying
from hashlens.nets.load import load_model

LAYOUT_ROWS = 3
"""Number of rows used by a fit: enough to find the batch axis of each gate."""


class NeuralCoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Transformer from examples to the neural code of a trained network: one column for each bit.

    The network is not trained. A fit runs it on three rows, to find the layout of its code; later steps of a pipeline
    are fitted on the bits. A sample of bits (``bits=``) depends only on the seed and the layout.

    Parameters
    ----------
    model : torch.nn.Module or str
        A trained network, or a name that :func:`hashlens.load_model` takes. ``clone`` copies a network but not a
        string: pass a string if a pipeline is cloned many times.
    layers, granularity, bits, seed, forward, device, batch_size, gates
        As in :class:`hashlens.Reading`.
    packed : bool
        Whether a row is packed bytes for FAISS: uint8, eight bits per byte, little bit order, every layer padded with
        zeros to whole 8-byte words. By default a row is uint8 0 and 1, a column for each bit.
    input_shape : tuple of int, optional
        Shape of one example for the network; rows of X are reshaped to it. It is needed if earlier steps of a pipeline
        return matrices and the network takes images. By default rows keep their shape.
    dtype : str or dtype
        Dtype that X is converted to: ``float32``, or ``int64`` for token numbers. X is not scaled.

    Attributes
    ----------
    layers_ : tuple of hashlens.codes.Layer
        Layers of the code, with names and spans.
    n_bits_ : int
        Number of bits of a code.
    n_features_in_ : int
        Number of columns of X.
    input_shape_ : tuple of int
        Shape of one example for the network.

    Examples
    --------
    >>> import hashlens as hl
    >>> from sklearn.naive_bayes import BernoulliNB
    >>> from sklearn.pipeline import make_pipeline
    >>> examples = hl.load_data("digits#train").load()
    >>> network = hl.train("mlp", examples, epochs=2, width=30).network
    >>> pipeline = make_pipeline(NeuralCoder(network), BernoulliNB())
    >>> pipeline.fit(examples.tensor().numpy(), examples.labels)[0].n_bits_
    30
    """

    # There is no reading=, since get_params, clone and parameter searches need separate arguments.
    def __init__(
        self,
        model: torch.nn.Module | str | Path,
        layers: Sequence[str] | str | None = None,
        bits: int | None = None,
        *,
        granularity: Granularity = "unit",
        seed: int = 0,
        forward: Forward | None = None,
        device: str | torch.device | None = None,
        batch_size: int = 64,
        gates: Gates = "activations",
        packed: bool = False,
        input_shape: tuple[int, ...] | None = None,
        dtype: npt.DTypeLike = "float32",
    ) -> None:
        self.model = model
        self.layers = layers
        self.bits = bits
        self.granularity = granularity
        self.seed = seed
        self.forward = forward
        self.device = device
        self.batch_size = batch_size
        self.gates = gates
        self.packed = packed
        self.input_shape = input_shape
        self.dtype = dtype

    def fit(self, X: npt.ArrayLike, y: Any = None) -> Self:
        """Find the layout of the code from the first rows.

        Parameters
        ----------
        X : array
            ``(n, d)``, or ``(n, ...)`` in the shape of the network's inputs.
        y : ignored

        Raises
        ------
        ValueError
            If X is not a numeric array, or holds NaN or infinity.
        HashlensError
            If :func:`hashlens.encode` or :func:`hashlens.load_model` raises it.
        """
        if not isinstance(self.packed, (bool, np.bool_)):
            raise CodesError(f"packed must be True or False, received {excerpt(self.packed)}")
        rows = self._rows(X, reset=True)
        # The network is loaded once here, not in each transform; a module is used unchanged.
        self.network_ = load_model(self.model)
        codes = self._encode(rows[:LAYOUT_ROWS])
        self.input_shape_ = rows.shape[1:]
        self.layers_ = codes.layers
        self.n_bits_ = codes.code_bits
        self._layout = codes[:0]
        return self

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Return the codes of the rows of X, uint8 ``(n, n_bits_)``, or the packed bytes ``(n, row_bytes)``.

        Parameters
        ----------
        X : array
            Rows as in :meth:`fit`.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        ValueError
            If X does not fit.
        CodesError
            If the weights of the network, or the arguments, have changed since the fit.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        if rows.shape[1:] != self.input_shape_:
            raise ValueError(f"rows of X have shape {rows.shape[1:]}, but fit received {self.input_shape_}")
        codes = self._encode(rows)
        require_same_code(self._layout, codes)
        return codes.packed if self.packed else codes.unpack().view(np.uint8)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns: ``layer[unit]``, or ``layer.byte0`` and so on where they are packed.

        Units are numbered as in the flattened activation; for a gate with two bits per unit, bits are numbered.
        """
        check_is_fitted(self)
        if self.packed:
            names = [
                f"{layer.name}.byte{i}"
                for layer in self.layers_
                for i in range(layer.byte_slice.stop - layer.byte_slice.start)
            ]
        else:
            names = [
                f"{layer.name}[{unit}]"
                for layer in self.layers_
                for unit in (range(layer.bits) if layer.positions is None else layer.positions.tolist())
            ]
        return np.asarray(names, dtype=object)

    @property
    def _n_features_out(self) -> int:
        return len(self.get_feature_names_out())

    def _rows(self, X: npt.ArrayLike, reset: bool) -> npt.NDArray[Any]:
        """Return the rows of X, checked, in the shape of the network's inputs; `reset` as in ``validate_data``."""
        rows: npt.NDArray[Any] = validate_data(self, X, reset=reset, dtype=self.dtype, allow_nd=True)
        if self.input_shape is None:
            return rows
        try:
            return rows.reshape(len(rows), *self.input_shape)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"rows of X have shape {rows.shape[1:]}, which cannot be reshaped to input_shape={self.input_shape!r}"
            ) from error

    def _encode(self, rows: npt.NDArray[Any]) -> Codes:
        return encode(
            self.network_,
            rows,
            layers=self.layers,
            granularity=self.granularity,
            bits=self.bits,
            seed=self.seed,
            forward=self.forward,
            device=self.device,
            batch_size=self.batch_size,
            gates=self.gates,
        )

    def __sklearn_clone__(self) -> Self:
        with Copying():
            fresh: Self = super().__sklearn_clone__()
            return fresh

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []  # codes are bits, for inputs of any dtype
        return tags
