from dataclasses import replace

import pytest

from hashlens.errors import ModelError
from hashlens.training import RECIPES, find_recipe
from hashlens.training.schedules import SCHEDULES


def test_the_scripts_recipe_is_the_published_one():
    recipe = find_recipe("scripts")
    assert (recipe.optimizer, recipe.learning_rate, recipe.batch_size, recipe.weight_decay) == ("adam", 1e-2, 64, 1e-6)
    assert (recipe.schedule, recipe.decay_every, recipe.decay_factor) == ("step", 20, 0.1)
    assert (recipe.batch_norm, recipe.epochs, recipe.patience) == (True, 200, 10)


def test_the_figures_recipe_is_the_one_that_gives_the_figures():
    recipe = find_recipe("figures")
    assert (recipe.optimizer, recipe.learning_rate, recipe.batch_size, recipe.weight_decay) == ("adam", 1e-3, 128, 0)
    assert (recipe.schedule, recipe.batch_norm, recipe.init) == ("constant", False, "glorot")
    assert (recipe.epochs, recipe.patience) == (100, None)


def test_recipes_are_known_by_their_own_name():
    assert {name: recipe.name for name, recipe in RECIPES.items()} == {name: name for name in RECIPES}
    own = replace(find_recipe("figures"), name="own", learning_rate=0.5)
    assert find_recipe(own) is own


def test_the_learning_rate_of_the_scripts_falls_tenfold_after_every_20_epochs():
    share = [SCHEDULES["step"](epoch, 200, 20, 0.1) for epoch in (1, 20, 21, 40, 41)]
    assert share == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_cosine_falls_from_the_full_rate_towards_zero():
    shares = [SCHEDULES["cosine"](epoch, 30, 20, 0.1) for epoch in range(1, 31)]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < 0.01


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "adm"}, "recipe 'figures': unknown optimizer 'adm': did you mean 'adam'"),
        ({"loss": "msee"}, "recipe 'figures': unknown loss 'msee': did you mean 'mse'"),
        ({"schedule": "linear"}, "unknown schedule 'linear'"),
        ({"batch_size": 0}, "batch_size must be a whole number, 1 or more, received 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, received 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive, received nan"),
        ({"epochs": -1}, "epochs must be a whole number, 0 or more, received -1"),
        ({"epochs": "3"}, "epochs must be a whole number, 0 or more, received '3'"),
        ({"epochs": 1.5}, "epochs must be a whole number, 0 or more, received 1.5"),
        ({"learning_rate": "0.1"}, "learning_rate must be a number, received '0.1'"),
        ({"weight_decay": None}, "weight_decay must be a number, received None"),
        ({"patience": 0}, "patience, unless None, must be a whole number, 1 or more, received 0"),
    ],
)
def test_bad_recipes_are_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        replace(find_recipe("figures"), **changes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("figure", "unknown recipe 'figure': did you mean 'figures'"),
        (None, "unknown recipe None: known: cifar, figures, scripts"),
        (["figures"], r"unknown recipe \['figures'\]: did you mean 'figures'"),
    ],
)
def test_an_unknown_recipe_is_refused(name, message):
    with pytest.raises(ModelError, match=message):
        find_recipe(name)
