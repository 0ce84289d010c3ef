"""Types of the fields of a study of networks."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainValidator

from hashlens.arguments import is_whole
from hashlens.data.noise import KINDS
from hashlens.measures.logistic import METHODS
from hashlens.nets.build import ARCHITECTURES, INITS
from hashlens.study.networks.measures import MEASURES
from hashlens.study.spec.fields import known_name, number_in_range, value_text
from hashlens.training.losses import LOSSES
from hashlens.training.recipe import OPTIMIZERS, RECIPES
from hashlens.training.schedules import SCHEDULES


def _flag(value: Any) -> bool | None:
    """Return a truth value, or None for that of the recipe."""
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"must be true, false, or null for the recipe's, received {value_text(value)}")
    return value


def _switch(value: Any) -> bool:
    """Return a truth value; None is an error."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, received {value_text(value)}")
    return value


def _patience(value: Any) -> int | str | None:
    if value is None or value == "recipe":
        return value  # type: ignore[no-any-return]
    if not is_whole(value) or value < 1:
        raise ValueError(
            "must be 'recipe', null for no early stopping, or a whole number of epochs, 1 or more, "
            f"received {value_text(value)}"
        )
    return int(value)


Share = Annotated[float, number_in_range("0 to 1", lambda value: 0 <= value <= 1)]
Penalty = Annotated[float, number_in_range("0 or more", lambda value: value >= 0)]
Positive = Annotated[float, number_in_range("more than 0", lambda value: value > 0)]
DropProbability = Annotated[float, number_in_range("0 or more and less than 1", lambda value: 0 <= value < 1)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Patience = Annotated[int | Literal["recipe"] | None, PlainValidator(_patience)]
Architecture = Annotated[str, known_name("architecture", ARCHITECTURES)]
RecipeName = Annotated[str, known_name("recipe", RECIPES)]
Optimizer = Annotated[str, known_name("optimizer", OPTIMIZERS)]
Loss = Annotated[str, known_name("loss", LOSSES)]
Schedule = Annotated[str, known_name("schedule", SCHEDULES)]
Init = Annotated[str, known_name("init", INITS)]
RandomInputs = Annotated[str, known_name("random inputs", ("none", *KINDS))]
MeasureName = Annotated[str, known_name("measure", MEASURES)]
Logistic = Annotated[str, known_name("logistic regression", METHODS)]
