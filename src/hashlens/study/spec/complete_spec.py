"""The spec class of an experiment, built from its variables: a field for each factor, and the names of its measures."""

from typing import Annotated, Any

from pydantic import BeforeValidator, create_model

from hashlens.arguments import is_number, is_whole
from hashlens.errors import nearest
from hashlens.study.spec.fields import MAX_INTEGER, Listed, Text, known_name, value_text
from hashlens.study.spec.section import Section
from hashlens.study.spec.spec import DEFAULT, StudySpec
from hashlens.study.variables import TYPES, Factor, Variables

EXPECTED = {"int": "a whole number", "float": "a number", "bool": "true or false", "text": "one line of text"}


def complete_spec(spec: type[StudySpec], variables: Variables) -> type[StudySpec]:
    """Return a subclass of `spec` with ``axes`` and ``measures`` of the variables, unless `spec` declares them."""
    # YAML leaves out fields with defaults, and a spec without an experiment would be read as a study of networks.
    added: dict[str, Any] = {"experiment": (Text, variables.experiment if variables.experiment == DEFAULT else ...)}
    if spec.model_fields["axes"].annotation is Section:
        axes = _axes(variables)
        added["axes"] = (axes, axes())
    if not spec.model_fields["measures"].default:
        names = tuple(variables.measures)
        added["measures"] = (Listed[Annotated[str, known_name("measure", names)]], names)
    model: type[StudySpec] = create_model(
        spec.__name__, __base__=spec, __module__=spec.__module__, __doc__=spec.__doc__, **added
    )
    model.variables = variables
    return model


def _axes(variables: Variables) -> type[Section]:
    fields: dict[str, Any] = {
        factor.name: (Listed[Annotated[Any, _level(factor)]] | None, None)
        for factor in variables.factors
    }  # fmt: skip
    return create_model("Axes", __base__=Section, __doc__="Levels of the axes; all are crossed.", **fields)


def _level(factor: Factor) -> BeforeValidator:
    """Return the validator of the levels of a factor."""

    def check(value: Any) -> Any:
        if not _fits(value, factor):
            raise ValueError(f"must be {EXPECTED[factor.type]}, received {value_text(value)}")
        level = TYPES[factor.type](value)
        # Minus zero becomes zero, because both are the same level of a factor.
        level = level + 0.0 if factor.type == "float" else level
        if factor.allowed and level not in factor.allowed:
            listed = ", ".join(map(str, factor.allowed))
            hint = nearest(level, factor.allowed) if factor.type == "text" else f"allowed: {listed}"
            raise ValueError(f"no level of {factor.name}, received {value_text(value)}; {hint}")
        return level

    return BeforeValidator(check)


def _fits(value: Any, factor: Factor) -> bool:
    if factor.type == "text":
        return isinstance(value, str) and value.isprintable()
    if factor.type == "bool":
        return isinstance(value, bool)
    if factor.type == "int":
        return is_whole(value) and abs(value) <= MAX_INTEGER
    return is_number(value) and abs(value) < float("inf")
