"""What reading codes costs: capture + pack + fingerprint of a batch against a plain forward pass of it.

    python benchmarks/bench_capture.py                # VGG-16 and ResNet-18, 224x224, batch 16, 21 pairs
    python benchmarks/bench_capture.py --pairs 5      # a quick look

Plain and captured passes alternate, so that a drift of the machine's speed touches both; the ratio is the median over
pairs. The set-up of a capture (hooks, digest of the parameters), paid once a call, is printed apart.
"""

import argparse
import copy
import statistics
import time

import torch

from hashlens import nets
from hashlens.codes.encode import HashRows
from hashlens.codes.reader import Reader, Reading

NETWORKS = {
    "vgg16": ({"batch_norm": False}, 1.05),
    "resnet18": ({"stem": "imagenet"}, 1.10),
}


def seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(name, arguments, pairs, batch):
    network = nets.build(name, input_shape=(3, 224, 224), classes=1000, seed=0, **arguments).eval()
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
        times = [(seconds(plain), seconds(captured)) for _ in range(pairs)]
    ratios = sorted(b / a for a, b in times)
    bits = sum(layer.bits for layer in reader.capture.layers)
    return statistics.median(a for a, _ in times), statistics.median(ratios), ratios, bits, setup


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=21)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--network", choices=NETWORKS, action="append")
    options = parser.parse_args()
    print(f"{options.pairs} interleaved pairs, batch {options.batch}, {torch.get_num_threads()} threads, float32")
    print(f"{'network':10} {'bits':>12} {'plain s':>8} {'ratio':>7} {'quartiles':>14} {'bar':>5} {'set-up s':>9}")
    for name in options.network or NETWORKS:
        arguments, bar = NETWORKS[name]
        plain, ratio, ratios, bits, setup = compare(name, arguments, options.pairs, options.batch)
        low, _, high = statistics.quantiles(ratios, n=4)
        print(f"{name:10} {bits:12,} {plain:8.3f} {ratio:7.3f} {low:6.3f}-{high:6.3f} {bar:6.2f} {setup:9.3f}")


if __name__ == "__main__":
    main()
