"""Winograd's algorithm in strips of images: for few channels, and here for any number."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import cycnn as cn
import reference
from calls import assert_identical
from cycnn.functional import _algorithm, _winograd_strips, conv2d, conv2d_backward
from cycnn.functional.conv import plan_for
from cycnn.kernels import strips
from helpers import channels_last, normal
from strategies import Convolution, dtypes, seeds
from test_chain_pool import assert_same_numbers, network

# The largest error, in units of the largest number of the result, or of a sum of so many terms
# where that is larger: what docs/accuracy.md promises, and images smaller than a tile, which are
# mostly padding. Of float64 as many units in the last place.
BOUND = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 2e-13}

channels = st.sampled_from([1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 16, 17, 19])
# Fewer strips than lanes, about as many, several groups of them.
batches = st.integers(1, 3) | st.sampled_from([8, 17, 33])


FASTER = _winograd_strips._faster


@pytest.fixture(scope="module")
def always():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_winograd_strips, "_faster", lambda *_: (True, True))
        plan_for.cache_clear()
        yield
    plan_for.cache_clear()


@pytest.fixture
def as_chosen(monkeypatch):
    """For tests of what is chosen, beside those that choose themselves."""
    monkeypatch.setattr(_winograd_strips, "_faster", FASTER)
    plan_for.cache_clear()
    yield
    plan_for.cache_clear()


@st.composite
def cases(draw):
    """A convolution that Winograd's algorithm can do."""
    kernel = draw(st.sampled_from([3, 5]))
    pads = draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))
    size = [max(1, kernel - 2 * pad) + draw(st.integers(0, 13)) for pad in pads]
    x_shape = draw(batches), draw(channels), *size
    return Convolution(x_shape, (draw(channels), x_shape[1], kernel, kernel), draw(st.booleans()),
                       {"padding": pads, "stride": 1, "dilation": 1, "groups": 1}, draw(dtypes),
                       draw(seeds))


def run(x, weight, bias, dy, options):
    return (conv2d(x, weight, bias, **options),
            *conv2d_backward(dy, x, weight, bias is not None, **options))


def assert_right(arrays, options):
    """All passes against the naive loops in float64."""
    x, weight, bias, dy = (None if a is None else a.astype(np.float64) for a in arrays)
    expected = (reference.conv2d(x, weight, bias, **options),
                *reference.conv2d_backward(dy, x, weight, bias is not None, **options))
    terms = weight[0].size, weight[:, 0].size, dy[:, 0].size, dy[:, 0].size
    for actual, right, count in zip(run(*arrays, options), expected, terms):
        if right is None:
            assert actual is None
            continue
        assert actual.shape == right.shape and actual.dtype == arrays[0].dtype
        scale = max(np.abs(right).max(), np.sqrt(count))
        assert np.abs(actual - right).max() < BOUND[actual.dtype] * scale


@given(case=cases(), last=st.booleans())
def test_any_shape(case, last, always, threads):
    x, *others = case.arrays()
    assert_right((channels_last(x) if last else x, *others), case.options)


@pytest.mark.parametrize("shape, kernel, padding", [
    ((40, 6, 28, 28, 6), 5, 2),         # LeNet's second layer, with padding
    ((3, 3, 61, 90, 8), 3, 1),          # bands of rows, the last ones shorter
    ((2, 12, 9, 200, 9), 5, (0, 7)),    # wide
    ((70, 1, 5, 4, 20), 3, (0, 2)),     # one row of tiles
    ((5, 40, 13, 13, 40), 3, 1),        # sums that leave the caches
], ids=str)
def test_several_groups_of_strips(shape, kernel, padding, always, dtype, threads, rng):
    n, c, height, width, k = shape
    x, weight = normal(rng, dtype, n, c, height, width), normal(rng, dtype, k, c, kernel, kernel)
    y = conv2d(x, weight, padding=padding)
    assert_right((x, weight, normal(rng, dtype, k), normal(rng, dtype, *y.shape)),
                 {"padding": padding})


@given(case=cases())
def test_same_bits_for_every_number_of_threads(case, always, every_kernel_in_parallel):
    arrays = case.arrays()
    every_kernel_in_parallel(1)
    expected = run(*arrays, case.options)
    for number in (2, 3, 5):
        every_kernel_in_parallel(number)
        assert_identical(run(*arrays, case.options), expected)


@given(case=cases(), relu=st.booleans(), number=st.integers(1, 3))
def test_a_pool_behind(case, relu, number, always, every_kernel_in_parallel):
    """A chain pools before anything is stored: the layers' own numbers, to the bit."""
    assume(min(case.y_shape[2:]) >= 2)
    every_kernel_in_parallel(number)
    rng = np.random.default_rng(case.seed)
    x = normal(rng, case.dtype, case.x_shape[0], 2, *case.x_shape[2:])
    assert_same_numbers(network(case, relu), x, rng)


def test_an_image_alone_is_what_it_is_in_a_batch(always, dtype, rng):
    x, weight = normal(rng, dtype, 35, 6, 19, 19), normal(rng, dtype, 7, 6, 5, 5)
    together = conv2d(x, weight)
    for i in range(len(x)):
        np.testing.assert_array_equal(conv2d(x[i:i + 1], weight)[0], together[i])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_stay_in_their_tiles(bad, always, dtype, rng):
    """In both directions, and in no other image; a gradient of the weight is bad in its channel."""
    x, weight = normal(rng, dtype, 20, 3, 40, 40), normal(rng, dtype, 4, 3, 3, 3)
    dy = normal(rng, dtype, 20, 4, 40, 40)
    for images, other in ((x, dy), (dy, x)):
        images[7, 1, 20, 20] = bad
        y = conv2d(x, weight, padding=1)
        dx, dweight, _ = conv2d_backward(dy, x, weight, padding=1)
        result = y if images is x else dx
        wrong = ~np.isfinite(result).all(axis=1)
        assert wrong[7, 19:22, 19:22].all() and not np.delete(wrong, 7, 0).any()
        rows, columns = np.nonzero(wrong[7])
        assert np.ptp(rows) < 12 and np.ptp(columns) < 12
        channel = dweight[:, 1] if images is x else dweight[1]
        assert not np.isfinite(channel).any()
        assert np.isfinite(dweight).sum() == dweight.size - channel.size
        images[7, 1, 20, 20] = 0


@pytest.mark.skipif(strips.LANES[4] == 1, reason="one lane is always full")
def test_the_choice(as_chosen):
    """Few channels of many images, in every pass; not where the algorithm is impossible, and for
    few rows of tiles not either."""
    def best(n, c, size, k, kernel, padding, itemsize=4, possible=True):
        out = size + 2 * padding - kernel + 1
        return _winograd_strips.passes((n, k, out, out), (n, c, size, size), (k, c, kernel, kernel),
                                       (1, 1, padding, padding, 1, 1, 1), itemsize, possible)[1]

    everywhere, nowhere = _algorithm.Winograd(*3 * [True]), _algorithm.Winograd(*3 * [False])
    for itemsize in (4, 8):
        if strips.LANES[itemsize] > 6:      # else channels fill vectors by themselves
            assert best(128, 6, 28, 6, 5, 2, itemsize) == everywhere
            assert best(32, 6, 28, 6, 3, 1, itemsize) == everywhere
        assert best(128, 6, 28, 6, 5, 2, itemsize, possible=False) == nowhere
        assert best(0, 6, 28, 6, 5, 2, itemsize) == nowhere
        assert best(1, 6, 4, 6, 3, 1, itemsize) == nowhere
        assert best(128, 1, 28, 1, 3, 1, itemsize) == nowhere      # nothing to multiply
        assert best(128, 256, 14, 256, 3, 1, itemsize) == nowhere   # vectors of channels are full


def test_what_is_computed(as_chosen, dtype, rng):
    x, weight = normal(rng, dtype, 64, 6, 28, 28), normal(rng, dtype, 6, 6, 5, 5)
    direct, winograd = (conv2d(x, weight, algorithm=name) for name in ("direct", "winograd"))
    assert (direct != winograd).any()
    np.testing.assert_array_equal(conv2d(x, weight), winograd)
    with cn.convolution_algorithm("direct"):
        np.testing.assert_array_equal(conv2d(x, weight), direct)
