"""Networks with untied biases: in chains, behind batch normalisation, trained, saved and loaded."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest

import cycnn as cn
from helpers import assert_close, normal
from small_training import bytes_of, shapes, trainer_of
from test_chain import alone, assert_same_step
from test_inference import used
from test_untied_bias import conv

pytestmark = pytest.mark.usefixtures("threads")

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
    y = model(x[:0])
    assert model.backward(y, accumulate=accumulate).shape == (0, 3, 12, 13) and y.shape[0] == 0
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
    """5 x 5 kernels, "same" padding, a bias a position: the sizes of a notebook's shape check."""
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


@pytest.mark.parametrize("size, message", [
    ([8, 7], r"0.bias has shape \(6, 8, 8\), needed is \(6, 8, 7\)"), (None, "0.bias has shape"),
    ([8], "untied_bias"), ("8", "untied_bias"), (True, "untied_bias"), ([8, 8.0], "untied_bias"),
    ([0, 8], "untied_bias"), (2**20, "more numbers than the file"), (2**30, "too large")])
def test_files_that_cannot_be(size, message, tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    from test_serialization import conv as config_of, rewrite
    path = tmp_path / "model.safetensors"
    cn.save(small_network(), path)
    rewrite(path, lambda content: config_of(content).update(untied_bias=size))
    with pytest.raises(ValueError, match=f"model.safetensors.*{message}"):
        cn.load(path)


def test_what_the_documentation_shows():
    text = Path(__file__).parent.parent.joinpath("docs", "layers.md").read_text()
    block, = [block for block in re.findall(r"```python\n(.*?)```", text, re.S)
              if "untied_bias" in block]
    names = {"cn": cn}
    exec(block, names)
    expression, shape = block.splitlines()[1].split("#")
    assert str(eval(expression, names)) == shape.strip()
    assert names["layer"].weight.data.size == 150 and names["layer"].bias.data.size == 4_704
