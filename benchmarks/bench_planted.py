"""Changed copies of training images, planted among test images of CIFAR-10: how many are found, by kind of change.

    python benchmarks/bench_planted.py --data ../shared/data --model MODEL [--beyond]

The network was trained on all 50,000 training images. The test set is the first 2,062 test images. For each of five
seeds, 30 random ones are replaced by changed copies of training images, 5 of each kind: JPEG of quality 30, halved and
enlarged again, cropped to the middle 90 % and enlarged, 1.3 times as bright, rotated by 5 degrees, mirrored. A copy is
found if its row is suspected and the named training image is its original. The table also counts the other suspected
rows that are no published near-duplicates. They are ordinary images that are mistaken for copies, and near-duplicates
that the list lacks.

The perceptual hash is pHash (64 bits: the lowest 8 x 8 coefficients of the DCT of the grey image, compared with their
median), as imagehash computes it for images of 32 x 32. Its threshold is the largest distance at which at most one
other test image is suspected, published near-duplicates not counted. It is tuned on the same test images, which is an
advantage.
"""

import argparse
import csv
import io
import time

import numpy as np
import torch
from PIL import Image, ImageEnhance
from rich.console import Console

import hashlens as hl
from hashlens.audit.views import Views, encode_views
from hashlens.data.examples import ArrayExamples
from hashlens.data.views import view_of
from hashlens.measures.knn import nearest_codes
from hashlens.seeds import numpy_generator
from hashlens.tables import table

ROWS = 2062
OF_EACH = 5
TRUTH = "truth/cifar10_test_train_duplicates.csv"
BITS = {"bits": 1024, "per_layer": True}


def jpeg(image):
    written = io.BytesIO()
    image.save(written, "JPEG", quality=30)
    return Image.open(written).convert("RGB")


def half(image):
    width, height = image.size
    return image.resize((width // 2, height // 2), Image.BICUBIC).resize((width, height), Image.BICUBIC)


def middle(share):
    def cut(image):
        width, height = image.size
        rim = (1 - share) / 2
        box = (rim * width, rim * height, (1 - rim) * width, (1 - rim) * height)
        return image.resize(image.size, Image.BICUBIC, box=box)

    return cut


def noisy(image):
    pixels = np.asarray(image, np.float64)
    noise = numpy_generator(int(pixels.sum()), "noise").normal(0, 10, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


KINDS = {
    "JPEG, quality 30": jpeg,
    "half size and back": half,
    "middle 90 %": middle(0.9),
    "brightness 1.3": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "turned 5 degrees": lambda image: image.rotate(5, Image.BICUBIC),
    "mirrored": lambda image: image.transpose(Image.FLIP_LEFT_RIGHT),
}
BEYOND = {
    "middle 80 %": middle(0.8),
    "middle 70 %": middle(0.7),
    "turned 15 degrees": lambda image: image.rotate(15, Image.BICUBIC),
    "mirrored and turned 5 degrees": lambda image: image.transpose(Image.FLIP_LEFT_RIGHT).rotate(5, Image.BICUBIC),
    "upside down": lambda image: image.transpose(Image.FLIP_TOP_BOTTOM),
    "turned 90 degrees": lambda image: image.transpose(Image.ROTATE_90),
    "brightness 2": lambda image: ImageEnhance.Brightness(image).enhance(2),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "noise, standard deviation 10 of 255": noisy,
}
"""Changes that no view undoes completely."""


def changed(pixels, change):
    """Return one image, uint8 ``(c, h, w)``, changed."""
    image = change(Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def planted(train, seed, kinds, of_each):
    """Return the kinds, the test rows that the copies replace, the training rows copied, and the copies."""
    generator = numpy_generator(seed, "planted")
    rows = generator.choice(ROWS, of_each * len(kinds), replace=False)
    originals = generator.choice(len(train), len(rows), replace=False)
    names = np.repeat(list(kinds), of_each)
    copies = torch.stack([changed(train.inputs[at], kinds[name]) for at, name in zip(originals, names, strict=True)])
    return names, rows, originals, ArrayExamples(copies, None, np.arange(len(rows)), "copies", scale=1 / 255)


def put(codes, rows, others):
    """Return codes with the rows listed replaced."""
    order = np.arange(len(codes))
    order[rows] = len(codes) + np.arange(len(rows))
    return hl.concatenate([codes, others])[order]


def published(folder):
    """Return which test rows have a published near-duplicate or very similar image, bool ``(ROWS,)``."""
    known = np.zeros(ROWS, bool)
    with open(f"{folder}/{TRUTH}") as file:
        for row in csv.DictReader(file):
            if int(row["test_index"]) < ROWS:
                known[int(row["test_index"])] = True
    return known


def phash(examples):
    """Return pHash codes."""
    from scipy.fft import dctn

    grey = np.stack([np.asarray(Image.fromarray(one.permute(1, 2, 0).numpy()).convert("L")) for one in examples.inputs])
    low = dctn(grey.astype(np.float64), axes=(1, 2))[:, :8, :8].reshape(len(grey), -1)
    return hl.Codes.from_bits(low > np.median(low, axis=1, keepdims=True))


def by_phash(train, test, copies, rows, originals, known):
    """Return which copies the perceptual hash finds, and at which distance."""
    distances, _ = nearest_codes(test, train, 1)
    ordinary = np.sort(np.delete(distances[:, 0], np.union1d(rows, np.flatnonzero(known))))
    reach = int(ordinary[1]) - 1
    away = np.bitwise_count(copies.packed ^ train.packed[originals]).sum(axis=1)
    return away <= reach, reach


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--model", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--beyond", action="store_true", help="one seed, 10 each of kinds that no view undoes")
    given = parser.parse_args()
    changes, of_each, seeds = (BEYOND, 10, 1) if given.beyond else (KINDS, OF_EACH, given.seeds)
    network = hl.load_model(given.model)
    train, test = (hl.load_data(f"parquet:{given.data}/cifar10#{part}").load() for part in ("train", "test"))
    test, known = test.narrow(0, ROWS), published(given.data)
    started = time.perf_counter()
    codes = [hl.encode(network, part, **BITS) for part in (train, test)]
    print(f"codes of {len(train):,} + {ROWS:,} images: {time.perf_counter() - started:,.0f} seconds", flush=True)
    views = encode_views(network, train, test)
    print(views.summary, flush=True)
    hashes = [phash(part) for part in (train, test)]
    counts = {name: dict.fromkeys(changes, 0) for name in ("codes", "codes, views", "pHash")}
    others = {name: [] for name in counts}
    for seed in range(seeds):
        kinds, rows, originals, copies = planted(train, seed, changes, of_each)
        with_copies = put(codes[1], rows, hl.encode(network, copies, **BITS))
        seen = [hl.encode(network, view_of(copies, name), **BITS) for name in views.names]
        per_view = tuple(put(of, rows, here) for of, here in zip(views.test, seen, strict=True))
        for name, these in (
            ("codes", None),
            ("codes, views", Views(views.names, per_view, views.train, views.rows, views.seconds)),
        ):
            started = time.perf_counter()
            found = hl.leaks(codes[0], with_copies, views=these)
            partner = dict(zip(found.rows[: found.suspected].tolist(), found.train_rows.tolist(), strict=False))
            hits = np.array([partner.get(row) == at for row, at in zip(rows.tolist(), originals.tolist(), strict=True)])
            extra = np.setdiff1d(found.suspected_rows, np.union1d(rows, np.flatnonzero(known)))
            others[name].append(len(extra))
            for kind in kinds[hits]:
                counts[name][kind] += 1
            seconds = time.perf_counter() - started
            print(
                f"seed {seed}, {name}: {hits.sum()} of {len(rows)}, {len(extra)} others unpublished, threshold "
                f"{found.threshold:.3f} in {found.layer}, {seconds:.0f} seconds",
                flush=True,
            )
        hits, reach = by_phash(*hashes, phash(copies), rows, originals, known)
        others["pHash"].append(1)
        for kind in kinds[hits]:
            counts["pHash"][kind] += 1
        print(f"seed {seed}, pHash: {hits.sum()} of {len(rows)} within {reach} bits", flush=True)
    of = of_each * seeds
    body = [(kind, *(f"{counts[name][kind]} of {of}" for name in counts)) for kind in changes]
    total = of * len(changes)
    body.append(("all", *(f"{sum(found.values())} of {total}" for found in counts.values())))
    body.append(("other rows, unpublished, a seed", *(", ".join(map(str, count)) for count in others.values())))
    Console(width=120).print(table("Changed copies found", ("kind", *counts), body))


if __name__ == "__main__":
    main()
