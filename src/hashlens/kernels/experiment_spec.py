"""The spec of the study of finite and infinite networks: designs, each with axes of its own."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from hashlens.study.cells import Cell, cross_levels
from hashlens.study.spec import StudySpec
from hashlens.study.spec.fields import Count, Text, value_text
from hashlens.study.spec.lines import FieldPath

DESIGN = "design"
Axes = dict[str, tuple[Any, ...]]


def _designs(value: Any) -> dict[str, Axes]:
    if not isinstance(value, dict) or not all(isinstance(axes, dict) for axes in value.values()):
        raise ValueError(f"must be a mapping of axes for each design, received {value_text(value)}")
    return {
        str(name): {str(factor): tuple(levels) if isinstance(levels, list | tuple) else (levels,)
                    for factor, levels in axes.items()}
        for name, axes in value.items()
    }  # fmt: skip


class FiniteInfiniteSpec(StudySpec):
    """The fields of a study of finite and infinite networks.

    Attributes
    ----------
    designs : mapping of str to mapping of str to list
        Axes of each design by its name: its cells are all combinations of their levels, and other factors have their
        defaults. Without designs the study has the cells of `axes`.
    folder : str
        Folder with ``mnist`` and ``cifar10``, each with Parquet files; digits come with the library.
    pool : int
        Number of training and of test images that are read, the first ones of each; each repeat draws its own from
        them. Digits are read whole.
    test, test_convolutional : int
        Number of test images of a repeat; the second is for convolutional networks, whose kernels take long.
    steps : int
        Number of steps of gradient descent for each network.
    networks : int
        Number of networks of each cell, from different random weights; of ensembles, if a cell has several members.
    """

    designs: Annotated[dict[str, Axes], BeforeValidator(_designs)] = Field(default_factory=dict)
    folder: Text = ""
    pool: Count = 10_000
    test: Count = 2_000
    test_convolutional: Count = 500
    steps: Count = 300
    networks: Count = 2

    def cells(self) -> tuple[Cell, ...]:
        """Return the cells of all designs."""
        if not self.designs:
            return cross_levels(self, self.variables)
        return tuple(cell for name in self.designs for cell in cross_levels(self._of(name), self.variables))

    def _of(self, design: str) -> Any:
        axes = {DESIGN: (design,), **self.designs[design]}
        return type(self).model_construct(axes=self.sections()["axes"](**axes))

    def misfits(self) -> Iterator[tuple[FieldPath, str]]:
        """Yield the path of each field that is inconsistent with others, and what is wrong with it."""
        yield from super().misfits()
        if self.designs and any(levels for levels in self.axes.model_dump().values()):
            yield ("axes",), "cannot be combined with designs: each design has axes of its own"
        for name, axes in self.designs.items():
            if DESIGN in axes:
                yield ("designs", name, DESIGN), "is the name of the design: leave it out"
                continue
            try:
                self._of(name)
            except ValidationError as error:
                for problem in error.errors(include_url=False):
                    path = ("designs", name, *problem["loc"])
                    unknown = problem["type"] == "extra_forbidden"
                    yield path, "unknown axis" if unknown else str(problem.get("ctx", {}).get("error", problem["msg"]))
