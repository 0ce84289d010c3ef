"""The cost of reading codes: a pass that captures, packs and fingerprints codes, against a plain forward pass.

    python benchmarks/bench_capture.py                # VGG-16 and ResNet-18, 224x224, batch 16, 21 pairs
    python benchmarks/bench_capture.py --pairs 5      # a quick look

Networks have ReLU (one bit per unit) or ReLU6 (two bits). MobileNetV2 is included if torchvision is installed.

Plain and captured passes alternate, so that changes of the machine's speed affect both. The ratio is the median over
pairs. With one thread, the processor time of the process is measured. The set-up of a capture (hooks, digest of the
parameters), needed once per call, is printed separately. Enough batches are read before to compile the comparison.
"""

import argparse
import copy
import importlib.util
import statistics
import time

import torch

from hashlens import nets
from hashlens.codes.comparison import COMPILE_AFTER
from hashlens.codes.encode import HashRows
from hashlens.codes.reader import Reader
from hashlens.codes.reading import Reading

VGG16, RESNET18 = {"batch_norm": False}, {"stem": "imagenet"}
NETWORKS = {
    "vgg16": ("vgg16", VGG16, 1.05),
    "vgg16 relu6": ("vgg16", VGG16, 1.10),
    "resnet18": ("resnet18", RESNET18, 1.10),
    "resnet18 relu6": ("resnet18", RESNET18, 1.10),
    "mobilenet_v2": ("mobilenet_v2", {}, 1.10),
}


def seconds(work):
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    started = clock()
    work()
    return clock() - started


def build(name):
    kind, arguments, _ = NETWORKS[name]
    if kind == "mobilenet_v2":
        from torchvision.models import mobilenet_v2

        return mobilenet_v2().eval()
    network = nets.build(kind, input_shape=(3, 224, 224), classes=1000, seed=0, **arguments).eval()
    if name.endswith("relu6"):
        for path, module in list(network.named_modules()):
            if isinstance(module, torch.nn.ReLU):
                network.set_submodule(path, torch.nn.ReLU6(inplace=module.inplace))
    return network


def compare(name, pairs, batch):
    network = build(name)
    images = torch.rand(batch, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    untouched = copy.deepcopy(network)  # no hooks: what a user would run
    prints = HashRows(padded=False)

    def plain():
        with torch.no_grad():
            untouched(images)

    def captured():
        prints.append(reader.capture.run(lambda net, x: net(x), images, batch))

    started = time.perf_counter()
    with Reader(network, images, Reading(batch_size=batch)) as reader:
        setup = time.perf_counter() - started
        plain(), captured()
        bits = sum(layer.bits for layer in reader.capture.layers)
        for _ in range(-(-2 * COMPILE_AFTER // (batch * bits))):
            captured()
        times = [(seconds(plain), seconds(captured)) for _ in range(pairs)]
    ratios = sorted(b / a for a, b in times)
    return statistics.median(a for a, _ in times), statistics.median(ratios), ratios, bits, setup


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--network", choices=NETWORKS, action="append")
    options = parser.parse_args()
    print(f"{options.pairs} interleaved pairs, batch {options.batch}, threads: {torch.get_num_threads()}, float32")
    print(f"{'network':14} {'bits':>12} {'plain s':>8} {'ratio':>7} {'quartiles':>14} {'bar':>5} {'set-up s':>9}")
    for name in options.network or NETWORKS:
        if name == "mobilenet_v2" and importlib.util.find_spec("torchvision") is None:
            print(f"{name:14} needs torchvision, which is not installed")
            continue
        plain, ratio, ratios, bits, setup = compare(name, options.pairs, options.batch)
        low, _, high = statistics.quantiles(ratios, n=4)
        figures = f"{plain:8.3f} {ratio:7.3f} {low:6.3f}-{high:6.3f} {NETWORKS[name][-1]:6.2f} {setup:9.3f}"
        print(f"{name:14} {bits:12,} {figures}", flush=True)


if __name__ == "__main__":
    main()
