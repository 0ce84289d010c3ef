"""A commented study file to start from."""

import json
from pathlib import Path

TEMPLATE = """\
# A study: which networks are trained, on what, and what is measured on each.
#
#   hashlens study run {path}       starts the study, or continues it
#   hashlens study status {path}    shows the progress, from any terminal
#
# If `run` is started in several terminals, they share the work.
name: {name}

data: # digits, parquet:DIR#train, npz:FILE, folder:DIR, hub:OWNER/NAME; [:1000] takes the first 1,000
  train: {train}
  test: {test}

network: # of all networks, unless an axis sets it
  architecture: mlp
  depth: 1

training:
  recipe: figures # or scripts, cifar; fields of the recipe, such as epochs, may be changed here
  epochs: 30

axes: # the study runs all combinations
  width: [4, 8, 16, 32, 64]
  epochs: [0, 1, 10, 30] # checkpoints of each training run, at no extra training; 0 is the initialisation
  # samples: [200, 1000] # number of training examples; the number of steps stays the same
  # label_noise: [0, 0.2] # share of the training labels that are shuffled
  # weight_decay: [0, 0.0001]
  # depth: [1, 2, 3]
  # batch_norm: [false, true]
  # dropout: [0, 0.5]
  # architecture: [mlp, resnet20] # only with axes that all of them have
  # random_inputs: [uniform] # also R (and regions) on random inputs, at no extra training

repeats: 3 # networks per cell, with different seeds
seed: 0

measures: [redundancy_ratio, knn, logistic, kmeans, network_accuracy]
# more: loss, knn_train, collision_probability, bits_to_determinism, separation, local_complexity, chord, code_movement
k: 9 # neighbours of knn
logistic: one-vs-one # or multinomial
"""


def template(train: str, test: str, path: Path) -> str:
    """Return the YAML text of a small study of `train` and `test`, whose file will be `path`.

    Parameters
    ----------
    train, test : str
        Names for :func:`hashlens.load_data`.
    path : Path
        Path of the file; the name of the study is taken from it.
    """
    # Every JSON string is a valid YAML string.
    return TEMPLATE.format(path=path, name=json.dumps(path.stem), train=json.dumps(train), test=json.dumps(test))
