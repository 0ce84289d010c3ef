"""Anchors: a rule under which the network almost always makes the same prediction."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.errors import ExplainError
from hashlens.explanations.conditions import Space, space_of
from hashlens.explanations.explanation import Explanation, Rule
from hashlens.explanations.perturbed import PerturbedExample, explain_parts, perturb_one
from hashlens.explanations.request import Request
from hashlens.intervals import clopper_pearson
from hashlens.seeds import numpy_generator

Array = npt.NDArray[Any]
Conditions = tuple[int, ...]
CONFIDENCE = 0.95
COUNTER_EXAMPLES = 5
BATCH = 50
# Examples drawn for a rule before it is extended, and the largest number drawn to decide whether it is precise enough.
MIN_TRIED, MAX_TRIED = 400, 2000
# Rounds of KL-LUCB for rules of one length, so that rows are left for longer rules.
ROUNDS = 10
# Tolerance of precision in the search for the best rules of a length, and its probability of error.
TOLERANCE, ERROR = 0.1, 0.05


@dataclass(eq=False)
class Search:
    """State of the search for a rule.

    Attributes
    ----------
    example : PerturbedExample
        Example that is explained.
    space : Space
        Source of examples that satisfy a rule.
    threshold : float
        Required precision.
    budget : int
        Number of rows that may still be drawn.
    generator : numpy.random.Generator
        Source of random numbers.
    answer : int
        Prediction that the rule must keep: the class or, for several labels per example, whether it has the class.
    seen : dict
        For each rule: the conditions that its examples satisfy, and which of the examples keep the prediction.
    """

    example: PerturbedExample
    space: Space
    threshold: float
    budget: int
    generator: np.random.Generator
    answer: int
    seen: dict[Conditions, tuple[Array, Array]] = field(default_factory=dict)

    def pull(self, rule: Conditions, count: int = BATCH) -> tuple[int, int]:
        """Draw `count` examples for a rule; return how many of them keep the prediction, and `count`."""
        drawn = self.space.draw(rule, count, self.generator)
        kept = self.example.answers(drawn.inputs) == self.answer
        self.budget -= count
        satisfied, known = self.seen.get(rule, (drawn.satisfied[:0], kept[:0]))
        self.seen[rule] = np.concatenate([satisfied, drawn.satisfied]), np.concatenate([known, kept])
        return int(kept.sum()), count

    def top_up(self, rule: Conditions) -> None:
        """Draw examples for a rule until there are enough to judge its extensions."""
        while self.budget > 0 and (rule not in self.seen or len(self.seen[rule][1]) < MIN_TRIED):
            self.pull(rule)

    def parent_counts(self, parent: Conditions, condition: int) -> tuple[int, int]:
        """Return the counts for the parent's examples that satisfy one more condition."""
        satisfied, kept = self.seen[parent]
        with_it = kept[satisfied[:, condition]]
        return int(with_it.sum()), len(with_it)


def anchor(
    request: Request,
    threshold: float = 0.95,
    beam: int = 4,
    samples: int = 20_000,
    held_out: int = 1000,
    segments: int | None = None,
    categorical: Sequence[int | str] | None = None,
) -> Explanation:
    """Explain by the shortest rule whose precision is at least `threshold`.

    The precision of a rule is the share of examples satisfying it that keep the prediction. Rules are extended one
    condition at a time by a beam search with KL-LUCB (Ribeiro, Singh, Guestrin, 2018). A condition is one of three: a
    superpixel or word is present; a category is that of the row; a number is on the same side of a quartile of the
    background as that of the row. The examples of a rule are copies of the input in which every other part is replaced
    with probability one half. For tables they are background rows, in which values that break the rule are replaced by
    other values of the column. Among rules of the same length, the one with the largest coverage is chosen.

    The reported precision is measured on new examples that the search did not use, with a 95 % Clopper-Pearson
    interval. The values are 1 for parts of the rule and 0 for others. ``diagnostics["counter_examples"]`` holds a few
    new examples that satisfy the rule but are predicted as another class: their present segments, the text or the row.

    Parameters
    ----------
    request : Request
        The examples and the network to explain, and shared options.
    threshold : float
        Required precision, above 0 and below 1.
    beam : int
        Number of rules of each length that are extended.
    samples : int
        Largest number of rows that the search may draw.
    held_out : int
        Number of new examples on which the precision is measured.
    segments : int, optional
        Number of parts of an image, spectrogram or signal; by default 50, but at most one for every four positions.
    categorical : sequence of int or str, optional
        Categorical columns of a table; by default those with at most ten distinct values in the background.
    """
    for name, value in (("beam", beam), ("samples", samples), ("held_out", held_out)):
        require_whole(ExplainError, name, value)
    if not (is_number(threshold) and 0 < threshold < 1):
        raise ExplainError(f"threshold must be a number above 0 and below 1, received {excerpt(threshold)}")
    example = perturb_one(request, "anchor", "probability", segments, categorical)
    answer = _answer(example)
    space = space_of(example.parts)
    search = Search(example, space, float(threshold), samples, numpy_generator(request.seed, "anchor"), answer)
    rule, is_precise = _best_rule(search, beam)
    kept, counter_examples = _held_out_counts(search, rule, held_out)
    interval = clopper_pearson(kept, held_out, CONFIDENCE)
    is_precise = is_precise or interval[0] >= threshold
    conditions = [space.conditions[index] for index in sorted(rule)]
    values = np.zeros(len(example.parts.names))
    values[[condition.feature for condition in conditions]] = 1
    notes = request.notes + _notes(search, is_precise, rule, kept / held_out)
    diagnostics = {"threshold": float(threshold), "held_out": held_out, "search_rows": samples - search.budget,
                   "reached": is_precise, "counter_examples": counter_examples}  # fmt: skip
    explanation = explain_parts(request, "anchor", [example], [values], diagnostics=diagnostics, notes=notes)
    return replace(explanation, rule=Rule(
        tuple(condition.text for condition in conditions), tuple(condition.feature for condition in conditions),
        kept / held_out, space.coverage(rule), interval, CONFIDENCE,
    ))  # fmt: skip


def _answer(example: PerturbedExample) -> int:
    """Return the prediction that the rule must keep: the class, or whether the example has the explained class."""
    parts, output = example.parts, example.request.subject.declared
    if output is not None and output.regression:
        raise ExplainError(
            f"an anchor explains a class, but the output of the model is read as {output}: give "
            "output='binary_logit' if its sign tells two classes apart, or a function of two classes"
        )
    whole = parts.inputs(np.ones((1, len(parts.names)), dtype=bool), np.zeros(1, dtype=np.int64))
    result = int(example.answers(whole)[0])
    if not (output is not None and output.multilabel) and result != example.target:
        raise ExplainError(
            f"an anchor explains the predicted class, {result}: leave target out, received {example.target}"
        )
    return result


def _held_out_counts(search: Search, rule: Conditions, held_out: int) -> tuple[int, list[dict[str, Any]]]:
    """Return how many new examples of the rule keep the prediction, and a few that do not."""
    example, generator = search.example, numpy_generator(search.example.request.seed, "anchor", "held out")
    counter: list[dict[str, Any]] = []
    kept = 0
    for start in range(0, held_out, BATCH):
        drawn = search.space.draw(rule, min(BATCH, held_out - start), generator)
        classes = example.answers(drawn.inputs)
        kept += int((classes == search.answer).sum())
        for other in np.flatnonzero(classes != search.answer)[: COUNTER_EXAMPLES - len(counter)]:
            counter.append({"class": int(classes[other]), "example": search.space.stored_form(drawn, int(other))})
    return kept, counter


def _notes(search: Search, is_precise: bool, rule: Conditions, precision: float) -> tuple[str, ...]:
    notes = []
    if not is_precise:
        spent = "the allowed samples are used up: raise samples" if search.budget <= 0 else "no conditions are left"
        notes.append(
            f"no rule was shown to reach {search.threshold:.0%}: this is the most precise rule found ({spent})"
        )
    elif not rule:
        notes.append(
            f"the prediction stays the same in {precision:.1%} of cases, whatever is replaced: no condition is needed"
        )
    return tuple(notes)


def _best_rule(search: Search, beam: int) -> tuple[Conditions, bool]:
    """Return the best rule found, and whether its precision reaches the threshold."""
    if _reaches_threshold(search, (), 1):
        return (), True
    parents: list[Conditions] = [()]
    search.top_up(())
    best: Conditions = ()
    while search.budget > 0:
        arms = _extend(search, parents)
        if not arms:
            break
        rules, hits, pulls = [*arms], *(np.array(each, dtype=float) for each in zip(*arms.values(), strict=True))
        parents = [rules[index] for index in _best_arms(search, rules, hits, pulls, beam)]
        precise_rules = [rule for rule in parents if _reaches_threshold(search, rule, len(rules))]
        if precise_rules:
            return max(precise_rules, key=lambda rule: (search.space.coverage(rule), _precision(search, rule))), True
        for rule in parents:
            search.top_up(rule)
        parents = [rule for rule in parents if rule in search.seen]
        best = max([best, *parents], key=lambda rule: _precision(search, rule))
    return best, False


def _precision(search: Search, rule: Conditions) -> float:
    return float(search.seen[rule][1].mean())


def _extend(search: Search, parents: Sequence[Conditions]) -> dict[Conditions, tuple[int, int]]:
    """Return rules with one more condition, with the counts from examples that were drawn already."""
    grown: dict[Conditions, tuple[int, int]] = {}
    for parent in parents:
        satisfied = search.seen[parent][0]
        for condition in range(len(search.space.conditions)):
            # All examples of the rule already satisfy this condition.
            if condition in parent or satisfied[:, condition].all():
                continue
            weaker = {
                index for index in parent if search.space.conditions[condition].implies(search.space.conditions[index])
            }
            rule = tuple(sorted({*parent, condition} - weaker))
            hits, pulls = search.parent_counts(parent, condition)
            if rule not in grown or pulls > grown[rule][1]:
                grown[rule] = hits, pulls
    return grown


def _best_arms(search: Search, rules: list[Conditions], hits: Array, pulls: Array, beam: int) -> list[int]:
    """Return the rules of highest precision by KL-LUCB, best first; examples are drawn for uncertain ones."""
    count = min(beam, len(rules))
    for rounds in range(1, ROUNDS + 1):
        order = np.argsort(-hits / np.maximum(pulls, 1), kind="stable")
        top, others = order[:count], order[count:]
        low, high = _bounds(hits, pulls, rounds)
        if not len(others):
            break
        weakest, strongest = top[low[top].argmin()], others[high[others].argmax()]
        if high[strongest] - low[weakest] <= TOLERANCE or search.budget <= 0:
            break
        for index in (weakest, strongest):
            kept, drawn = search.pull(rules[index])
            hits[index] += kept
            pulls[index] += drawn
    return [int(index) for index in np.argsort(-hits / np.maximum(pulls, 1), kind="stable")[:count]]


def _bounds(hits: Array, pulls: Array, rounds: int) -> tuple[Array, Array]:
    """Return the lower and upper bound of each rule's precision in a round of KL-LUCB."""
    level = np.log(405.5 * len(hits) * rounds**1.1 / ERROR)
    levels, means = (level + np.log(level)) / np.maximum(pulls, 1), hits / np.maximum(pulls, 1)
    return np.where(pulls > 0, bound(means, levels, -1), 0), np.where(pulls > 0, bound(means, levels, 1), 1)


def _reaches_threshold(search: Search, rule: Conditions, rivals: int) -> bool:
    """Return whether enough examples drawn for this rule show that its precision is at least the threshold."""
    level = np.log(max(rivals, 1) / ERROR)
    while True:
        kept = search.seen[rule][1] if rule in search.seen else np.zeros(0, dtype=bool)
        if len(kept):
            mean = np.array([kept.mean()])
            if bound(mean, np.array([level / len(kept)]), -1)[0] >= search.threshold:
                return True
            if bound(mean, np.array([level / len(kept)]), 1)[0] < search.threshold or len(kept) >= MAX_TRIED:
                return False
        if search.budget <= 0:
            return False
        search.pull(rule)


def bound(means: Array, levels: Array, side: int) -> Array:
    """Return the value furthest below (-1) or above (1) each mean whose KL divergence is at most the level."""
    near, far = means.astype(np.float64).copy(), np.full(len(means), 0.0 if side < 0 else 1.0)
    for _ in range(30):
        middle = (near + far) / 2
        inside = _divergence(means, middle) <= levels
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return near if side < 0 else far


def _divergence(p: Array, q: Array) -> Array:
    """Return the Kullback-Leibler divergence of Bernoulli distributions, in nats."""
    from scipy.special import rel_entr

    result: Array = rel_entr(p, q) + rel_entr(1 - p, 1 - q)
    return result
