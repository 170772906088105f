"""Winograd's algorithm: as exact as promised, chosen where promised, and never a wrong pixel."""

import ctypes
import mmap
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycnn
import reference
from calls import assert_identical
from cycnn.functional import conv2d, conv2d_backward
from cycnn.functional.conv import plan_for
from helpers import channels_last, normal
from strategies import dtypes, seeds

# What docs/accuracy.md promises: the largest error, in units of the largest number of the result.
# Where a result is so small that its numbers cancel, the scale is that of a sum of so many terms.
BOUND = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 4e-14}
# Of images smaller than a tile, for which the algorithm is not chosen, more is padding than image.
SMALL = 5

channels = st.sampled_from([1, 3, 8, 15, 16, 17, 31, 32, 33, 48, 129])


def assert_accurate(actual, expected, terms, dtype, slack, name):
    assert actual.shape == expected.shape and actual.dtype == dtype
    if expected.size:
        scale = max(np.abs(expected).max(), np.sqrt(max(terms, 1)))
        error = np.abs(actual - expected).max() / scale
        assert error < slack * BOUND[dtype], f"{name}: {error:.1e}"


def check(x, weight, bias, dy, padding, slack=1):
    """All passes against the naive loops in float64."""
    exact = [None if a is None else a.astype(np.float64) for a in (x, weight, bias, dy)]
    y = conv2d(x, weight, bias, padding=padding, algorithm="winograd")
    assert_accurate(y, reference.conv2d(*exact[:3], padding=padding), weight[0].size,
                    x.dtype, slack, "y")
    for name, terms, actual, expected in zip(
            ("dx", "dweight", "dbias"), (weight[:, 0].size, dy[:, 0].size, dy[:, 0].size),
            conv2d_backward(dy, x, weight, bias is not None, padding=padding,
                            algorithm="winograd"),
            reference.conv2d_backward(exact[3], exact[0], exact[1], bias is not None,
                                      padding=padding)):
        if expected is None:
            assert actual is None
        else:
            assert_accurate(actual, expected, terms, x.dtype, slack, name)


@given(kernel=st.sampled_from([3, 5]), n=st.integers(0, 3), c=channels, k=channels,
       height=st.integers(1, 14), width=st.integers(1, 14),
       padding=st.tuples(st.integers(0, 6), st.integers(0, 6)) | st.just("same"),
       bias=st.booleans(), last=st.booleans(), kind=dtypes, seed=seeds)
def test_any_shape(threads, kernel, n, c, k, height, width, padding, bias, last, kind, seed):
    rng = np.random.default_rng(seed)
    if padding != "same":
        height = max(height, kernel - 2 * padding[0])
        width = max(width, kernel - 2 * padding[1])
    x, weight = normal(rng, kind, n, c, height, width), normal(rng, kind, k, c, kernel, kernel)
    pads = (kernel // 2, kernel // 2) if padding == "same" else padding
    dy = normal(rng, kind, n, k, height + 2 * pads[0] - kernel + 1,
                width + 2 * pads[1] - kernel + 1)
    check(channels_last(x) if last else x, weight, normal(rng, kind, k) if bias else None, dy,
          padding, 1 if min(height, width) > 7 and kernel == 3 else SMALL)


# Several blocks of tiles, several chunks, several tasks of channels.
@pytest.mark.parametrize("shape", [
    (40, 16, 30, 30, 32, 3), (3, 64, 33, 33, 64, 3), (6, 16, 40, 40, 17, 5), (2, 150, 9, 9, 200, 3),
    (20, 8, 20, 20, 8, 5)], ids=str)
def test_large(shape, threads, dtype, rng):
    n, c, height, width, k, kernel = shape
    x, weight = normal(rng, dtype, n, c, height, width), normal(rng, dtype, k, c, kernel, kernel)
    check(x, weight, normal(rng, dtype, k), normal(rng, dtype, n, k, height, width), kernel // 2)


@given(kernel=st.sampled_from([3, 5]), n=st.integers(1, 9), c=channels, k=channels,
       size=st.integers(5, 30), kind=dtypes, seed=seeds)
def test_same_bits_for_every_number_of_threads(every_kernel_in_parallel, kernel, n, c, k, size,
                                               kind, seed):
    rng = np.random.default_rng(seed)
    x, weight = normal(rng, kind, n, c, size, size), normal(rng, kind, k, c, kernel, kernel)
    dy = normal(rng, kind, n, k, size, size)
    results = []
    for number in (1, 2, 5):
        every_kernel_in_parallel(number)
        results.append((conv2d(x, weight, padding=kernel // 2, algorithm="winograd"),
                        *conv2d_backward(dy, x, weight, True, padding=kernel // 2,
                                         algorithm="winograd")))
    for result in results[1:]:
        assert_identical(result, results[0])


def before_a_wall(array):
    """A channels-last copy that ends where memory ends: reading on would kill the process."""
    size = -(-array.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, size + mmap.PAGESIZE)
    raw = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(raw.ctypes.data + size), mmap.PAGESIZE, 0) == 0
    rows = array.transpose(0, 2, 3, 1)
    copy = raw[size - array.nbytes:size].view(array.dtype).reshape(rows.shape)
    copy[...] = rows
    return copy.transpose(0, 3, 1, 2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects memory as Linux does")
@pytest.mark.parametrize("kernel, padding", [(3, 0), (3, 1), (5, 0), (5, 2)])
@pytest.mark.parametrize("c, k", [(17, 35), (5, 3), (135, 16), (16, 33)])
@pytest.mark.parametrize("size", [(12, 12), (13, 10), (8, 7)], ids=str)
def test_nothing_behind_the_arrays_is_read(kernel, padding, c, k, size, dtype, rng):
    """Vectors of channels go on into the next pixel, where there is one."""
    x, weight = normal(rng, dtype, 2, c, *size), normal(rng, dtype, k, c, kernel, kernel)
    dy = normal(rng, dtype, 2, k, *(length + 2 * padding - kernel + 1 for length in size))
    options = dict(padding=padding, algorithm="winograd")
    assert_identical(conv2d(before_a_wall(x), weight, **options), conv2d(x, weight, **options))
    assert_identical(conv2d_backward(before_a_wall(dy), before_a_wall(x), weight, True, **options),
                     conv2d_backward(dy, x, weight, True, **options))


def test_an_image_alone_is_what_it_is_in_a_batch(rng):
    x, weight = normal(rng, np.float32, 7, 20, 19, 19), normal(rng, np.float32, 20, 20, 3, 3)
    together = conv2d(x, weight, algorithm="winograd")
    for i in range(len(x)):
        np.testing.assert_array_equal(conv2d(x[i:i + 1], weight, algorithm="winograd")[0],
                                      together[i])


def test_a_nan_stays_near(rng):
    """It reaches the tiles whose inputs it is one of, no further, and no other image."""
    x, weight = normal(rng, np.float32, 3, 16, 40, 40), normal(rng, np.float32, 16, 16, 3, 3)
    x[1, 5, 20, 20] = np.nan
    y = conv2d(x, weight, padding=1, algorithm="winograd")
    bad = np.isnan(y).any(axis=1)
    assert bad[1, 19:22, 19:22].all() and not bad[[0, 2]].any()
    rows, columns = np.nonzero(bad[1])
    assert np.ptp(rows) < 12 and np.ptp(columns) < 12


def test_what_is_chosen(dtype, rng):
    x, weight = normal(rng, dtype, 2, 32, 24, 24), normal(rng, dtype, 32, 32, 3, 3)
    direct, winograd = (conv2d(x, weight, algorithm=name) for name in ("direct", "winograd"))
    assert (direct != winograd).any()
    np.testing.assert_array_equal(conv2d(x, weight), winograd)
    with cycnn.convolution_algorithm("direct"):
        np.testing.assert_array_equal(conv2d(x, weight), direct)
        np.testing.assert_array_equal(conv2d(x, weight, algorithm="winograd"), winograd)
        with cycnn.convolution_algorithm("auto"):
            np.testing.assert_array_equal(conv2d(x, weight), winograd)
        np.testing.assert_array_equal(conv2d(x, weight), direct)
    np.testing.assert_array_equal(conv2d(x, weight), winograd)
    # Where it is not possible, the program's choice is a wish and the call's own an error.
    with cycnn.convolution_algorithm("winograd"):
        conv2d(x, weight, stride=2)
    for options in ({"stride": 2}, {"dilation": 2}, {"groups": 2}):
        with pytest.raises(ValueError, match="algorithm"):
            conv2d(x, weight[:, :32 // options.get("groups", 1)], **options, algorithm="winograd")
    with pytest.raises(ValueError, match="algorithm.*'fft'"):
        conv2d(x, weight, algorithm="fft")
    with pytest.raises(ValueError, match="algorithm.*None"):
        cycnn.convolution_algorithm(None)


@pytest.mark.parametrize("c, k, kernel, size", [
    (1, 32, 3, 28), (1, 16, 5, 28), (3, 32, 3, 32), (6, 16, 5, 14), (4, 32, 3, 28), (16, 4, 5, 28),
    (8, 8, 5, 20), (32, 32, 3, 5), (16, 16, 3, 5), (64, 64, 3, 14), (24, 40, 5, 12)])
def test_each_pass_takes_what_is_said(c, k, kernel, size, dtype, rng):
    x, weight = normal(rng, dtype, 2, c, size, size), normal(rng, dtype, k, c, kernel, kernel)
    dy = normal(rng, dtype, 2, k, size - kernel + 1, size - kernel + 1)
    chosen = plan_for(x.shape, weight.shape, x.dtype, 1, 0, 1, 1).winograd
    if c == 1:
        assert not any(chosen)
    if min(c, k) >= 32 and size > 10:
        assert all(chosen)
    results = {algorithm: (conv2d(x, weight, algorithm=algorithm),
                           *conv2d_backward(dy, x, weight, algorithm=algorithm))
               for algorithm in ("auto", "direct", "winograd")}
    for i, winograd in enumerate(chosen):
        np.testing.assert_array_equal(
            results["auto"][i], results["winograd" if winograd else "direct"][i])


def test_without_weight_gradient(rng):
    x, weight = normal(rng, np.float32, 2, 16, 9, 9), normal(rng, np.float32, 16, 16, 3, 3)
    dy = normal(rng, np.float32, 2, 16, 7, 7)
    for algorithm in ("direct", "winograd"):
        everything = conv2d_backward(dy, x, weight, True, algorithm=algorithm)
        dx, *rest = conv2d_backward(dy, x, weight, True, weight_gradient=False,
                                    algorithm=algorithm)
        assert rest == [None, None]
        np.testing.assert_array_equal(dx, everything[0])


def test_both_algorithms_train_to_the_same_accuracy():
    train, held_out = cycnn.data.load("digits")
    accuracies = {}
    for algorithm in ("direct", "winograd"):
        with cycnn.convolution_algorithm(algorithm):
            rng = np.random.default_rng(0)
            model = cycnn.Sequential(
                cycnn.Conv2d(1, 16, 3, padding=1, rng=rng), cycnn.ReLU(),
                cycnn.Conv2d(16, 32, 5, padding=2, rng=rng), cycnn.ReLU(), cycnn.MaxPool2d(2),
                cycnn.Conv2d(32, 32, 3, padding=1, rng=rng), cycnn.ReLU(),
                cycnn.Flatten(), cycnn.Linear(512, 10, rng=rng))
            optimizer = cycnn.SGD(model.parameters(), lr=0.05, momentum=0.9)
            trainer = cycnn.Trainer(model, optimizer, cycnn.CrossEntropyLoss(), seed=0)
            steps = 6 * -(-len(train.images) // 32)
            trainer.fit(train, epochs=6, batch_size=32, progress=False,
                        schedule=cycnn.OneCycleLR(optimizer, max_lr=0.05, total_steps=steps))
            accuracies[algorithm] = trainer.evaluate(held_out)["accuracy"]
    assert min(accuracies.values()) > 0.97, accuracies
    assert abs(accuracies["direct"] - accuracies["winograd"]) < 0.02, accuracies
