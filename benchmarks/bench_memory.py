"""Memory of the redundancy ratio of a VGG-16 over 10,000 CIFAR-10 images, at the default batch size.

    python benchmarks/bench_memory.py --data ../shared/data/cifar10

It prints the growth of peak resident memory during `fingerprint`, and the size of the int8 matrix that a plain script
needs. A plain forward pass over the same batches is measured first, in a separate process, for comparison.
"""

import argparse
import subprocess
import sys
import threading
import time


def peak_growth(work):
    """Return what `work` returns and by how many bytes resident memory rose above its level before, sampled each ms."""
    import psutil

    process, done = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    peak = [before]

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], process.memory_info().rss)
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = work()
    done.set()
    watcher.join()
    return result, peak[0] - before


def one(kind, source, batch_size):
    import torch

    import hashlens as hl
    from hashlens import nets

    network = nets.build("vgg16", input_shape=(3, 32, 32), classes=10, seed=0).eval()
    examples = hl.load_data(source)

    def plain():
        with torch.no_grad():
            return sum(len(network(batch.inputs)) for batch in examples.batches(batch_size))

    def fingerprint():
        prints = hl.fingerprint(network, examples, batch_size=batch_size)
        return prints.code_bits, hl.redundancy_ratio(prints)

    started = time.perf_counter()
    result, growth = peak_growth(plain if kind == "plain" else fingerprint)
    print(kind, result, f"{growth / 2**20:.0f} MiB", f"{time.perf_counter() - started:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with CIFAR-10 as Parquet")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--only", choices=("plain", "fingerprint"))
    options = parser.parse_args()
    if options.only:
        one(options.only, f"parquet:{options.data}#test[:10000]", options.batch_size)
        return
    for kind in ("plain", "fingerprint"):
        command = [sys.executable, __file__, "--data", options.data, "--only", kind]
        subprocess.run([*command, "--batch-size", str(options.batch_size)], check=True)


if __name__ == "__main__":
    main()
