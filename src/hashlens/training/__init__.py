"""Training of one network or of many at once: recipes, the training loop, checkpoints."""

from hashlens.training.ensemble import fit_ensemble
from hashlens.training.evaluate import accuracy
from hashlens.training.fit import fit
from hashlens.training.fitted import Epoch, Fitted
from hashlens.training.journal import Journal
from hashlens.training.loop import LoopResult, Step, run_loop
from hashlens.training.losses import LOSSES, Loss
from hashlens.training.member import Member, MemberFitted
from hashlens.training.order import batch_order, split_batches
from hashlens.training.recipe import RECIPES, Recipe, find_recipe
from hashlens.training.state import LoopEpoch, TrainingState
from hashlens.training.train import Trained, train

__all__ = [
    "LOSSES",
    "RECIPES",
    "Epoch",
    "Fitted",
    "Journal",
    "LoopEpoch",
    "LoopResult",
    "Loss",
    "Member",
    "MemberFitted",
    "Recipe",
    "Step",
    "Trained",
    "TrainingState",
    "accuracy",
    "batch_order",
    "find_recipe",
    "fit",
    "fit_ensemble",
    "run_loop",
    "split_batches",
    "train",
]
