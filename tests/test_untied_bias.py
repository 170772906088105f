"""Convolutions with a bias for every output position: the function, the layer, and networks."""

import copy

import numpy as np
import pytest
from hypothesis import given

import cycnn as cn
import reference
from cycnn import functional as F
from helpers import assert_close, normal, whole
from small_training import bytes_of, shapes, trainer_of
from strategies import convolutions
from test_chain import alone, assert_same_step
from test_inference import used

pytestmark = pytest.mark.usefixtures("threads")


def conv(*args, **options):
    return cn.Conv2d(*args, **options, rng=3)


def untied_arrays(case, make):
    """x, weight, an untied bias, dy."""
    x, weight, _, dy = case.arrays(make)
    return x, weight, make(np.random.default_rng(case.seed + 1), case.dtype, *case.y_shape[1:]), dy


# --- the function ------------------------------------------------------------------------------

@given(case=convolutions())
def test_any_shape(case):
    x, weight, bias, dy = untied_arrays(case, normal)
    expected = reference.conv2d(x, weight, None, **case.options) + bias
    y = F.conv2d(x, weight, bias, **case.options)
    assert y.dtype == case.dtype
    assert_close(y, expected, case.terms)
    dx, dweight, dbias = F.conv2d_backward(dy, x, weight, "untied", **case.options)
    assert_close(dbias, dy.astype(np.float64).sum(axis=0), len(dy))
    others = F.conv2d_backward(dy, x, weight, False, **case.options)
    np.testing.assert_array_equal(dx, others[0])
    np.testing.assert_array_equal(dweight, others[1])


@given(case=convolutions())
def test_whole_numbers_are_exact(case):
    x, weight, bias, dy = untied_arrays(case, whole)
    np.testing.assert_array_equal(
        F.conv2d(x, weight, bias, **case.options, algorithm="direct"),
        reference.conv2d(x, weight, None, **case.options) + bias)
    np.testing.assert_array_equal(
        F.conv2d_backward(dy, x, weight, "untied", **case.options)[2], dy.sum(axis=0))


@pytest.mark.parametrize("images", [0, 1, 2, 31, 32, 33, 64, 65, 200])
def test_sums_over_many_images(images, dtype, rng):
    """Of more positions than a task has, and fewer; whole numbers, so that each sum is exact."""
    for size in ((17, 21), (1, 1)):
        x, weight = np.ones((images, 1, *size), dtype), np.ones((7, 1, 1, 1), dtype)
        dy = whole(rng, dtype, images, 7, *size)
        for memory in (dy, np.ascontiguousarray(dy.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)):
            before = memory.copy()
            _, _, dbias = F.conv2d_backward(memory, x, weight, "untied")
            assert dbias.dtype == dtype and dbias.shape == (7, *size)
            np.testing.assert_array_equal(dbias, dy.sum(axis=0))
            np.testing.assert_array_equal(memory, before)


def test_long_sums_keep_their_digits():
    x = np.full((100_000, 1, 1, 1), 0.1, np.float32)
    _, _, dbias = F.conv2d_backward(x, x, np.ones((1, 1, 1, 1), np.float32), "untied")
    np.testing.assert_allclose(dbias, x.sum(axis=0, dtype=np.float64), rtol=1e-6)


def test_what_is_asked_for(rng):
    x, weight = normal(rng, np.float32, 2, 3, 6, 5), normal(rng, np.float32, 4, 3, 3, 3)
    dy = normal(rng, np.float32, 2, 4, 4, 3)
    dx, dweight, dbias = F.conv2d_backward(dy, x, weight, "untied", weight_gradient=False)
    assert dweight is None and dbias is None and dx.shape == x.shape
    dx, dweight, dbias = F.conv2d_backward(dy, x, weight, bias="untied", input_gradient=False)
    assert dx is None and dweight.shape == weight.shape and dbias.shape == (4, 4, 3)
    np.testing.assert_allclose(F.conv2d_backward(dy, x, weight, True)[2], dbias.sum((1, 2)),
                               rtol=1e-5, atol=1e-6)


def test_nothing_is_written_to_what_is_given(rng):
    arrays = (normal(rng, np.float32, 2, 3, 6, 5), normal(rng, np.float32, 4, 3, 3, 3),
              normal(rng, np.float32, 4, 4, 3))
    before = copy.deepcopy(arrays)
    F.conv2d(*arrays)
    for one, other in zip(arrays, before):
        np.testing.assert_array_equal(one, other)


def test_numbers_that_are_none(rng):
    """NaN and infinity in a bias stay where they are, in a ReLU too."""
    layers = [conv(2, 3, 3, padding=1, untied_bias=(4, 5)), cn.ReLU()]
    layers[0].bias.data[1, 2, 3], layers[0].bias.data[0, 0, 0] = np.nan, np.inf
    y = cn.Sequential(*layers)(normal(rng, np.float32, 2, 2, 4, 5))
    assert np.isnan(y[:, 1, 2, 3]).all() and np.isnan(y).sum() == 2
    assert np.isinf(y[:, 0, 0, 0]).all() and np.isinf(y).sum() == 2


X, W = np.ones((2, 4, 6, 6), np.float32), np.ones((8, 4, 3, 3), np.float32)


@pytest.mark.parametrize("shape, options, message", [
    ((), {}, r"\(8,\).*\(8, 4, 4\).*got \(\)$"), ((9,), {}, r"\(8,\).*\(8, 4, 4\).*got \(9,\)$"),
    ((8, 1), {}, r"got \(8, 1\)$"), ((2, 8, 4, 4), {}, r"got \(2, 8, 4, 4\)$"),
    ((8, 1, 1), {}, "x of 6 x 6 gives an output of 4 x 4, x of 3 x 3 would give 1 x 1"),
    ((8, 4, 6), {}, "x of 6 x 8 would give 4 x 6"), ((8, 0, 4), {}, r"got \(8, 0, 4\)$"),
    ((4, 4, 8), {}, "x of 6 x 10 would give 4 x 8"), ((7, 4, 4), {}, "gives an output of 4 x 4$"),
    ((8, 6, 6), {"padding": "same", "dilation": 2}, None),
    ((8, 9, 5), {"padding": "same", "dilation": 2}, "x of 9 x 5 would give 9 x 5"),
    ((8, 4, 6), {"stride": (2, 3), "padding": 1}, "x of 8 x 18 would give 4 x 6"),
    ((8, 1, 1), {"padding": 4}, "gives an output of 12 x 12$"),
    ((8, 10, 10), {"kernel": 1, "stride": 6, "padding": 9}, "x of 42 x 42 would give 10 x 10")])
def test_a_bias_of_another_shape(shape, options, message):
    options = dict(options)
    weight = np.ones((8, 4, 1, 1), np.float32) if options.pop("kernel", None) else W
    bias = np.ones(shape, np.float32)
    if message is None:
        assert F.conv2d(X, weight, bias, **options).shape == (2, *shape)
        return
    with pytest.raises(ValueError, match="^bias must have shape.*" + message):
        F.conv2d(X, weight, bias, **options)
    if "would" in message:              # and so it does
        size = [int(n) for n in message.split("x of ")[-1].split(" would")[0].split(" x ")]
        x = np.ones((1, 4, *size), np.float32)
        fitting = shape if shape[0] == 8 else (8, *shape[1:])
        assert F.conv2d(x, weight, np.ones(fitting, np.float32), **options).shape[1:] == fitting


@pytest.mark.parametrize("bias, error, message", [
    ("tied", ValueError, "'tied'"), ("", ValueError, "''"), (np.ones(8), TypeError, "ndarray"),
    (1.0, TypeError, "float"), ([True], TypeError, "list")])
def test_another_kind_of_gradient(bias, error, message):
    with pytest.raises(error, match=f'^bias must be True, False or "untied".*{message}'):
        F.conv2d_backward(np.ones((2, 8, 4, 4), "f4"), X, W, bias)


@pytest.mark.parametrize("bias", [np.ones((8, 4, 4)), np.ones((8, 4, 4), complex), "a"])
def test_a_bias_of_another_type(bias):
    with pytest.raises(TypeError, match="^bias must be"):
        F.conv2d(X, W, bias)


# --- the layer ---------------------------------------------------------------------------------

# (in, out, kernel), options, the size of x, that of y
LAYERS = {
    "same": ((2, 3, 5), {"padding": "same"}, (7, 6), (7, 6)),
    "same, even": ((2, 3, (2, 4)), {"padding": "same"}, (7, 6), (7, 6)),
    "strided": ((2, 3, 3), {"stride": (2, 3), "padding": 1}, (7, 9), (4, 3)),
    "dilated": ((2, 3, 3), {"dilation": 2}, (7, 6), (3, 2)),
    "grouped": ((4, 6, 3), {"groups": 2}, (5, 6), (3, 4)),
    "depthwise": ((4, 4, 3), {"groups": 4, "padding": 1}, (5, 6), (5, 6)),
    "one pixel": ((3, 17, 4), {}, (4, 4), (1, 1)),
    "one channel": ((1, 1, 3), {}, (6, 5), (4, 3)),
    "Winograd": ((32, 32, 3), {"padding": 1}, (8, 8), (8, 8)),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


def layer_of(name, dtype=np.float32):
    """The layer, and the size of its images."""
    sizes, options, size, out = LAYERS[name]
    return (conv(*sizes, **options, untied_bias=out if out[0] != out[1] else out[0], dtype=dtype),
            (sizes[0], *size))


@each_layer
def test_gradients_are_those_of_finite_differences(name):
    layer, size = layer_of(name)
    assert cn.gradcheck(layer, (3, *size), samples=60)
    assert cn.gradcheck(cn.Sequential(layer, cn.Tanh(), cn.Flatten()), (1, *size), samples=40)


@each_layer
@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("images", [1, 5])
def test_a_step_is_pytorchs(name, images, dtype, rng):
    """A convolution without bias, and a parameter that is added to each of its images."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer, size = layer_of(name, dtype)
    sizes, options, _, out = LAYERS[name]

    class Untied(torch.nn.Conv2d):
        def __init__(self):
            super().__init__(*sizes, **options, bias=False, dtype=torch.from_numpy(
                np.zeros(0, dtype)).dtype)
            self.bias = torch.nn.Parameter(torch.zeros(sizes[1], *out, dtype=self.weight.dtype))

        def forward(self, x):
            return torch.nn.functional.conv2d(
                x, self.weight, None, self.stride, self.padding, self.dilation, self.groups
            ) + self.bias

    theirs = Untied()
    theirs.load_state_dict({name: torch.from_numpy(array.copy())
                            for name, array in layer.state_dict().items()})
    optimizer = cn.SGD(layer.parameters(), 0.1, 0.9, weight_decay=0.01)
    their_optimizer = torch.optim.SGD(theirs.parameters(), 0.1, 0.9, weight_decay=0.01)
    tolerance = 2e-5 if dtype == np.float32 else 1e-12
    for _ in range(3):
        x = normal(rng, dtype, images, *size)
        variable = torch.from_numpy(x).requires_grad_()
        y, expected = layer(x), theirs(variable)
        dy = normal(rng, dtype, *y.shape)
        their_optimizer.zero_grad()
        expected.backward(torch.from_numpy(dy))
        pairs = [(y, expected), (layer.backward(dy), variable.grad)]
        pairs += [(getattr(layer, name).grad, getattr(theirs, name).grad)
                  for name in ("weight", "bias")]
        optimizer.step()
        their_optimizer.step()
        pairs += [(getattr(layer, name).data, getattr(theirs, name)) for name in ("weight", "bias")]
        for ours, other in pairs:
            other = other.detach().numpy()
            np.testing.assert_allclose(ours, other, rtol=0,
                                       atol=tolerance * max(1, np.abs(other).max()))
    layer.load_state_dict(theirs.state_dict())
    np.testing.assert_array_equal(layer.bias.data, theirs.bias.detach().numpy())


def test_first_numbers(dtype):
    """The weight is that of a tied layer, the bias of the same distribution."""
    tied, untied = conv(3, 8, 5, dtype=dtype), conv(3, 8, 5, dtype=dtype, untied_bias=(24, 20))
    np.testing.assert_array_equal(tied.weight.data, untied.weight.data)
    bias, bound = untied.bias.data, 75 ** -0.5
    assert bias.shape == (8, 24, 20) and bias.dtype == dtype and bias.flags.c_contiguous
    assert np.abs(bias).max() <= bound and np.abs(bias.mean()) < bound / 20
    np.testing.assert_allclose(bias.std(), bound / 3 ** 0.5, rtol=0.05)


def test_no_untied_bias_is_the_layer_as_it_was():
    before, after = conv(2, 3, 3), conv(2, 3, 3, untied_bias=None)
    assert bytes_of(before) == bytes_of(after) and "untied_bias" not in before.config()
    assert repr(before) == repr(after) and "untied" not in repr(before)
    assert conv(2, 3, 3, bias=False, untied_bias=None).bias is None


@pytest.mark.parametrize("size, options, error, message", [
    (5, {"bias": False}, ValueError, r"untied_bias=\(5, 5\) needs bias=True, got bias=False"),
    (0, {}, ValueError, "untied_bias"), ((4, -1), {}, ValueError, "untied_bias"),
    ((4,), {}, ValueError, "untied_bias"), ((2, 4, 4), {}, ValueError, "untied_bias"),
    (2**31, {}, ValueError, "untied_bias"), (2**30, {}, ValueError, "untied bias is too large"),
    (True, {}, TypeError, "height and width"), (False, {}, TypeError, "height and width"),
    (4.0, {}, TypeError, "untied_bias"), ("same", {}, TypeError, "untied_bias"),
    ((4, "4"), {}, TypeError, "untied_bias"), ((4, True), {}, TypeError, "untied_bias"),
    ((2, 3), {"padding": 2}, ValueError, r"at least \(3, 3\).*got \(2, 3\)"),
    ((5, 2), {"padding": (3, 1), "stride": (1, 2), "kernel_size": 1}, ValueError, r"\(7, 2\)")])
def test_impossible_layers(size, options, error, message):
    with pytest.raises(error, match=message):
        cn.Conv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, "untied_bias": size,
                     **options})


def test_the_smallest_output_is_possible():
    layer = conv(4, 6, 1, padding=(3, 1), stride=(1, 2), untied_bias=(7, 2))
    assert layer(np.ones((1, 4, 1, 1), np.float32)).shape == (1, 6, 7, 2)
    layer = conv(1, 2, 5, padding="same", untied_bias=1)
    assert layer(np.ones((3, 1, 1, 1), np.float32)).shape == (3, 2, 1, 1)


@pytest.mark.parametrize("behind", [[], [cn.ReLU], [cn.ReLU, lambda: cn.MaxPool2d(2)],
                                    [lambda: cn.BatchNorm2d(6), cn.ReLU]], ids=len)
def test_images_of_another_size(behind):
    """Alone and in a chain, training and evaluating; what was there is as it was."""
    message = r"\(6, 24, 24\).*got \(6, 28, 28\).*x of 24 x 24.*x of 28 x 28 would give 28 x 28"
    model = cn.Sequential(conv(1, 6, 5, padding="same", untied_bias=28), *[f() for f in behind])
    good = np.ones((2, 1, 28, 28), np.float32)
    y = model(good)
    before = bytes_of(model)
    for network in (model, model[0], model.eval()):
        with pytest.raises(ValueError, match=message):
            network.forward(np.ones((2, 1, 24, 24), np.float32))
    with pytest.raises(ValueError, match=message):
        model.summary((1, 24, 24))
    assert bytes_of(model) == before and model(good).shape == y.shape


def test_description(capsys):
    layer = conv(1, 6, 5, padding="same", untied_bias=28)
    assert repr(layer) == ("Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=same, "
                           "untied_bias=(28, 28))")
    assert layer.config()["untied_bias"] == (28, 28)
    again = cn.Conv2d(**layer.config())
    assert repr(again) == repr(layer) and again.bias.data.shape == (6, 28, 28)
    row = layer.summary((1, 28, 28)).splitlines()[2].split()
    assert "4,854" in row and "117,600" in row          # 150 + 6 * 784 numbers
    capsys.readouterr()


# --- networks ----------------------------------------------------------------------------------

NETS = {
    "alone": lambda: [conv(3, 8, 3, untied_bias=(10, 11))],
    "ReLU": lambda: [cn.ReLU(), conv(3, 8, 3, untied_bias=(10, 11)), cn.ReLU(),
                     conv(8, 5, 3, untied_bias=(8, 9)), cn.ReLU()],
    "ReLU and pool": lambda: [conv(3, 16, 5, padding=2, untied_bias=(12, 13)), cn.ReLU(),
                              cn.MaxPool2d(2), conv(16, 9, 3, untied_bias=(4, 4)), cn.ReLU(),
                              cn.MaxPool2d(2)],
    "pool alone": lambda: [conv(3, 20, 3, untied_bias=(10, 11)), cn.MaxPool2d(2)],
    "another pool": lambda: [conv(3, 6, 3, untied_bias=(10, 11)), cn.ReLU(),
                             cn.MaxPool2d(3, 2, 1)],
    "Winograd": lambda: [conv(3, 32, 3, padding=1), cn.ReLU(),
                         conv(32, 32, 3, padding=1, untied_bias=(12, 13)), cn.ReLU(),
                         cn.MaxPool2d(2)],
    "depthwise": lambda: [conv(3, 6, 3, groups=3, untied_bias=(10, 11)), cn.ReLU(),
                          cn.MaxPool2d(2)],
    "before and behind tied ones": lambda: [
        conv(3, 8, 3), cn.ReLU(), conv(8, 8, 3, untied_bias=(8, 9)), cn.ReLU(), cn.MaxPool2d(2),
        conv(8, 4, 3)],
}


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("accumulate", [False, True], ids=["write", "accumulate"])
def test_a_chain_has_the_numbers_of_its_layers(net, accumulate, rng):
    model = cn.Sequential(*NETS[net]())
    layers = copy.deepcopy(model.layers)
    for images in (3, 1):
        x = normal(rng, np.float32, images, 3, 12, 13)
        assert_same_step(model, layers, x, accumulate, rng)
    model.eval()
    np.testing.assert_array_equal(model(x), alone(layers, x))


@pytest.mark.parametrize("behind", [[], [cn.ReLU], [cn.ReLU, lambda: cn.MaxPool2d(2)]], ids=len)
def test_batch_norm_behind_it(behind, dtype, rng):
    """In evaluation mode the normalisation goes into the convolution, position by position."""
    model = cn.Sequential(conv(3, 6, 3, untied_bias=(10, 11), dtype=dtype),
                          used(cn.BatchNorm2d(6, dtype=dtype), rng), *[f() for f in behind])
    x = normal(rng, dtype, 4, 3, 12, 13)
    if dtype == np.float32:
        assert_same_step(model, copy.deepcopy(model.layers), x, False, rng)
    model.eval()
    for change in (lambda: None, lambda: model[0].bias.data.__imul__(-3),
                   lambda: setattr(model[0].bias, "data", normal(rng, dtype, 6)),
                   lambda: setattr(model[0].bias, "data", normal(rng, dtype, 6, 10, 11))):
        change()
        assert_close(model(x), alone(model.layers, x).astype(np.float64), 300)


def test_it_is_folded(rng, monkeypatch):
    model = cn.Sequential(conv(3, 6, 3, untied_bias=(10, 11)), used(cn.BatchNorm2d(6), rng)).eval()
    x = normal(rng, np.float32, 2, 3, 12, 13)
    expected = model(x)
    monkeypatch.setattr(cn.BatchNorm2d, "forward", None)
    np.testing.assert_array_equal(model(x), expected)


def test_a_bias_that_cannot_be_folded_is_refused(rng):
    for wrong in ((3,), (3, 10, 11), (6, 10)):
        model = cn.Sequential(conv(3, 6, 3), used(cn.BatchNorm2d(6), rng)).eval()
        model[0].bias.data = np.ones(wrong, np.float32)
        with pytest.raises(ValueError, match="bias must have shape"):
            model(normal(rng, np.float32, 2, 3, 12, 13))


def test_inside_a_residual(rng):
    body = cn.Sequential(conv(4, 4, 3, padding=1, untied_bias=(5, 6)), cn.ReLU(),
                         conv(4, 4, 3, padding=1, untied_bias=(5, 6)))
    assert cn.gradcheck(cn.Sequential(cn.Residual(body), cn.Tanh()), (2, 4, 5, 6), samples=60)


def test_two_convolutions_on_colour_images(rng):
    """5 x 5 kernels, "same" padding and a bias a position: the sizes of a notebook's shape check."""
    layers = [conv(3, 6, 5, padding="same", untied_bias=28), cn.ReLU(),
              conv(6, 6, 5, padding="same", untied_bias=28), cn.ReLU(), cn.MaxPool2d(2),
              cn.Flatten(), cn.Linear(1176, 10, rng=0)]
    x = normal(rng, np.float32, 1, 3, 28, 28)
    given = []
    for layer in layers:
        given.append(x.shape)
        x = layer(x)
    assert given == [(1, 3, 28, 28), *[(1, 6, 28, 28)] * 4, (1, 6, 14, 14), (1, 1176)]
    for layer, shape in zip(reversed(layers), reversed(given)):
        x = layer.backward(x)
        assert x.shape == shape
    assert layers[0].bias.grad.shape == (6, 28, 28)


def small_network(dtype=np.float32):
    rng = np.random.default_rng(0)
    return cn.Sequential(
        cn.Conv2d(1, 6, 3, padding="same", dtype=dtype, rng=rng, untied_bias=8), cn.ReLU(),
        cn.Conv2d(6, 6, 3, padding="same", dtype=dtype, rng=rng, untied_bias=8), cn.ReLU(),
        cn.MaxPool2d(2), cn.Flatten(), cn.Linear(96, 3, dtype=dtype, rng=rng))


def test_training(rng, every_kernel_in_parallel, threads):
    """It learns; with one thread and with two to the same bits."""
    train = shapes(rng, 120)
    trained = []
    for number in (1, 2):
        every_kernel_in_parallel(number)
        model = small_network()
        before = model[0].bias.data.copy()
        history = trainer_of(model).fit(train, 8, 16, progress=False)
        assert history.train_accuracy[-1] > 0.9
        spread = np.ptp(model[0].bias.data - before, axis=(1, 2))
        assert (spread > 1e-4).any()                        # each position learns for itself
        trained.append(bytes_of(model))
    every_kernel_in_parallel(threads)
    assert trained[0] == trained[1]


def test_accumulated_gradients_and_weight_decay(rng):
    train = shapes(rng, 60)
    large, small = small_network(np.float64), small_network(np.float64)
    trainer_of(large, weight_decay=1e-2).fit(train, 2, 20, progress=False)
    trainer_of(small, weight_decay=1e-2).fit(train, 2, 5, accumulate=4, progress=False)
    for one, other in zip(large.parameters(), small.parameters(), strict=True):
        np.testing.assert_allclose(one.data, other.data, atol=1e-13)


def test_save_and_load(tmp_path, rng):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = small_network()
    path = tmp_path / "model.safetensors"
    cn.save(model, path)
    again = cn.load(path)
    assert repr(again) == repr(model) and bytes_of(again) == bytes_of(model)
    x = normal(rng, np.float32, 2, 1, 8, 8)
    np.testing.assert_array_equal(again(x), model.eval()(x))
    with pytest.raises(ValueError, match=r"0.bias has shape \(6, 8, 8\), needed is \(6,\)"):
        cn.Sequential(conv(1, 6, 3), *model.layers[1:]).load_state_dict(model.state_dict())
