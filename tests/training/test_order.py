import torch
from hypothesis import given
from hypothesis import strategies as st

from hashlens.training import batch_order, split_batches


@given(st.integers(0, 200), st.integers(0, 3), st.integers(1, 3))
def test_an_order_is_a_permutation_that_seed_and_epoch_decide(n, seed, epoch):
    order = batch_order(n, seed, epoch)
    assert sorted(order.tolist()) == list(range(n))
    assert torch.equal(order, batch_order(n, seed, epoch))


def test_epochs_and_seeds_have_their_own_order():
    orders = {tuple(batch_order(50, seed, epoch).tolist()) for seed in range(3) for epoch in range(1, 4)}
    assert len(orders) == 9


@given(st.integers(1, 200), st.integers(1, 64))
def test_every_example_is_in_one_batch_and_none_is_alone(n, batch_size):
    batches = split_batches(torch.arange(n), batch_size)
    assert torch.equal(torch.cat(batches), torch.arange(n))
    assert all(len(batch) == batch_size for batch in batches[:-2])
    assert max(map(len, batches)) <= batch_size + (batch_size > 1)
    if min(n, batch_size) > 1:
        assert min(map(len, batches)) > 1
