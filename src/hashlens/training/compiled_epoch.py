"""One epoch of a multilayer perceptron as a compiled loop without the GIL, so that threads train in parallel.

A small network fits in the cache of one core, where a step costs little more than its two large matrix products.
Calling PyTorch for every operation of every step costs several times as much, and stacking many networks moves them all
through memory at each step. The formulas are those of ``torch.nn`` and ``torch.optim``; BLAS computes the products.

Importing this module imports numba; compiled code is cached beside the source, or in the user's cache folder.
"""

from typing import Any

import numpy as np

from hashlens.compiling import compiled

ADAM, SGD = 0, 1
CROSS_ENTROPY, SQUARED_ERROR = 0, 1
MOMENTUM = 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
NORM_MOMENTUM, NORM_EPSILON = 0.1, 1e-5

# Sums may be reordered, as in any BLAS; infinities and NaN are handled exactly.
FAST = {"contract", "reassoc", "nsz", "arcp"}


def _compiled(function: Any) -> Any:
    return compiled(function, fastmath=FAST)


@_compiled
def _gather(inputs: Any, scale: Any, rows: Any, batch: Any) -> None:
    for i in range(rows.size):
        row = inputs[rows[i]]
        for j in range(row.size):
            batch[i, j] = np.float32(row[j]) * scale


@_compiled
def _gather_as_is(inputs: Any, rows: Any, batch: Any) -> None:
    for i in range(rows.size):
        row = inputs[rows[i]]
        for j in range(row.size):
            batch[i, j] = row[j]


@_compiled
def _add_bias(z: Any, bias: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]


@_compiled
def _rectify(z: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] = max(z[i, j], z.dtype.type(0))


@_compiled
def _multiply(z: Any, factor: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] *= factor[i, j]


@_compiled
def _column_sums(z: Any, out: Any) -> None:
    out[:] = 0
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[j] += z[i, j]


@_compiled
def _normalize(z: Any, scaled: Any, gain: Any, shift: Any, running_mean: Any, running_var: Any, spread: Any) -> None:
    """Normalise the batch `z` in place; write normalised values to `scaled`, 1 / standard deviation to `spread`."""
    count, width = z.shape
    one = z.dtype.type(1)
    mean = np.empty(width, z.dtype)
    _column_sums(z, mean)
    for j in range(width):
        mean[j] /= count
    spread[:] = 0
    for i in range(count):
        for j in range(width):
            centred = z[i, j] - mean[j]
            scaled[i, j] = centred
            spread[j] += centred * centred
    momentum, epsilon = z.dtype.type(NORM_MOMENTUM), z.dtype.type(NORM_EPSILON)
    for j in range(width):
        variance = spread[j] / count
        running_mean[j] += momentum * (mean[j] - running_mean[j])
        running_var[j] += momentum * (spread[j] / (count - 1) - running_var[j])
        spread[j] = one / np.sqrt(variance + epsilon)
    for i in range(count):
        for j in range(width):
            scaled[i, j] *= spread[j]
            z[i, j] = gain[j] * scaled[i, j] + shift[j]


@_compiled
def _normalize_backward(d: Any, scaled: Any, gain: Any, spread: Any, gain_gradient: Any, shift_gradient: Any) -> None:
    count, width = d.shape
    _column_sums(d, shift_gradient)
    gain_gradient[:] = 0
    for i in range(count):
        for j in range(width):
            gain_gradient[j] += d[i, j] * scaled[i, j]
    share = d.dtype.type(1) / count
    for i in range(count):
        for j in range(width):
            d[i, j] = gain[j] * spread[j] * (
                d[i, j] - share * (shift_gradient[j] + scaled[i, j] * gain_gradient[j])
            )  # fmt: skip


@_compiled
def _cross_entropy(logits: Any, targets: Any) -> tuple[float, int]:
    """Return the sum of the losses and the number of correct examples; `logits` are replaced by their gradients."""
    count, classes = logits.shape
    loss, hits = 0.0, 0
    share = logits.dtype.type(1) / count
    for i in range(count):
        predicted = 0
        for j in range(1, classes):
            if logits[i, j] > logits[i, predicted]:
                predicted = j
        hits += predicted == targets[i]
        top, true_logit = logits[i, predicted], logits[i, targets[i]]
        rest = logits.dtype.type(0)
        for j in range(classes):
            logits[i, j] = np.exp(logits[i, j] - top)
            rest += logits[i, j] if j != predicted else 0
        loss += np.log1p(rest) + (top - true_logit)
        # As in cross_entropies, p - 1 is never computed by subtraction.
        others = logits.dtype.type(0)
        for j in range(classes):
            logits[i, j] = logits[i, j] / (1 + rest) * share
            others += logits[i, j] if j != targets[i] else 0
        logits[i, targets[i]] = -others
    return loss, hits


@_compiled
def _squared_error(outputs: Any, targets: Any) -> tuple[float, int]:
    """Return the sum of the mean squared errors and the number of correct examples; `outputs` become gradients."""
    count, classes = outputs.shape
    loss, hits = 0.0, 0
    one, share = outputs.dtype.type(1), outputs.dtype.type(2) / (count * classes)
    for i in range(count):
        best = 0
        for j in range(classes):
            if outputs[i, j] > outputs[i, best]:
                best = j
        hits += best == targets[i]
        for j in range(classes):
            # The target of class_targets.
            error = outputs[i, j] - ((one if j == targets[i] else 0) - one / classes)
            loss += error * error / classes
            outputs[i, j] = share * error
    return loss, hits


@_compiled
def _adam(theta: Any, first: Any, second: Any, gradient: Any, rate: float, decay: float, step: int) -> None:
    kind = theta.dtype.type
    beta1, beta2 = kind(1 - BETA1), kind(1 - BETA2)
    keep = kind(BETA2)
    size = kind(rate / (1 - BETA1**step))
    root = kind(1 / np.sqrt(1 - BETA2**step))
    epsilon, penalty = kind(EPSILON), kind(decay)
    for i in range(theta.size):
        g = gradient[i] + penalty * theta[i]
        m = first[i] + beta1 * (g - first[i])
        v = keep * second[i] + beta2 * g * g
        first[i] = m
        second[i] = v
        theta[i] -= size * m / (np.sqrt(v) * root + epsilon)


@_compiled
def _sgd(theta: Any, first: Any, gradient: Any, rate: float, decay: float, step: int) -> None:
    kind = theta.dtype.type
    momentum, speed, penalty = kind(MOMENTUM), kind(rate), kind(decay)
    for i in range(theta.size):
        g = gradient[i] + penalty * theta[i]
        first[i] = g if step == 1 else momentum * first[i] + g
        theta[i] -= speed * (g + momentum * first[i])


@_compiled
def train_epoch(
    inputs: Any,
    scale: Any,
    scaled_inputs: bool,
    labels: Any,
    order: Any,
    ends: Any,
    sizes: Any,
    batch_norm: bool,
    masks: Any,
    theta: Any,
    first: Any,
    second: Any,
    running: Any,
    loss_kind: int,
    optimizer: int,
    rate: float,
    decay: float,
    steps_before: int,
) -> tuple[float, float]:
    """Train for one epoch, and return the sum of the losses and the number of correct examples.

    Parameters
    ----------
    inputs : numpy.ndarray
        ``(n, features)``, uint8 or the network's dtype: the inputs.
    scale : numpy.float32
        Factor by which uint8 inputs are multiplied.
    scaled_inputs : bool
        Whether `scale` is applied; otherwise inputs are used unchanged.
    labels : numpy.ndarray
        int64 ``(n,)``: the labels.
    order : numpy.ndarray
        int64 ``(m,)``: rows in the order of training.
    ends : numpy.ndarray
        int64: index in `order` of the end of each batch.
    sizes : numpy.ndarray
        int64 ``(depth + 2,)``: numbers of features, of units of every hidden layer (all equal), and of classes.
    batch_norm : bool
        Whether hidden layers have batch normalisation before their ReLU.
    masks : numpy.ndarray
        ``(depth, m, width)``: factors of dropout in the order of the examples; ``(0, 0, 0)`` without dropout.
    theta, first, second : numpy.ndarray
        Flat parameters in the order of ``network.parameters()``, and their first and second moments; changed in place.
    running : numpy.ndarray
        ``(depth, 2, width)``: running means and variances of batch normalisation; changed in place.
    loss_kind : int
        ``CROSS_ENTROPY`` (nats), or ``SQUARED_ERROR`` to the targets of classes.
    optimizer : int
        ``ADAM`` or ``SGD`` (with Nesterov momentum).
    rate, decay : float
        Learning rate and weight decay (L2 penalty).
    steps_before : int
        Number of steps that the optimizer has taken before.
    """
    depth, width, classes = sizes.size - 2, sizes[1], sizes[-1]
    largest = ends[0]
    for k in range(1, ends.size):
        largest = max(largest, ends[k] - ends[k - 1])
    dtype = theta.dtype
    batch = np.empty((largest, sizes[0]), dtype)
    active = np.empty((depth, largest, width), dtype)
    scaled = np.empty((depth if batch_norm else 0, largest, width), dtype)
    spread = np.empty((depth, width), dtype)
    delta_buffer, other_delta_buffer = np.empty((largest, width), dtype), np.empty((largest, width), dtype)
    scores = np.empty((largest, classes), dtype)
    gradient = np.empty_like(theta)
    # Index of the first parameter of each hidden layer; the last entry is that of the head.
    starts = np.zeros(depth + 1, np.int64)
    for index in range(depth):
        starts[index + 1] = starts[index] + width * (sizes[index] + (3 if batch_norm else 1))
    head = starts[depth]
    loss, hits, begin = 0.0, 0, 0
    for k in range(ends.size):
        rows = order[begin : ends[k]]
        count = rows.size
        batch_inputs = batch[:count]
        if scaled_inputs:
            _gather(inputs, scale, rows, batch_inputs)
        else:
            _gather_as_is(inputs, rows, batch_inputs)
        hidden = batch_inputs
        for index in range(depth):
            weight_start, bias_start = starts[index], starts[index] + width * sizes[index]
            z = active[index, :count]
            np.dot(hidden, theta[weight_start:bias_start].reshape((width, sizes[index])).T, z)
            _add_bias(z, theta[bias_start : bias_start + width])
            if batch_norm:
                gain, shift = (
                    theta[bias_start + width : bias_start + 2 * width],
                    theta[bias_start + 2 * width : bias_start + 3 * width],
                )
                _normalize(z, scaled[index, :count], gain, shift, running[index, 0], running[index, 1], spread[index])
            _rectify(z)
            if masks.shape[0] > 0:
                _multiply(z, masks[index, begin : ends[k]])
            hidden = z
        weights = theta[head : head + classes * width].reshape((classes, width))
        logits = scores[:count]
        np.dot(hidden, weights.T, logits)
        _add_bias(logits, theta[head + classes * width :])
        if loss_kind == CROSS_ENTROPY:
            one_loss, one_hits = _cross_entropy(logits, labels[rows])
        else:
            one_loss, one_hits = _squared_error(logits, labels[rows])
        loss += one_loss
        hits += one_hits
        np.dot(logits.T, hidden, gradient[head : head + classes * width].reshape((classes, width)))
        _column_sums(logits, gradient[head + classes * width :])
        delta, spare_delta = delta_buffer[:count], other_delta_buffer[:count]
        np.dot(logits, weights, delta)
        for index in range(depth - 1, -1, -1):
            weight_start, bias_start = starts[index], starts[index] + width * sizes[index]
            if masks.shape[0] > 0:
                _multiply(delta, masks[index, begin : ends[k]])
            z = active[index, :count]
            for i in range(count):
                for j in range(width):
                    delta[i, j] = delta[i, j] if z[i, j] > 0 else 0
            if batch_norm:
                _normalize_backward(
                    delta, scaled[index, :count], theta[bias_start + width : bias_start + 2 * width], spread[index],
                    gradient[bias_start + width : bias_start + 2 * width],
                    gradient[bias_start + 2 * width : bias_start + 3 * width],
                )  # fmt: skip
            _column_sums(delta, gradient[bias_start : bias_start + width])
            source = gradient[weight_start:bias_start].reshape((width, sizes[index]))
            if index == 0:
                np.dot(delta.T, batch_inputs, source)
            else:
                np.dot(delta.T, active[index - 1, :count], source)
                np.dot(delta, theta[weight_start:bias_start].reshape((width, sizes[index])), spare_delta)
                delta, spare_delta = spare_delta, delta
        if optimizer == ADAM:
            _adam(theta, first, second, gradient, rate, decay, steps_before + k + 1)
        else:
            _sgd(theta, first, gradient, rate, decay, steps_before + k + 1)
        begin = ends[k]
    return loss, hits
