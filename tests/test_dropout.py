"""Dropout: what is dropped follows from key and place, and looks like chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycnn as cn
from cycnn import functional as F
from helpers import channels_last, normal
from strategies import dtypes, seeds, shapes

pytestmark = pytest.mark.usefixtures("threads")


@given(shape=shapes([17, 130]), p=st.sampled_from([0, 0.1, 0.5, 0.99, 1]),
       key=st.integers(0, 2**64 - 1), dtype=dtypes, seed=seeds)
def test_numbers_are_dropped_or_scaled(shape, p, key, dtype, seed):
    x = normal(np.random.default_rng(seed), dtype, *shape)
    y = F.dropout(x, p, key)
    assert y.shape == x.shape and y.dtype == dtype
    scale = dtype(1 / (1 - p)) if p < 1 else 0
    assert ((y == 0) | (y == x * scale)).all()
    if p in (0, 1):
        np.testing.assert_array_equal(y, x * scale)
    # The gradient is that of what was kept.
    np.testing.assert_array_equal(F.dropout_backward(np.ones_like(x), p, key) * x == 0, y == 0)


@pytest.mark.parametrize("function", [F.dropout, F.dropout2d])
def test_a_sample_does_not_see_the_others(function, dtype):
    x = np.ones((9, 6, 5, 7), dtype)
    y = function(x, 0.4, 123)
    np.testing.assert_array_equal(function(x[:4], 0.4, 123), y[:4])
    np.testing.assert_array_equal(function(channels_last(x), 0.4, 123), y)
    assert len({row.tobytes() for row in y}) > 6           # but each has its own


def test_dropout2d_drops_whole_channels(dtype):
    y = F.dropout2d(np.ones((400, 50, 3, 2), dtype), 0.3, 1)
    assert (y == y[:, :, :1, :1]).all()
    assert abs((y[:, :, 0, 0] == 0).mean() - 0.3) < 4 * np.sqrt(0.21 / 20000)
    np.testing.assert_array_equal(F.dropout2d_backward(np.ones_like(y), 0.3, 1), y)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_it_looks_like_chance(p):
    """The share that is dropped, and neighbours, rows, samples and keys side by side."""
    n = 64 * 4096
    dropped = (F.dropout(np.ones((64, 4096), np.float32), p, 5) == 0).astype(float)
    error = 4.5 * np.sqrt(p * (1 - p) / n)
    assert abs(dropped.mean() - p) < error
    assert np.abs(dropped.mean(0) - p).max() < 6 * np.sqrt(p * (1 - p) / 64)
    assert np.abs(dropped.mean(1) - p).max() < 4.5 * np.sqrt(p * (1 - p) / 4096)
    others = [F.dropout(np.ones((64, 4096), np.float32), p, key) == 0 for key in (6, 5 << 32)]
    for one, other in [(dropped[:, 1:], dropped[:, :-1]), (dropped[:, 64:], dropped[:, :-64]),
                       (dropped[1:], dropped[:-1]), *((dropped, other) for other in others)]:
        correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 4.5 / np.sqrt(one.size)


# --- the layers ----------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [cn.Dropout, cn.Dropout2d])
def test_a_layer_drops_anew_in_each_call(kind, rng):
    layer = kind(0.5)
    x = np.ones((4, 8, 6, 6), np.float32)
    cn.manual_seed(3)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    dx = layer.backward(np.ones_like(x))
    np.testing.assert_array_equal(dx, second)              # that of the last call
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), dx)
    cn.manual_seed(3)
    np.testing.assert_array_equal(layer(x), first)
    cn.manual_seed(4)
    assert (layer(x) != first).any()
    assert layer.backward(x, input_gradient=False) is None
    with pytest.raises(ValueError, match="dy"):
        layer.backward(x[:3])


def test_two_layers_drop_different_numbers():
    x = np.ones((4, 8, 6, 6), np.float32)
    assert (cn.Dropout()(x) != cn.Dropout()(x)).any()


@pytest.mark.parametrize("kind", [cn.Dropout, cn.Dropout2d])
def test_evaluation_hands_the_input_on(kind, rng):
    layer = kind(0.9).eval()
    x = normal(rng, np.float32, 2, 3, 4, 5)
    np.testing.assert_array_equal(layer(x), x)
    with pytest.raises(RuntimeError, match="evaluation mode"):
        layer.backward(x)
    assert repr(layer) == f"{kind.__name__}(p=0.9)"
    assert type(layer)(**layer.config()).p == 0.9


def test_dropout_takes_any_shape(rng):
    for shape in ((5,), (3, 4), (2, 3, 4), (0, 3)):
        x = normal(rng, np.float64, *shape)
        layer = cn.Dropout(0.3)
        y = layer(x)
        assert y.shape == shape
        np.testing.assert_array_equal(layer.backward(x), y)


def test_the_state_of_random_numbers_can_be_kept():
    import json

    x = np.ones((3, 50), np.float32)
    layer = cn.Dropout()
    cn.manual_seed(7)
    layer(x), cn.Linear(3, 4)
    state = json.loads(json.dumps(cn.get_rng_state()))
    expected = layer(x), cn.Linear(5, 6).weight.data, layer(x)
    cn.manual_seed(99)
    cn.set_rng_state(state)
    for one, other in zip((layer(x), cn.Linear(5, 6).weight.data, layer(x)), expected):
        np.testing.assert_array_equal(one, other)


def test_a_state_before_the_first_number_is_one_to_go_back_to():
    nothing = {"weights": None, "dropout": [None, 0]}       # as in a new process
    x = np.ones((3, 50), np.float32)
    cn.set_rng_state(nothing)
    state, found = cn.get_rng_state(), []
    for _ in range(2):
        cn.set_rng_state(state)
        found.append((cn.Dropout()(x).tobytes(), cn.Linear(5, 6).weight.data.tobytes()))
    assert found[0] == found[1]
    cn.set_rng_state(nothing)
    assert cn.gradcheck(cn.Dropout(), (3, 6))


@pytest.mark.parametrize("state", [
    {}, None, 3, {"weights": None}, {"weights": {}, "dropout": [0, 0]},
    {"weights": None, "dropout": [0]}, {"weights": None, "dropout": ["a", 0]},
    {"weights": None, "dropout": [0, -1]}, {"weights": None, "dropout": [2**64, 0]}])
def test_what_is_no_state_changes_nothing(state):
    cn.manual_seed(1)
    before = cn.get_rng_state()
    with pytest.raises(ValueError, match="state"):
        cn.set_rng_state(state)
    assert cn.get_rng_state() == before


def test_a_network_with_dropout_trains_the_same_for_any_threads(every_kernel_in_parallel, rng):
    x, labels = normal(rng, np.float32, 16, 1, 12, 12), rng.integers(0, 3, 16)
    weights = []
    for number in (1, 2, 3):
        every_kernel_in_parallel(number)
        cn.manual_seed(0)
        model = cn.Sequential(cn.Conv2d(1, 8, 3), cn.BatchNorm2d(8), cn.ReLU(), cn.Dropout2d(0.2),
                              cn.Flatten(), cn.Dropout(0.5), cn.Linear(800, 3))
        loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            loss.forward(model(x), labels)
            model.backward(loss.backward(), input_gradient=False)
            optimizer.step()
        weights.append(model.state_dict())
    for other in weights[1:]:
        for name, array in weights[0].items():
            np.testing.assert_array_equal(array, other[name])


# --- in a training -------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (24, 1, 6, 6)).astype(np.uint8), rng.integers(0, 3, 24)


def trainer_of(seed=0):
    model = cn.Sequential(cn.Conv2d(1, 4, 3, rng=0), cn.ReLU(), cn.Dropout2d(0.2), cn.Flatten(),
                          cn.Dropout(0.5), cn.Linear(64, 3, rng=1))
    return cn.Trainer(model, cn.SGD(model.parameters(), 0.1), cn.CrossEntropyLoss(), seed=seed)


def weights_after(trainer, data, epochs=2, **options):
    trainer.fit(data, epochs, 6, progress=False, **options)
    return b"".join(array.tobytes() for array in trainer.model.state_dict().values())


def test_the_trainers_seed_decides_what_is_dropped(data):
    class Disturbing(cn.Callback):
        def on_batch_end(self, trainer, state):
            cn.manual_seed(state.batch)
            cn.Dropout()(np.ones((2, 3)))

    cn.manual_seed(1)
    whole = weights_after(trainer_of(), data)
    state = cn.get_rng_state()
    cn.manual_seed(2)
    assert weights_after(trainer_of(), data, callbacks=[Disturbing()]) == whole
    # One fit more is no repetition, whenever it comes.
    first = trainer_of()
    assert weights_after(first, data, 1) != whole
    weights_after(trainer_of(3), data, 1)
    assert weights_after(first, data, 1) == whole
    # Nothing else has had its numbers taken.
    cn.set_rng_state(state)
    trainer_of().fit(data, 1, 6, progress=False)
    assert cn.get_rng_state() == state


def test_seeds_epochs_batches_and_layers_drop_different_numbers(data):
    class Recording(cn.Module):
        def forward(self, x):
            masks.append(cn.Dropout()(np.ones((1, 200), np.float32)).tobytes())
            masks.append(cn.Dropout()(np.ones((1, 200), np.float32)).tobytes())
            return x

        def backward(self, dy, input_gradient=True, accumulate=False):
            return dy

    masks = []
    for seed in (0, 1):
        model = cn.Sequential(Recording(), cn.Flatten(), cn.Linear(36, 3, rng=0))
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.1), cn.CrossEntropyLoss(),
                             seed=seed)
        for accumulate in (1, 2):
            trainer.fit(data, 2, 6, progress=False, accumulate=accumulate)
    assert len(masks) == 2 * 2 * (2 + 2 * 4 * 2)        # that of shapes, and two a batch
    assert len(set(masks)) == len(masks)


def test_trainers_in_threads_do_not_see_each_other(data):
    from concurrent.futures import ThreadPoolExecutor

    whole = weights_after(trainer_of(), data)
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda seed: weights_after(trainer_of(seed), data, 4), [0, 0, 1])
        expected = [weights_after(trainer_of(seed), data, 4) for seed in (0, 0, 1)]
    assert list(found) == expected and whole not in expected
