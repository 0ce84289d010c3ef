"""The examples in docstrings show what the code returns."""

import doctest
import pkgutil
from importlib import import_module

import pytest
import torch

import hashlens

MODULES = [
    module.name for module in pkgutil.walk_packages(hashlens.__path__, "hashlens.") if "__main__" not in module.name
]
OPTIONAL = ("datasets", "faiss", "lightning", "optuna", "psycopg", "skimage", "torchmetrics", "transformers")


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_examples_return_what_they_show(name):
    try:
        module = import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name.split(".")[0] in OPTIONAL:
            pytest.skip(f"{missing.name} is not installed")
        raise
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
        shown: list[str] = []
        with torch.random.fork_rng():  # examples make networks, as users do
            runner.run(example, out=shown.append)
        assert not runner.failures, "".join(shown)
