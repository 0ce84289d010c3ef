"""load_model: a user's model from its name."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from hashlens.errors import ModelError, nearest
from hashlens.nets.archive import load_program
from hashlens.nets.folder import load_network
from hashlens.nets.weights import load_weights

FORMS = "a folder that hashlens train wrote, package.module:factory, path/to/file.py:factory, or a .pt2 program"


def load_model(spec: str | Path | nn.Module, weights: str | Path | None = None) -> nn.Module:
    """Return a model by its name.

    Parameters
    ----------
    spec : str, Path or torch.nn.Module
        A folder that ``hashlens train`` wrote; a function ``package.module:factory`` or ``path/to/file.py:factory``,
        which is called without arguments; a ``torch.export`` program ``.pt2``; or a module, which is returned
        unchanged.
    weights : str or Path, optional
        Weights to load into the factory's model: ``.safetensors``, or ``.pt``/``.pth`` that holds only tensors.

    Returns
    -------
    torch.nn.Module
        The model. Networks from a folder are on the CPU and in evaluation mode.

    Raises
    ------
    ModelError
        If `spec` does not name a model, the factory fails, or the weights do not fit.

    Examples
    --------
    >>> load_model("torch.nn:Identity")
    Identity()
    """
    text = str(spec)
    is_factory = isinstance(spec, str) and ":" in text and not Path(text).exists()
    if weights is not None and not is_factory:
        raise ModelError(f"weights {weights} need a factory to fill: give the model as package.module:factory")
    if isinstance(spec, nn.Module):
        return spec
    if is_factory:
        network = _call_factory(text)
        if weights is not None:
            load_weights(network, weights)
        return network
    path = Path(spec)
    if path.suffix == ".pt2":
        return load_program(path)
    if path.is_dir():
        return load_network(path)[0]
    if path.is_file():
        raise ModelError(f"{path} is not a model by itself: give package.module:factory, with this file as weights")
    raise ModelError(f"no model {text!r}: expected {FORMS}")


def load_function(spec: str) -> Callable[..., Any]:
    """Return a function by its name, ``package.module:name`` or ``path/to/file.py:name``.

    Raises
    ------
    ModelError
        If there is no such function.

    Examples
    --------
    >>> load_function("torch.nn.functional:relu").__name__
    'relu'
    """
    loaded = load_object(spec, "function")
    if not callable(loaded):
        raise ModelError(f"function {spec!r}: {spec.rpartition(':')[2]} is a {type(loaded).__name__}")
    function: Callable[..., Any] = loaded
    return function


def load_object(spec: str, kind: str) -> Any:
    """Return an object by its name, ``package.module:name`` or ``path/to/file.py:name``; errors call it `kind`.

    Raises
    ------
    ModelError
        If there is no such object, or importing it fails.
    """
    source, colon, name = spec.rpartition(":")
    if not colon:
        raise ModelError(f"{kind} {spec!r}: expected package.module:name or path/to/file.py:name")
    with torch.random.fork_rng(devices=[]):
        return _attribute_of(_import(source, spec, kind), source, name, spec, kind)


def _call_factory(spec: str) -> nn.Module:
    source, _, name = spec.rpartition(":")
    # A network created during the import, or by the factory, may draw its weights from the global generator.
    with torch.random.fork_rng(devices=[]):
        return _network_from(_import(source, spec), source, name, spec)


def _network_from(module: ModuleType, source: str, name: str, spec: str) -> nn.Module:
    factory = _attribute_of(module, source, name, spec)
    if isinstance(factory, nn.Module):
        return factory
    if not callable(factory):
        raise ModelError(f"model {spec!r}: {name} is a {type(factory).__name__}, expected a function without arguments")
    try:
        network: Any = factory()
    except Exception as error:
        raise ModelError(f"model {spec!r}: {name}() raised {_reason(error)}") from error
    if not isinstance(network, nn.Module):
        raise ModelError(f"model {spec!r}: {name}() returned a {type(network).__name__}, expected a torch.nn.Module")
    return network


def _attribute_of(module: ModuleType, source: str, name: str, spec: str, kind: str = "model") -> Any:
    try:
        return reduce(getattr, name.split("."), module)
    except AttributeError as error:
        callables = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ModelError(f"{kind} {spec!r}: {source} has no {name!r}: {nearest(name, callables)}") from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0]


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let imports find modules in `folder`, as for a script in that folder."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _import(source: str, spec: str, kind: str = "model") -> ModuleType:
    try:
        if not source.endswith(".py"):
            with _importing_from(Path.cwd()):
                return importlib.import_module(source)
        path = Path(source).resolve()
        if not path.is_file():
            raise ModelError(f"{kind} {spec!r}: {source} is not there")
        with _importing_from(path.parent):
            return _import_file(path)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{kind} {spec!r}: importing {source!r} raised {_reason(error)}") from error


def _import_file(path: Path) -> ModuleType:
    module_spec = importlib.util.spec_from_file_location(f"hashlens_model_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    # The module is registered before it runs, since dataclasses and annotations look up their module by name.
    sys.modules[module_spec.name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_spec.name]
        raise
    return module
