"""The functions under augmentation: where pixels go, and what is erased."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cycnn import functional as F
from cycnn.data.augment import RandomAffine
from cycnn.data.draws import Draws
from helpers import IMAGE_KINDS, LAYOUTS, images_of


def positions(rng, number, length, size):
    """Of every kind that the kernel tells apart: runs forwards and backwards, margins, any."""
    start = rng.integers(-size, length + 1, (number, 1))
    kinds = np.stack([start + np.arange(size), start - np.arange(size),
                      rng.integers(-1, length, (number, size)), start + 2 * np.arange(size)])
    rows = kinds[rng.integers(0, 4, number), np.arange(number)]
    return np.where((rows < 0) | (rows >= length), -1, rows)


@given(seed=st.integers(0, 1000), channels=st.integers(1, 4), height=st.integers(1, 9),
       width=st.integers(1, 9), out=st.tuples(st.integers(0, 12), st.integers(0, 12)),
       number=st.integers(0, 5), kind=st.sampled_from(IMAGE_KINDS), last=st.booleans())
def test_remap(seed, channels, height, width, out, number, kind, last):
    rng = np.random.default_rng(seed)
    images = images_of(kind, 4, channels, height, width, seed=seed)
    if last:
        images = LAYOUTS["channels_last"](images)
    indices = rng.integers(0, 4, number)
    rows, columns = positions(rng, number, height, out[0]), positions(rng, number, width, out[1])
    fill = np.arange(channels) + 1
    found = F.remap(images, indices, rows, columns, fill)
    assert found.shape == (number, channels, *out) and found.dtype == kind
    expected = np.empty(found.shape, kind)
    for n, c, i, j in np.ndindex(*expected.shape):
        row, column = rows[n, i], columns[n, j]
        expected[n, c, i, j] = (fill[c] if min(row, column) < 0
                                else images[indices[n], c, row, column])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.dtype(np.int64).newbyteorder()])
def test_integers_of_any_type_and_memory(kind):
    """What says which pixels go where, which the kernels read as numbers of one size."""
    images = images_of(np.uint8, 4, 2, 6, 7)
    indices, rows = np.array([3, 0, 2, 1]), np.array([[2, -1, 0], [5, 4, 3], [0, 0, 1], [-1, 2, 2]])
    boxes = np.array([[0, 1, 2, 3], [5, 0, 1, 7], [2, 2, 0, 0], [1, 3, 4, 2]])
    matrices = np.array([[1, 0, 2, 0, 1, -1], [2, 0, 0, 0, 1, 3]] * 2)
    for change in (np.asfortranarray, lambda x: np.repeat(x, 2, -1)[..., ::2],
                   lambda x: x[::-1].copy()[::-1]):
        def other(x):
            return change(x.astype(kind))
        for f, arguments in ((F.remap, (indices, rows, rows)), (F.erase, (boxes,)),
                             (F.erase_noise, (boxes, indices)), (F.warp_affine, (matrices,))):
            np.testing.assert_array_equal(f(images, *map(other, arguments)), f(images, *arguments))


@pytest.mark.parametrize("kind", IMAGE_KINDS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", ["channels_last", "sliced"])
def test_wide_rows_of_fill(kind, channels, layout):
    """Longer than what is copied at a time."""
    images = LAYOUTS[layout](images_of(kind, 1, channels, 3, 5003))
    fill = 7 + np.arange(channels)
    expected = images.copy()
    expected[:, :, 1:, 2:5002] = fill[:, None, None]
    np.testing.assert_array_equal(F.erase(images, [[1, 2, 2, 5000]], fill), expected)
    found = F.remap(images, [0, 0], np.full((2, 1), 2), np.full((2, 5003), -1), fill)
    assert (found == fill[:, None, None]).all()


@pytest.mark.parametrize("kind", IMAGE_KINDS)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_warp_affine(kind, interpolation, rng):
    images = images_of(kind, 30, 2, 7, 5)
    matrices = rng.uniform(-1.5, 1.5, (30, 6)) * [1, 1, 4, 1, 1, 4]
    matrices[0], matrices[1] = [1, 0, 0, 0, 1, 0], [1e300, 0, 0, 0, 1, 0]
    fill = np.array([3, 200])
    found = F.warp_affine(images, matrices, interpolation, fill)
    padded = np.empty((30, 2, 207, 205))
    padded[:] = fill[:, None, None]
    padded[:, :, 100:107, 100:105] = images
    for n, i, j in np.ndindex(30, 7, 5):
        m = matrices[n]
        x, y = m[0] * j + m[1] * i + m[2], m[3] * j + m[4] * i + m[5]
        x, y = np.clip([x, y], -50, 100)            # far outside, where all is fill
        if interpolation == "nearest":
            expected = padded[n, :, 100 + round(y), 100 + round(x)]
        else:
            top, left = math.floor(y), math.floor(x)
            corners = padded[n, :, 100 + top:102 + top, 100 + left:102 + left]
            weights = np.outer([1 - (y - top), y - top], [1 - (x - left), x - left])
            expected = (corners * weights).sum(axis=(1, 2))
            expected = np.rint(expected) if kind is np.uint8 else expected
        np.testing.assert_allclose(found[n, :, i, j], expected, rtol=1e-6)
    np.testing.assert_array_equal(found[0], images[0])
    np.testing.assert_array_equal(found[1, :, :, 1:], np.broadcast_to(
        fill[:, None, None], (2, 7, 4)))


def test_affine_is_pytorchs(rng):
    """Angle, shift, scale and shear as in torchvision, whose matrix PyTorch's own grid applies."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    images = rng.uniform(0, 255, (20, 3, 20, 15))
    transform = RandomAffine(30, (0.2, 0.1), (0.7, 1.3), (-10, 10, -20, 20), "bilinear")
    found = transform(images, seed=3, epoch=2)
    draws = Draws(3, 2, np.arange(20))
    angle, dx, dy, scale, lean, rise = (draws.uniform(low, high) for low, high in (
        (-30, 30), (-3, 3), (-2, 2), (0.7, 1.3), (-10, 10), (-20, 20)))
    angle, lean, rise = np.radians([angle, lean, rise])
    for n in range(20):
        turn = np.array([[np.cos(angle[n]), -np.sin(angle[n])],
                         [np.sin(angle[n]), np.cos(angle[n])]])
        rising = np.array([[1, 0], [-np.tan(rise[n]), 1]])
        leaning = np.array([[1, -np.tan(lean[n])], [0, 1]])
        inverse = np.linalg.inv(turn @ rising @ leaning * scale[n])
        shift = inverse @ -np.round([dx[n], dy[n]])
        size = np.array([15, 20])
        # grid_sample's coordinates run from -1 to 1 across the image.
        theta = np.column_stack([inverse * size[None] / size[:, None], shift * 2 / size])
        grid = torch.nn.functional.affine_grid(torch.tensor(theta[None]), (1, 3, 20, 15),
                                               align_corners=False)
        expected = torch.nn.functional.grid_sample(torch.tensor(images[n:n + 1]), grid,
                                                   align_corners=False)
        np.testing.assert_allclose(found[n], expected[0].numpy(), atol=1e-9)


def test_erase(rng):
    images = images_of(np.float32, 4, 2, 6, 5)
    before = images.copy()
    found = F.erase(images, [[0, 0, 6, 5], [2, 1, 3, 2], [5, 4, 1, 1], [6, 5, 0, 0]], [0.5, -1])
    expected = images.copy()
    for n, part in enumerate((np.s_[:, :, :], np.s_[:, 2:5, 1:3], np.s_[:, 5:, 4:])):
        expected[n][part] = np.array([0.5, -1])[:, None, None]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_erase_noise(kind, every_kernel_in_parallel):
    """Within the box, even or normal; elsewhere the image."""
    images, boxes = images_of(kind, 3, 4, 60, 50), np.array([[5, 3, 55, 47]] * 3)
    before = images.copy()
    found = F.erase_noise(images, boxes, [1, 2, 3])
    assert found.dtype == kind
    outside = np.ones((60, 50), bool)
    outside[5:, 3:] = False
    np.testing.assert_array_equal(found[:, :, outside], images[:, :, outside])
    np.testing.assert_array_equal(images, before)
    noise = found[:, :, 5:, 3:].astype(float)
    if kind is np.uint8:
        counts = np.bincount(noise.astype(int).ravel(), minlength=256) / (noise.size / 256)
        assert len(counts) == 256 and 0.6 < counts.min() and counts.max() < 1.4
        noise = (noise - 127.5) / np.sqrt((256**2 - 1) / 12)
    else:
        assert np.abs(noise).max() < 7 and abs((noise**4).mean() - 3) < 0.3
    assert abs(noise.mean()) < 0.03 and abs(noise.std() - 1) < 0.02
    # Pixels, channels and images have numbers of their own.
    others = [noise[:, :, 1:, :-1], noise[:, :, :-1, :-1], noise[:, :, 1:, 1:],
              noise[:, [1, 2, 3, 0], 1:, :-1], noise[[1, 2, 0], :, 1:, :-1]]
    together = np.corrcoef([part.ravel() for part in others])
    assert np.abs(together - np.eye(5)).max() < 0.03
    # They follow from key and place, not from the box, the neighbours or the threads.
    every_kernel_in_parallel(2)
    part = F.erase_noise(LAYOUTS["channels_last"](images[2:]), [[7, 8, 2, 3]], np.uint64([3]))
    np.testing.assert_array_equal(part[0, :, 7:9, 8:11], found[2, :, 7:9, 8:11])
    every_kernel_in_parallel(1)
    np.testing.assert_array_equal(F.erase_noise(images, boxes, np.uint64([1, 2, 3])), found)


def test_noise_that_cannot_be():
    images = np.zeros((2, 1, 4, 4))
    for boxes, keys, error, message in (
            ([[0, 0, 5, 1]] * 2, [1, 2], ValueError, "boxes"),
            ([[0, 0, 1, 1]], [1], ValueError, "boxes"),
            ([[0, 0, 1, 1]] * 2, [1], ValueError, "keys"),
            ([[0, 0, 1, 1]] * 2, [1.0, 2.0], TypeError, "keys")):
        with pytest.raises(error, match=message):
            F.erase_noise(images, boxes, keys)
    assert F.erase_noise(images[:0], np.zeros((0, 4), int), []).shape == (0, 1, 4, 4)
