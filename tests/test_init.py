"""First weights, and seeds."""

import numpy as np
import pytest

import cycnn as cn


def test_first_weights_are_within_pytorchs_bounds():
    layer = cn.Conv2d(8, 64, 5, rng=0)
    bound = 1 / np.sqrt(8 * 25)
    for parameter in (layer.weight, layer.bias):
        assert np.abs(parameter.data).max() <= bound
        assert np.abs(parameter.data).max() > 0.9 * bound
    assert abs(layer.weight.data.mean()) < bound / 50
    np.testing.assert_allclose(layer.weight.data.std(), bound / np.sqrt(3), rtol=0.02)


@pytest.mark.parametrize("function, options", [
    ("kaiming_uniform", {}), ("kaiming_uniform", {"a": 5 ** 0.5}),
    ("kaiming_normal", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("xavier_uniform", {"gain": 5 / 3}), ("xavier_normal", {})])
@pytest.mark.parametrize("shape", [(64, 32, 3, 3), (200, 100)])
def test_spread_of_initial_weights_is_pytorchs(function, options, shape, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours = getattr(cn.init, function)(shape, **options, dtype=dtype, rng=1)
    theirs = torch.empty(*shape)
    getattr(torch.nn.init, function + "_")(theirs, **options)
    assert ours.shape == shape and ours.dtype == dtype
    np.testing.assert_allclose(ours.std(), theirs.std().item(), rtol=0.05)
    if "uniform" in function:
        np.testing.assert_allclose(np.abs(ours).max(), theirs.abs().max().item(), rtol=0.01)


def test_bad_initialisation():
    for call in (lambda: cn.init.kaiming_normal((3,)), lambda: cn.init.xavier_uniform(()),
                 lambda: cn.init.kaiming_uniform((3, 3), mode="fan"),
                 lambda: cn.init.kaiming_uniform((3, 3), nonlinearity="gelu"),
                 lambda: cn.manual_seed(-1)):
        with pytest.raises(ValueError):
            call()


def test_seeds():
    cn.manual_seed(3)
    first = cn.Conv2d(2, 3, 3).weight.data
    assert (cn.Conv2d(2, 3, 3).weight.data != first).any()
    cn.manual_seed(3)
    np.testing.assert_array_equal(cn.Conv2d(2, 3, 3).weight.data, first)
    generator = np.random.Generator(np.random.PCG64(3))
    np.testing.assert_array_equal(cn.Conv2d(2, 3, 3, rng=generator).weight.data, first)
    np.testing.assert_array_equal(cn.Conv2d(2, 3, 3, rng=3).weight.data, first)
