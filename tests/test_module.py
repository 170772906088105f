"""Modules: parameters, state and layers of one's own."""

import numpy as np
import pytest

import cycnn as cn
from checkpoint_run import images_and_labels
from cycnn.callbacks import Checkpoint
from helpers import normal
from reference import numerical_gradient
from test_layers import network


def test_names_are_pytorchs():
    model = cn.Sequential(cn.Conv2d(1, 2, 3), cn.ReLU(),
                          cn.Sequential(cn.Flatten(), cn.Linear(8, 3, bias=False)))
    assert {name: array.shape for name, array in model.state_dict().items()} == {
        "0.weight": (2, 1, 3, 3), "0.bias": (2,), "2.1.weight": (3, 8)}
    assert model.state_dict()["0.weight"] is model[0].weight.data
    assert len(list(model.parameters())) == 3


def test_a_state_dict_is_copied_in(dtype):
    one, two = network(dtype), network(np.float64)
    two.load_state_dict(one.state_dict())
    for name, array in two.state_dict().items():
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, one.state_dict()[name])
        assert not np.shares_memory(array, one.state_dict()[name])


def test_a_state_dict_that_does_not_fit_changes_nothing():
    model = network()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    state = {name: array + 1 for name, array in before.items()}
    state["4.weight"] = np.zeros((3, 35), np.float32)
    state["5.weight"] = state.pop("0.bias")
    with pytest.raises(ValueError, match=r"missing 0\.bias.*unexpected 5\.weight.*4\.weight.*35"):
        model.load_state_dict(state)
    with pytest.raises(ValueError, match=r"4\.weight"):
        model.load_state_dict(state, strict=False)
    with pytest.raises(TypeError, match=r"0\.weight"):
        model.load_state_dict({**before, "0.weight": np.full((4, 1, 3, 3), "a")})
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    del state["4.weight"]
    model.load_state_dict(state, strict=False)
    np.testing.assert_array_equal(model[0].weight.data, before["0.weight"] + 1)
    np.testing.assert_array_equal(model[0].bias.data, before["0.bias"])


class Scale(cn.Module):
    """A layer as a user writes it."""

    def __init__(self, channels):
        self.weight = cn.Parameter(np.full((channels, 1, 1), 2, np.float64))

    def forward(self, x):
        self.remember(x)
        return x * self.weight.data

    def backward(self, dy, input_gradient=True, accumulate=False):
        x = self.recall()
        self.weight.set_grad((dy * x).sum(axis=(0, 2, 3))[:, None, None], accumulate)
        return dy * self.weight.data if input_gradient else None


class Residual(cn.Module):
    """A container as a user writes it."""

    def __init__(self, channels):
        self.inner = cn.Sequential(Scale(channels), cn.Tanh())
        self.scale = Scale(channels)

    def forward(self, x):
        return self.scale(x + self.inner(x))

    def backward(self, dy, input_gradient=True, accumulate=False):
        dy = self.scale.backward(dy, True, accumulate)
        dx = self.inner.backward(dy, input_gradient, accumulate)
        return dx + dy if input_gradient else None


def test_layers_of_ones_own(rng):
    model = cn.Sequential(cn.Conv2d(1, 3, 2, dtype=np.float64), Residual(3), cn.ReLU())
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.inner.0.weight", "1.scale.weight"]
    assert all(not module.training for module in model.eval().modules())
    model.train()
    x = normal(rng, np.float64, 2, 1, 4, 4)
    dy = normal(rng, np.float64, *model(x).shape)
    np.testing.assert_allclose(
        model.backward(dy), numerical_gradient(lambda x: (model(x) * dy).sum(), x), rtol=1e-6,
        atol=1e-8)
    assert "(inner): Sequential(" in repr(model)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_a_parameter_keeps_its_shape(shape):
    for order in "CF":
        parameter = cn.Parameter(np.ones(shape, order=order))
        assert parameter.data.shape == shape and parameter.data.flags.c_contiguous
        assert repr(parameter) == f"Parameter(shape={shape}, dtype=float64)"


class Mask(cn.Module):
    """A layer with a buffer that is not learned."""

    def __init__(self, dtype="uint8"):
        self.register_buffer("mask", np.ones((1, 8, 8), dtype))

    def forward(self, x):
        return x * self.mask.astype(x.dtype)

    def backward(self, dy, input_gradient=True, accumulate=False):
        return dy * self.mask.astype(dy.dtype)

    def config(self):
        return {"dtype": str(self.mask.dtype)}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "uint64", "float16"])
def test_a_buffer_keeps_its_type(dtype, tmp_path):
    pytest.importorskip("safetensors")
    path, data = tmp_path / "last", images_and_labels()
    for epochs in (1, 2):                               # resumed the second time
        model = cn.Sequential(Mask(dtype), cn.Flatten(), cn.Linear(64, 3, rng=0))
        model[0].mask[0, :2] = 0 if dtype == "bool" else 2 if dtype.startswith("u") else -2
        cn.Trainer(model, cn.SGD(model.parameters(), 0.01), cn.CrossEntropyLoss()).fit(
            data, epochs, 50, progress=False, callbacks=[Checkpoint(path)], resume=True)
    if dtype == "uint64":
        model[0].mask[0, 0] = 2**64 - 1
    cn.save(model, tmp_path / "model")
    loaded = cn.load(tmp_path / "model", layers={"Mask": Mask})
    other = cn.Sequential(Mask(dtype), cn.Flatten(), cn.Linear(64, 3))
    other.load_state_dict(model.state_dict())
    for copy in (loaded, other, cn.load(path, layers={"Mask": Mask})):
        assert copy[0].mask.dtype == dtype
        np.testing.assert_array_equal(copy[0].mask[0, 1:], model[0].mask[0, 1:])
    for copy in (loaded, other):
        np.testing.assert_array_equal(copy[0].mask, model[0].mask)


@pytest.mark.parametrize("dtype, number", [("bool", 2), ("uint8", 256), ("int8", -129),
                                           ("int64", 2.0**63), ("int32", 0.5)])
def test_numbers_that_a_buffer_cannot_hold(dtype, number):
    layer = Mask(dtype)
    with pytest.raises(ValueError, match="mask must hold whole numbers of at least"):
        layer.load_state_dict({"mask": np.full((1, 8, 8), number)})
    assert (layer.mask == 1).all()


@pytest.mark.parametrize("dtype", ["complex64", "U3", "object", ">f4"])
def test_buffers_that_no_file_could_hold(dtype):
    with pytest.raises(TypeError, match="mask must be of one of the types.*float16.*bool, got"):
        Mask(dtype)


def test_a_module_says_what_it_lacks():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        cn.Module()(np.zeros(3))
    with pytest.raises(NotImplementedError, match="Module has no backward"):
        cn.Module().backward(np.zeros(3))
