"""Pictures of a network: its filters, and what its layers make of an image."""

import numpy as np
import pytest

import cycnn as cn
from cycnn.plot import plot_feature_maps, plot_filters
from helpers import normal

pytest.importorskip("matplotlib")


@pytest.fixture
def model():
    cn.manual_seed(3)
    return cn.Sequential(
        cn.Conv2d(1, 4, 3, padding=1), cn.BatchNorm2d(4), cn.ReLU(), cn.MaxPool2d(2),
        cn.Residual(cn.Sequential(cn.Conv2d(4, 4, 3, padding=1), cn.ReLU())), cn.Dropout(0.5),
        cn.Flatten(), cn.Linear(64, 80), cn.Linear(80, 3))


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (1, 8, 8), np.uint8)


def tiles(figure):
    """The small pictures, a list of arrays for each axes."""
    return [[np.asarray(shown.get_array()) for shown in axes.images] for axes in figure.axes]


def titles(figure):
    return [axes.get_ylabel().split("\n") for axes in figure.axes]


# --- filters -------------------------------------------------------------------------------------

def test_grey_filters_share_one_scale(rng, tmp_path):
    weights = normal(rng, np.float32, 9, 1, 3, 5)
    figure = plot_filters(weights, tmp_path / "filters.png")
    shown, = tiles(figure)
    np.testing.assert_array_equal(shown, weights[:, 0])
    largest = np.abs(weights).max()
    for picture in figure.axes[0].images:
        np.testing.assert_allclose(picture.get_clim(), (-largest, largest))
    assert f"white {largest:.2g}" in figure.get_supxlabel()
    assert (tmp_path / "filters.png").read_bytes()[:4] == b"\x89PNG"
    # Two rows, and none over another.
    left, right, bottom, top = np.array([i.get_extent() for i in figure.axes[0].images]).T
    assert len(set(top)) == 2 and (np.diff(left[:8]) > (right - left)[:7]).all()
    assert (bottom - top == pytest.approx(3 / 5 * (right - left)))


def test_filters_of_three_channels_are_coloured():
    weights = np.zeros((2, 3, 1, 2))
    weights[0, 0, 0, 0], weights[0, 2, 0, 0], weights[1, 1, 0, 1] = 2, -2, 1
    first, second = tiles(plot_filters(weights))[0]
    np.testing.assert_array_equal(first, [[[1, 0.5, 0], [0.5, 0.5, 0.5]]])
    np.testing.assert_array_equal(second, [[[0.5, 0.5, 0.5], [0.5, 0.75, 0.5]]])
    bright, _ = tiles(plot_filters(weights, scale=1))[0]
    np.testing.assert_array_equal(bright[0, 0], [1, 0.5, 0])            # cut off at the scale


@pytest.mark.parametrize("channels", [2, 5])
def test_other_filters_are_rows(rng, channels):
    weights = normal(rng, np.float64, 4, channels, 3, 3)
    axes, = plot_filters(weights).axes
    np.testing.assert_array_equal([i.get_array() for i in axes.images],
                                  weights.reshape(-1, 3, 3))
    assert axes.get_xlabel() == f"{channels} input channels"
    axes, = plot_filters(weights, most=(3, 2)).axes
    np.testing.assert_array_equal([i.get_array() for i in axes.images],
                                  weights[:3, :2].reshape(-1, 3, 3))
    assert axes.get_ylabel() == "3 filters of 4"
    assert axes.get_xlabel() == "2 input channels" + (" of 5" if channels == 5 else "")


def test_filters_of_layers_and_networks(model, rng):
    first, nested = model[0], model[4].body[0]
    for given in (first, first.weight, first.weight.data, model):
        np.testing.assert_array_equal(tiles(plot_filters(given))[0], first.weight.data[:, 0])
    shown, = tiles(plot_filters(model, layer="4.body.0"))
    np.testing.assert_array_equal(shown, nested.weight.data.reshape(-1, 3, 3))
    transposed = cn.ConvTranspose2d(2, 1, 2)
    np.testing.assert_array_equal(tiles(plot_filters(transposed))[0],
                                  transposed.weight.data[:, 0])


def test_filters_that_are_all_zero_or_not_finite():
    shown, = tiles(plot_filters(np.zeros((1, 1, 2, 2))))
    np.testing.assert_array_equal(shown[0], 0)
    weights = np.array([[1.0, np.nan], [-np.inf, 0.5]]).reshape(1, 1, 2, 2)
    assert plot_filters(weights).axes[0].images[0].get_clim() == (-1, 1)
    assert np.isfinite(tiles(plot_filters(weights.repeat(3, 1)))[0]).all()


@pytest.mark.parametrize("arguments, error, message", [
    ((np.zeros((3, 3)),), ValueError, "^filters must be weights"),
    ((np.zeros((0, 1, 3, 3)),), ValueError, "^filters must be weights"),
    ((np.zeros((1, 1, 3, 3), complex),), TypeError, "^filters must be .* complex"),
    (("conv1",), TypeError, "^filters must be"), ((cn.Conv2d,), TypeError, "the class Conv2d"),
    (([[1], [1, 2]],), ValueError, "^filters must be"),
    ((cn.Linear(3, 2),), ValueError, "^filters must be a network with a convolution"),
    ((np.zeros((1, 1, 3, 3)), None, "0"), ValueError, "^layer must be None"),
    ((cn.Sequential(cn.ReLU(), cn.Conv2d(1, 2, 3)), None, "0"), ValueError, "^layer .*'1', got"),
    ((np.zeros((1, 1, 3, 3)), None, None, 0), ValueError, "^scale must be"),
    ((np.zeros((1, 1, 3, 3)), None, None, "x"), TypeError, "^scale must be"),
    ((np.zeros((1, 1, 3, 3)), None, None, 1, (0, 3)), ValueError, "^most must be"),
    ((np.zeros((1, 1, 3, 3)), None, None, 1, 2.5), TypeError, "^most must be")])
def test_bad_filters(arguments, error, message, tmp_path):
    with pytest.raises(error, match=message):
        plot_filters(*arguments[:1], tmp_path / "filters.png", *arguments[2:])
    assert not list(tmp_path.iterdir())


# --- feature maps --------------------------------------------------------------------------------

def test_feature_maps_layer_by_layer(model, image, tmp_path):
    model.eval()
    model.normalization = cn.Normalization([100.0], [50.0])
    figure = plot_feature_maps(model, image, tmp_path / "maps.png", most=3)
    assert [title[:2] for title in titles(figure)] == [
        ["image", "(1, 8, 8)"], ["0  Conv2d", "(4, 8, 8), first 3"],
        ["1  BatchNorm2d", "(4, 8, 8), first 3"], ["2  ReLU", "(4, 8, 8), first 3"],
        ["3  MaxPool2d", "(4, 4, 4), first 3"], ["4.body.0  Conv2d", "(4, 4, 4), first 3"],
        ["4.body.1  ReLU", "(4, 4, 4), first 3"], ["4  Residual", "(4, 4, 4), first 3"],
        ["5  Dropout", "(4, 4, 4), first 3"], ["6  Flatten", "(64)"], ["7  Linear", "(80)"],
        ["8  Linear", "(3)"]]
    assert (tmp_path / "maps.png").read_bytes()[:4] == b"\x89PNG"

    x = ((image[None] - 100.0) / 50).astype(np.float32)
    shown = tiles(figure)
    np.testing.assert_array_equal(shown[0], image)
    for row, layers in ((1, 1), (2, 2), (3, 3), (4, 4), (7, 5), (8, 6)):
        y = model[:layers](x)[0]
        np.testing.assert_allclose(shown[row], y[:3], rtol=1e-4, atol=1e-5)
        lowest, highest = figure.axes[row].images[0].get_clim()
        assert (lowest, highest) == pytest.approx((y.min(), y.max()), abs=1e-5)
        assert titles(figure)[row][2] == f"{lowest:.3g} to {highest:.3g}"
    strip, bars = figure.axes[10], figure.axes[11]
    np.testing.assert_allclose(strip.images[0].get_array()[0], model[:8](x)[0], rtol=1e-4,
                               atol=1e-5)
    logits = model(x)[0]
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], logits, rtol=1e-4,
                               atol=1e-5)
    blue = [bar.get_facecolor()[2] > bar.get_facecolor()[0] + 0.3 for bar in bars.patches]
    assert np.flatnonzero(blue).tolist() == [logits.argmax()]


def test_bars_are_called_what_the_classes_are(model, image):
    for classes, names in ((["cat", "dog", "eel"], ["cat", "dog", "eel"]),
                           (["cat", "dog"], ["0", "1", "2"])):
        model.classes = classes
        axes = plot_feature_maps(model, image).axes[-1]
        assert [text.get_text() for text in axes.get_xticklabels()] == names


def test_the_model_stays_as_it_was(model, rng, image):
    """Between forward and backward, with a layer in another mode and a part that is pending."""
    x, dy = normal(rng, np.float32, 5, 1, 8, 8), normal(rng, np.float32, 5, 3)
    model[1].eval()

    def step(between):
        cn.manual_seed(7)
        model(x)
        between()
        dx = model.backward(dy)
        return [dx, *(p.grad for p in model.parameters()), *model.state_dict().values()]

    expected = [array.copy() for array in step(lambda: None)]
    before = [{**vars(module)} for module in model.modules()]
    for between in (lambda: plot_feature_maps(model, image), lambda: model.summary((1, 8, 8)),
                    lambda: pytest.raises(ValueError, plot_feature_maps, model, image[:, :7])):
        for actual, array in zip(step(between), expected, strict=True):
            np.testing.assert_array_equal(actual, array)
        for module, attributes in zip(model.modules(), before, strict=True):
            assert vars(module).keys() == attributes.keys()
            assert module.training == (module is not model[1])


class Own(cn.Module):
    """A network with a forward of its own, in which one layer is called twice."""

    def __init__(self):
        self.conv, self.relu = cn.Conv2d(3, 2, 3, dtype=np.float64), cn.ReLU()
        self.body = Reversed(cn.Conv2d(2, 2, 1, dtype=np.float64), cn.ReLU())

    def forward(self, x):
        return self.relu(self.body(self.relu(self.conv(x)))).sum((2, 3))


class Reversed(cn.Sequential):
    def forward(self, x):
        return -super().forward(x)


def test_networks_with_a_forward_of_their_own(rng):
    model, image = Own(), normal(rng, np.float32, 3, 6, 5).astype(np.float16)
    figure = plot_feature_maps(model, image)
    assert [title[0] for title in titles(figure)] == [
        "image", "conv  Conv2d", "relu  ReLU", "body.0  Conv2d", "body.1  ReLU", "body  Reversed",
        "relu  ReLU", "Own"]
    assert tiles(figure)[0][0].shape == (6, 5, 3)                       # in colour
    shown = plot_feature_maps(model, image, layers=["body", "conv"])
    assert [title[0] for title in titles(shown)] == ["image", "conv  Conv2d", "body  Reversed"]
    alone = plot_feature_maps(model.conv, image)
    np.testing.assert_array_equal(tiles(alone)[1], tiles(figure)[1])


def test_maps_that_are_odd(image):
    """Constant, not finite, of one pixel, of one row; an image that is too wide for a square."""
    model = cn.Sequential(cn.Conv2d(1, 2, 1), cn.GlobalAvgPool2d())
    model[0].weight.data[...] = [[[[np.nan]]], [[[0]]]]
    model[0].bias.data[...] = 1
    figure = plot_feature_maps(model, image)
    assert titles(figure)[1][2] == "1 to 1" and titles(figure)[2][1] == "(2, 1, 1)"
    assert len(figure.axes[2].patches) == 2 and not figure.axes[2].images
    wide = plot_feature_maps(cn.Sequential(), np.arange(40.0).reshape(1, 1, 40))
    left, right, bottom, top = wide.axes[0].images[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(40)
    figure.draw_without_rendering()
    wide.draw_without_rendering()


@pytest.mark.parametrize("change, error, message", [
    ({"model": "net"}, TypeError, "^model must be a cycnn.Module, got str"),
    ({"model": cn.Sequential}, TypeError, "^model .* the class Sequential itself"),
    ({"image": np.zeros((8, 8))}, ValueError, r"^image must be \(C, H, W\).*image\[None\]"),
    ({"image": np.zeros((2, 1, 8, 8))}, ValueError, r"^image must be .*images\[0\]"),
    ({"image": np.zeros((1, 0, 8))}, ValueError, "^image must be"),
    ({"image": np.zeros((1, 8, 8), object)}, TypeError, "^image must be .* real numbers"),
    ({"image": np.zeros((3, 8, 8))}, ValueError, r"^image must be one .*in layer 0, Conv2d"),
    ({"layers": "0"}, TypeError, "^layers must be a list"),
    ({"layers": ["0", "9"]}, ValueError, "^layers must be names among '0', .*got '9'"),
    ({"layers": 3}, TypeError, "^layers must be"),
    ({"most": 0}, ValueError, "^most must be"), ({"most": 1.5}, TypeError, "^most must be")])
def test_bad_maps(model, image, change, error, message, tmp_path):
    arguments = {"model": model, "image": image, **change}
    with pytest.raises(error, match=message):
        plot_feature_maps(**arguments, path=tmp_path / "maps.png")
    assert not list(tmp_path.iterdir()) and model.training
