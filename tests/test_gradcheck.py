"""gradcheck finds what is wrong with a layer, and says where."""

import re
from pathlib import Path

import numpy as np
import pytest

import cycnn as cn
from test_layers import each_layer, make


@each_layer
def test_cycnns_own_layers_are_right(name):
    layer, shape = make(name, np.float32)
    before = {name: array.copy() for name, array in layer.state_dict().items()}
    assert cn.gradcheck(layer, shape, samples=20) is True
    for key, array in layer.state_dict().items():           # it has worked on a copy
        assert array.dtype == before[key].dtype
        np.testing.assert_array_equal(array, before[key])


def test_the_batch_may_be_left_out():
    assert cn.gradcheck(cn.Conv2d(2, 3, 3), (2, 5, 5))
    assert cn.gradcheck(cn.Linear(4, 3), (4,))
    assert cn.gradcheck(cn.models.lenet5(), (1, 28, 28), samples=3)


def test_dropout_drops_the_same_in_every_call():
    model = cn.Sequential(cn.Dropout(0.5), cn.Linear(6, 4), cn.Dropout(0.3))
    state = cn.get_rng_state()
    assert cn.gradcheck(model, (3, 6))
    assert cn.gradcheck(cn.Dropout2d(0.5), (3, 6, 2, 2))
    assert cn.get_rng_state() == state


class Scale(cn.Module):
    """y = weight * x, one weight a channel; `wrong` says what is wrong with it."""

    def __init__(self, channels=3, wrong=None):
        self.wrong = wrong
        self.weight = cn.Parameter(np.linspace(1, 2, channels, dtype=np.float32)[:, None, None])

    def forward(self, x):
        self.remember(x)
        return x * self.weight.data

    def backward(self, dy, input_gradient=True, accumulate=False):
        x = self.recall()
        gradient = (dy * x).sum(axis=(0, 2, 3))[:, None, None]
        if self.wrong == "one place":
            gradient[1] *= 1.01
        if self.wrong == "shape":
            gradient = gradient[:, 0]
        if self.wrong == "nan":
            gradient[2] = np.nan
        if self.wrong != "no gradient":
            self.weight.set_grad(gradient, accumulate)
        if self.wrong == "no dx":
            return None
        return dy if self.wrong == "input" else dy * self.weight.data


@pytest.mark.parametrize("wrong, message", [
    ("one place", r"Scale: the gradient of weight is wrong at \(1, 0, 0\): backward gives .*, "
                  r"finite differences .* \(1 of 3 places"),
    ("nan", r"weight is wrong at \(2, 0, 0\): backward gives nan"),
    ("input", r"the gradient of the input is wrong at \(\d, [12], \d, \d\)"),
    ("shape", r"the gradient of weight has shape \(3, 1\), weight has \(3, 1, 1\)"),
    ("no gradient", "no gradient of weight"), ("no dx", "no gradient of the input")])
def test_it_says_where_a_gradient_is_wrong(wrong, message):
    with pytest.raises(cn.GradcheckError, match=message):
        cn.gradcheck(Scale(wrong=wrong), (2, 3, 4, 4))
    assert cn.gradcheck(Scale(wrong=wrong), (2, 3, 4, 4), raise_exception=False) is False
    assert cn.gradcheck(Scale(), (2, 3, 4, 4))


def test_it_names_the_parameter_of_a_network():
    model = cn.Sequential(cn.Conv2d(1, 3, 2, rng=0), Scale(wrong="one place"), cn.ReLU())
    with pytest.raises(cn.GradcheckError, match=r"gradient of 1\.weight is wrong at \(1, 0, 0\)"):
        cn.gradcheck(model, (2, 1, 5, 5))


def test_a_sample_of_places_finds_what_is_wrong_everywhere():
    with pytest.raises(cn.GradcheckError, match="of 7 places"):
        cn.gradcheck(Scale(wrong="input"), (2, 3, 9, 9), samples=7)


@pytest.mark.parametrize("arguments, options, error", [
    ((3, (2, 3)), {}, TypeError), ((cn.ReLU(), 3), {}, TypeError),
    ((cn.ReLU(), (2, 0)), {}, ValueError), ((cn.ReLU(), (2.0,)), {}, TypeError),
    ((cn.ReLU(), (2, 3)), {"eps": 0}, ValueError), ((cn.ReLU(), (2, 3)), {"atol": -1}, ValueError),
    ((cn.ReLU(), (2, 3)), {"samples": 0}, ValueError),
    ((cn.Conv2d(1, 2, 3), (3, 3)), {}, ValueError)])
def test_bad_input(arguments, options, error):
    with pytest.raises(error):
        cn.gradcheck(*arguments, **options)


def test_the_layer_in_the_documentation(tmp_path):
    """What docs/layers.md tells one to write is right, trains, and can be saved."""
    text = Path(__file__).parent.parent.joinpath("docs", "layers.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {}
    exec("\n".join(blocks[:2]), names)
    layer = names["Scale"]
    assert names["checked"] is True
    model = cn.Sequential(cn.Conv2d(1, 4, 3), layer(4), cn.ReLU(), cn.Flatten(),
                          cn.Linear(4 * 36, 2))
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    cn.save(model, tmp_path / "model.safetensors")
    again = cn.load(tmp_path / "model.safetensors", layers={"Scale": layer})
    x = np.ones((2, 1, 8, 8), np.float32)
    np.testing.assert_array_equal(again(x), model.eval()(x))
    assert sum(1 for line in blocks[0].splitlines() if line.strip()) <= 12


class Habit(cn.Module):
    """A layer whose gradients are right, but what it does beside them is wrong."""

    def __init__(self, habit):
        self.habit = habit
        self.weight = cn.Parameter(np.ones((3, 1, 1), np.float32))

    def forward(self, x):
        if self.habit == "forward in place":
            x *= 2
        self.remember(x)
        return x * self.weight.data

    def backward(self, dy, input_gradient=True, accumulate=False):
        gradient = (dy * self.recall()).sum(axis=(0, 2, 3))[:, None, None]
        if self.habit == "never adds":
            self.weight.grad = gradient
        else:
            self.weight.set_grad(gradient, accumulate or self.habit == "always adds")
        dx = dy * self.weight.data
        if self.habit == "backward in place":
            dy[...] = dx * 2
        return dx


@pytest.mark.parametrize("habit, message", [
    ("forward in place", "forward changes the array"),
    ("backward in place", "backward changes the gradient"),
    ("never adds", "accumulate=True must add to the gradient of weight"),
    ("always adds", "accumulate=False must write anew the gradient of weight")])
def test_habits_that_spoil_a_training(habit, message):
    assert cn.gradcheck(Habit(None), (2, 3, 4, 4))
    with pytest.raises(cn.GradcheckError, match=f"^Habit: .*{message}"):
        cn.gradcheck(Habit(habit), (2, 3, 4, 4))
