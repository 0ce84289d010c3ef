"""Public functions have one name and one place for the same argument."""

import inspect
from importlib import import_module

import pytest

ROOMS = (
    "audit", "codes", "data", "explanations", "index", "integrations", "kernels", "measurement", "measures", "nets",
    "regions", "retrieval", "saved", "study.charts", "study.claims", "study.reproduce", "study.spec", "study.store",
    "training",
)  # fmt: skip
OTHER_NAMES = {
    "neighbours": "k", "n_neighbors": "k", "memory": "memory_budget", "budget": "memory_budget or time_budget",
    "random_state": "seed", "batch": "batch_size", "layer_names": "layers", "x_train": "train", "x_test": "test",
}  # fmt: skip


def signatures():
    """Return the names of the arguments of each public function and class, in their order."""
    found = {}
    for room in ("hashlens", *(f"hashlens.{name}" for name in ROOMS)):
        module = import_module(room)
        for name in module.__all__:
            of = getattr(module, name)
            if inspect.isfunction(of) or (inspect.isclass(of) and inspect.isfunction(vars(of).get("__init__"))):
                found[f"{room}.{name}"] = inspect.signature(of).parameters
    return found


FOUND = signatures()


def test_there_are_functions_to_look_at():
    assert len(FOUND) > 150
    assert list(FOUND["hashlens.measures.knn_accuracy"]) == ["train", "test", "k"]


@pytest.mark.parametrize(
    "pair",
    [
        "train test", "train_features test_features", "train_labels test_labels", "queries codes",
        "query_labels labels", "labels k", "labels seed", "model data", "model train", "model x", "codes labels",
    ],
)  # fmt: skip
def test_arguments_stand_in_one_order(pair):
    first, second = pair.split()
    both = {name: list(of) for name, of in FOUND.items() if first in of and second in of and not _is_record(name)}
    assert [name for name, of in both.items() if of.index(first) > of.index(second)] == []


def _is_record(name):
    """Return whether it is a result, whose fields are in the order of what it shows."""
    of = getattr(import_module(name.rpartition(".")[0]), name.rpartition(".")[2])
    return hasattr(of, "__dataclass_fields__")


def test_arguments_have_one_name():
    wrong = {f"{name}({argument}=)": OTHER_NAMES[argument] for name, of in FOUND.items() for argument in of
             if argument in OTHER_NAMES}  # fmt: skip
    assert wrong == {}
