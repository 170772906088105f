"""Convolution and max-pooling by C addresses, without the GIL: the bits of `cycnn.functional`."""

import threading

import numpy as np
import pytest
from hypothesis import assume, given, settings

import cycnn as cn
import reference
from c_interface import (Conv2d, Guarded, MaxPool2d, call, new_conv2d, new_max_pool2d, plan,
                         signature)
from cycnn import functional as F
from cycnn.kernels import api
from helpers import assert_close, normal, whole
from strategies import convolutions, poolings

pair = reference.pair


def nhwc(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def nchw(x):
    return x.transpose(0, 3, 1, 2)


def fields(**options):
    """{"stride": 2} as {"stride_h": 2, "stride_w": 2}"""
    return {f"{name}_{axis}": size for name, value in options.items()
            for axis, size in zip("hw", pair(value))}


def planned(x_shape, weight_shape, stride=1, padding=0, dilation=1, groups=1, **options):
    n, c, h, w = x_shape
    return new_conv2d(n, c, h, w, weight_shape[0], *weight_shape[2:], groups=groups, **options,
                      **fields(stride=stride, padding=padding, dilation=dilation))


def convolve(conv, x, weight, bias, dy, threads):
    """(y, dx, dweight, dbias) of (N, C, H, W) arrays, through C."""
    dtype, k = x.dtype, weight.shape[0]
    y = Guarded((len(x), conv.out_height, conv.out_width, k), dtype)
    assert call("conv2d_forward", conv, nhwc(x), weight, bias, y.array, threads=threads) == 0
    dx = Guarded(nhwc(x).shape, dtype)
    dweight, dbias = Guarded(weight.shape, dtype), Guarded((k,), dtype)
    assert call("conv2d_backward", conv, nhwc(dy), nhwc(x), weight, dx.array, dweight.array,
                dbias.array, threads=threads) == 0
    return nchw(y.checked()), nchw(dx.checked()), dweight.checked(), dbias.checked()


@settings(max_examples=40)
@given(case=convolutions())
def test_convolutions_of_any_shape(case):
    x, weight, bias, dy = case.arrays()
    pads = reference.conv_padding(case.options["padding"], weight.shape[2:],
                                  pair(case.options["dilation"]))
    assume(all(before == after for before, after in pads))      # there is one number for both
    options = {**case.options, "padding": tuple(before for before, _ in pads)}
    conv = planned(x.shape, weight.shape, **options)
    assert (conv.out_height, conv.out_width) == case.y_shape[2:]
    expected = (F.conv2d(x, weight, bias, **options),
                *F.conv2d_backward(dy, x, weight, True, **options))
    for threads in (0, 1, 2, 5):
        for got, wanted in zip(convolve(conv, x, weight, bias, dy, threads), expected):
            np.testing.assert_array_equal(got, wanted)
    if x.size:
        assert_close(F.conv2d(x, weight, bias, **options),
                     reference.conv2d(x, weight, bias, **options), case.terms)


# Each is done by other kernels, on this or on another instruction set; the second and the third go
# by Winograd's algorithm everywhere.
@pytest.mark.parametrize("x_shape, weight_shape, options", [
    ((2, 3, 9, 11), (5, 3, 3, 3), {}), ((4, 32, 14, 14), (64, 32, 3, 3), {"padding": 1}),
    ((3, 24, 12, 12), (40, 24, 5, 5), {"padding": 2}), ((16, 4, 12, 12), (6, 4, 5, 5), {}),
    ((2, 8, 9, 9), (8, 1, 3, 3), {"groups": 8, "stride": 2, "padding": 1}),
    ((2, 6, 10, 8), (4, 3, 3, 2), {"groups": 2, "dilation": 2}),
    ((1, 1, 1, 1), (1, 1, 1, 1), {})])
@pytest.mark.parametrize("algorithm", ["auto", "direct", "winograd"])
def test_every_algorithm(x_shape, weight_shape, options, algorithm, dtype, rng):
    possible = weight_shape[2:] in ((3, 3), (5, 5)) and not {"groups", "stride"} & set(options)
    number = ["auto", "direct", "winograd"].index(algorithm)
    if algorithm == "winograd" and not possible:
        with pytest.raises(ValueError, match='algorithm="winograd" needs a kernel'):
            planned(x_shape, weight_shape, **options, algorithm=number)
        return
    conv = planned(x_shape, weight_shape, **options, algorithm=number)
    x, weight = normal(rng, dtype, *x_shape), normal(rng, dtype, *weight_shape)
    bias = normal(rng, dtype, weight_shape[0])
    dy = normal(rng, dtype, x_shape[0], weight_shape[0], conv.out_height, conv.out_width)
    expected = (F.conv2d(x, weight, bias, **options, algorithm=algorithm),
                *F.conv2d_backward(dy, x, weight, True, **options, algorithm=algorithm))
    for threads in (1, 2):
        for got, wanted in zip(convolve(conv, x, weight, bias, dy, threads), expected):
            np.testing.assert_array_equal(got, wanted)


def test_the_algorithm_of_the_process_counts_when_it_is_planned():
    shapes = (4, 32, 28, 28), (64, 32, 3, 3)
    auto, direct = planned(*shapes), planned(*shapes, algorithm=1)
    with cn.convolution_algorithm("direct"):
        held = planned(*shapes)
    assert list(held.kernels) == list(direct.kernels) != list(auto.kernels)


def test_gradients_that_nobody_wants(rng, dtype):
    x, weight = normal(rng, dtype, 2, 3, 8, 8), normal(rng, dtype, 4, 3, 3, 3)
    dy = normal(rng, dtype, 2, 4, 6, 6)
    conv = planned(x.shape, weight.shape)
    dx, dweight, dbias = F.conv2d_backward(dy, x, weight, True)
    got = np.empty((2, 8, 8, 3), dtype)
    assert call("conv2d_backward", conv, nhwc(dy), None, weight, got, None, None) == 0
    np.testing.assert_array_equal(nchw(got), dx)
    got = np.empty_like(weight)
    assert call("conv2d_backward", conv, nhwc(dy), nhwc(x), None, None, got, None) == 0
    np.testing.assert_array_equal(got, dweight)
    assert call("conv2d_backward", conv, nhwc(dy), None, None, None, None, None) == 0


def test_no_images_give_gradients_of_zero(dtype):
    conv = new_conv2d(0, 2, 5, 5, 3, 3, 3)
    assert (conv.out_height, conv.out_width) == (3, 3)
    weight, dweight, dbias = (Guarded(shape, dtype) for shape in ((3, 2, 3, 3), (3, 2, 3, 3), (3,)))
    assert call("conv2d_forward", conv, None, weight.array, None, None) == 0
    assert call("conv2d_backward", conv, None, None, weight.array, None, dweight.array,
                dbias.array) == 0
    assert not dweight.checked().any() and not dbias.checked().any()
    pool = new_max_pool2d(0, 2, 6, 6, 2, 2)
    assert call("max_pool2d_forward", pool, None, None, None, dtype=dtype) == 0
    assert call("max_pool2d_backward", pool, None, None, None, dtype=dtype) == 0


def pooled(pool, x, threads):
    """(y, dx of ones), through C."""
    y = Guarded((len(x), pool.out_height, pool.out_width, x.shape[1]), x.dtype)
    winners = Guarded(y.array.shape, {1: np.uint8, 4: np.int32}[pool.winner_size])
    assert call("max_pool2d_forward", pool, nhwc(x), y.array, winners.array, threads=threads,
                dtype=x.dtype) == 0
    alone = np.empty_like(y.array)
    assert call("max_pool2d_forward", pool, nhwc(x), alone, None, threads=threads) == 0
    np.testing.assert_array_equal(alone, y.array)
    dx = Guarded(nhwc(x).shape, x.dtype)
    assert call("max_pool2d_backward", pool, np.ones_like(y.array), winners.checked(), dx.array,
                threads=threads, dtype=x.dtype) == 0
    return nchw(y.checked()), nchw(dx.checked())


def check_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    options = dict(stride=kernel_size if stride is None else stride, padding=padding,
                   dilation=dilation)
    pool = new_max_pool2d(*x.shape, *pair(kernel_size), ceil_mode=int(ceil_mode),
                          **fields(**options))
    y, indices = F.max_pool2d(x, kernel_size, **options, ceil_mode=ceil_mode, return_indices=True)
    dx = F.max_pool2d_backward(np.ones_like(y), indices, x.shape)
    for threads in (0, 1, 3):
        for got, wanted in zip(pooled(pool, x, threads), (y, dx)):
            np.testing.assert_array_equal(got, wanted)
    return pool


@settings(max_examples=40)
@given(case=poolings())
def test_pools_of_any_shape(case):
    x, options = case
    check_pool(x, **options)


def test_winners_of_large_windows(rng, dtype):
    assert check_pool(whole(rng, dtype, 2, 3, 20, 33), (16, 16), stride=3).winner_size == 4
    assert check_pool(whole(rng, dtype, 2, 3, 20, 33), (15, 17), stride=3).winner_size == 1


# --- without the GIL ------------------------------------------------------------------------

def test_from_several_threads_at_once(rng):
    """One plan serves all of them; none waits for another."""
    x, weight = normal(rng, np.float32, 2, 8, 16, 16), normal(rng, np.float32, 12, 8, 3, 3)
    conv, expected = planned(x.shape, weight.shape), F.conv2d(x, weight)
    x, failures = nhwc(x), []

    def run():
        for _ in range(20):
            y = np.empty((2, 14, 14, 12), np.float32)
            if call("conv2d_forward", conv, x, weight, None, y) or (nchw(y) != expected).any():
                failures.append(y)

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


# --- what is refused ------------------------------------------------------------------------

ONE = np.zeros(1000, np.float32)


@pytest.mark.parametrize("sizes, options, message", [
    ((-1, 1, 5, 5, 1, 3, 3), {}, "n must be an integer from 0"),
    ((1, 0, 5, 5, 1, 3, 3), {}, "channels must be an integer from 1"),
    ((1, 1, 0, 5, 1, 3, 3), {}, "height must be an integer from 1"),
    ((1, 1, 5, -5, 1, 3, 3), {}, "width must be an integer from 1"),
    ((1, 1, 5, 5, 0, 3, 3), {}, "out_channels must be an integer from 1"),
    ((1, 1, 5, 5, 1, 0, 3), {}, "kernel_size must be an integer from 1"),
    ((1, 1, 5, 5, 1, 3, 3), {"stride_w": 0}, "stride must be an integer from 1"),
    ((1, 1, 5, 5, 1, 3, 3), {"padding_h": -1}, "padding must be an integer from 0"),
    ((1, 1, 5, 5, 1, 3, 3), {"dilation_h": 0}, "dilation must be an integer from 1"),
    ((1, 1, 5, 5, 1, 3, 3), {"groups": 0}, "groups must be an integer from 1"),
    ((1, 3, 5, 5, 4, 3, 3), {"groups": 2}, "groups must divide channels=3, got 2"),
    ((1, 4, 5, 5, 3, 3, 3), {"groups": 2}, "groups must divide the 3 output channels"),
    ((1, 1, 5, 5, 1, 3, 3), {"algorithm": 3}, "algorithm must be CONV2D_AUTO"),
    ((1, 1, 5, 5, 1, 6, 3), {}, "the output would be empty"),
    ((2**20, 2**20, 2**20, 5, 1, 3, 3), {}, "x is too large"),
    ((1, 2**20, 5, 5, 2**20, 2**20, 3), {}, "weight is too large")])
def test_convolutions_that_cannot_be(sizes, options, message):
    with pytest.raises(ValueError, match=message):
        new_conv2d(*sizes, **options)


@pytest.mark.parametrize("sizes, options, message", [
    ((-1, 1, 5, 5, 2, 2), {}, "n must be an integer from 0"),
    ((1, 0, 5, 5, 2, 2), {}, "channels must be"), ((1, 1, 0, 5, 2, 2), {}, "height must be"),
    ((1, 1, 5, 5, 0, 2), {}, "kernel_size must be an integer from 1"),
    ((1, 1, 5, 5, 2, 2), {"stride_h": 0}, "stride must be an integer from 1"),
    ((1, 1, 5, 5, 2, 2), {"padding_w": 2}, "padding must be at most half of kernel_size"),
    ((1, 1, 5, 5, 6, 2), {}, "kernel_size must fit into the padded image")])
def test_pools_that_cannot_be(sizes, options, message):
    with pytest.raises(ValueError, match=message):
        new_max_pool2d(*sizes, **options)


def refused(message, name, struct, *arrays, **options):
    with pytest.raises(ValueError, match=message):
        call(name, struct, *arrays, dtype=np.float32, gil=True, **options)


def test_what_was_not_planned():
    conv, pool = new_conv2d(1, 1, 5, 5, 1, 3, 3), new_max_pool2d(1, 1, 5, 5, 2, 2)
    for struct in (None, Conv2d(), Conv2d(n=1, channels=1, height=5, width=5)):
        refused("planned by conv2d_plan", "conv2d_forward", struct, *[ONE] * 4)
        refused("planned by conv2d_plan", "conv2d_backward", struct, *[ONE] * 6)
    for struct in (None, MaxPool2d(), MaxPool2d(n=1, channels=1, height=5, width=5)):
        refused("planned by max_pool2d_plan", "max_pool2d_forward", struct, *[ONE] * 3)
        refused("planned by max_pool2d_plan", "max_pool2d_backward", struct, *[ONE] * 3)
    for struct, call_name, count in ((conv, "conv2d_forward", 4), (pool, "max_pool2d_forward", 3)):
        for name, _ in struct._fields_[:17 if struct is conv else 16]:
            value = getattr(struct, name)
            setattr(struct, name, value + 1)
            refused("not have been changed|and not have", call_name, struct, *[ONE] * count)
            setattr(struct, name, value)
        assert call(call_name, struct, *[ONE.copy() for _ in range(count)]) == 0


def test_a_plan_that_is_refused_is_none():
    conv = new_conv2d(1, 1, 5, 5, 1, 3, 3)
    conv.stride_h = 0
    with pytest.raises(ValueError, match="stride"):
        plan(conv)
    refused("planned by conv2d_plan", "conv2d_forward", conv, *[ONE] * 4)


def test_missing_arrays():
    conv, pool = new_conv2d(1, 1, 5, 5, 1, 3, 3), new_max_pool2d(1, 1, 5, 5, 2, 2)
    for at in (0, 1, 3):                        # a bias may be missing
        arrays = [ONE] * 4
        arrays[at] = None
        refused("x, weight and y must not be NULL", "conv2d_forward", conv, *arrays)
    refused("dbias", "conv2d_backward", conv, ONE, ONE, ONE, ONE, None, ONE)
    refused("weight must", "conv2d_backward", conv, ONE, ONE, None, ONE, ONE, ONE)
    refused("dy, and", "conv2d_backward", conv, None, ONE, ONE, ONE, ONE, ONE)
    refused("also x", "conv2d_backward", conv, ONE, None, ONE, ONE, ONE, ONE)
    for at in (0, 1):
        arrays = [ONE] * 3
        arrays[at] = None
        refused("x and y must not", "max_pool2d_forward", pool, *arrays)
    for at in (0, 1, 2):
        arrays = [ONE] * 3
        arrays[at] = None
        refused("dy, winners and dx", "max_pool2d_backward", pool, *arrays)


@pytest.mark.parametrize("threads", [-1, 1025, -2**31])
def test_numbers_of_threads_that_cannot_be(threads):
    conv, pool = new_conv2d(1, 1, 5, 5, 1, 3, 3), new_max_pool2d(1, 1, 5, 5, 2, 2)
    refused("threads must be from 0", "conv2d_forward", conv, *[ONE] * 4, threads=threads)
    refused("threads must be from 0", "conv2d_backward", conv, *[ONE] * 6, threads=threads)
    refused("threads must be from 0", "max_pool2d_forward", pool, *[ONE] * 3, threads=threads)
    refused("threads must be from 0", "max_pool2d_backward", pool, *[ONE] * 3, threads=threads)


# --- what has been published ----------------------------------------------------------------

CONV, POOL = (f"struct __pyx_t_5cycnn_7kernels_3api_{name}" for name in ("Conv2d", "MaxPool2d"))
PUBLISHED = {
    "conv2d": f"{CONV} ({', '.join(['Py_ssize_t'] * 7)})",
    "conv2d_plan": f"int ({CONV} *)",
    "max_pool2d": f"{POOL} ({', '.join(['Py_ssize_t'] * 6)})",
    "max_pool2d_plan": f"int ({POOL} *)"}
for suffix, real in (("f32", "float"), ("f64", "double")):
    PUBLISHED |= {
        f"conv2d_forward_{suffix}":
            f"int ({CONV} const *, {real} const *, {real} const *, {real} const *, {real} *, int)",
        f"conv2d_backward_{suffix}":
            f"int ({CONV} const *, {real} const *, {real} const *, {real} const *, {real} *, "
            f"{real} *, {real} *, int)",
        f"max_pool2d_forward_{suffix}":
            f"int ({POOL} const *, {real} const *, {real} *, void *, int)",
        f"max_pool2d_backward_{suffix}":
            f"int ({POOL} const *, {real} const *, void const *, {real} *, int)"}


def test_signatures_stay():
    """A module that was built against another cycnn looks for exactly these: add, never change."""
    assert {name: signature(name) for name in api.__pyx_capi__} == PUBLISHED
