"""Augmentation: what it does to an image, and that this depends on seed, epoch and index alone."""

import math

import numpy as np
import pytest

import cycnn as cn
from cycnn.data.augment import (Augmentation, CenterCrop, Compose, RandomAffine, RandomCrop,
                                RandomErasing, RandomHorizontalFlip, RandomRotation, RandomShift,
                                RandomVerticalFlip)
from cycnn.data.draws import Draws
from helpers import IMAGE_KINDS, LAYOUTS, MATRIX_LAYOUTS, images_of

ALL = {
    "crop": RandomCrop(6, padding=2), "crop, reflected": RandomCrop((5, 9), (1, 2), fill=9,
                                                                    padding_mode="reflect"),
    "shift": RandomShift((2, 3), fill=4), "flip": RandomHorizontalFlip(),
    "upside down": RandomVerticalFlip(), "rotation": RandomRotation(40, fill=5),
    "affine": RandomAffine(20, (0.1, 0.2), (0.8, 1.2), 10, "bilinear"),
    "erasing": RandomErasing(0.9, value=7), "noise": RandomErasing(0.9, value="random"),
    "middle": CenterCrop(6),
    "all": Compose([RandomShift(2), RandomHorizontalFlip(), RandomCrop(7, fill=3),
                    RandomRotation(15), Compose([RandomVerticalFlip(), RandomErasing()])]),
}
each = pytest.mark.parametrize("name", ALL)


@pytest.mark.parametrize("mode, pad", [("constant", {"constant_values": 9}), ("edge", {}),
                                       ("reflect", {}), ("symmetric", {})])
@pytest.mark.parametrize("padding, widths", [(3, ((3, 3), (3, 3))), ((1, 2), ((2, 2), (1, 1))),
                                             ((0, 1, 2, 3), ((1, 3), (0, 2)))])
def test_crop(mode, pad, padding, widths):
    images = images_of(np.uint8, 900, 2, 5, 7)
    found = RandomCrop((4, 6), padding, fill=9, padding_mode=mode)(images)
    padded = np.pad(images, ((0, 0), (0, 0), *widths), mode=mode, **pad)
    views = np.lib.stride_tricks.sliding_window_view(padded, (4, 6), axis=(2, 3))
    equal = (views == found[:, :, None, None]).all(axis=(1, 4, 5))
    assert equal.any(axis=(1, 2)).all()                 # each is one of its image's parts
    assert equal.any(axis=0).all()                      # and every place comes up


def test_crop_of_small_images():
    images = images_of(np.uint8, 50, 1, 3, 9)
    with pytest.raises(ValueError, match="size must fit .* 5 pixels of height"):
        RandomCrop(5)(images)
    found = RandomCrop(5, pad_if_needed=True)(images)
    assert found.shape == (50, 1, 5, 5)
    assert set((found > 0).sum(axis=2).max(axis=(1, 2))) <= {1, 2, 3}
    for padding, mode in ((3, "reflect"), (4, "symmetric")):
        with pytest.raises(ValueError, match="padding must be"):
            RandomCrop(5, padding, padding_mode=mode)(images)


def test_shift_is_a_padded_crop():
    images = images_of(np.float64, 100, 3, 6, 8)
    shifted = RandomShift((1, 2), fill=(1, 2, 3))(images, seed=4)
    cropped = RandomCrop((6, 8), padding=(2, 1), fill=(1, 2, 3))(images, seed=4)
    for found in (shifted, cropped):
        padded = np.empty((100, 3, 8, 12))
        padded[:] = np.array([1, 2, 3])[:, None, None]
        padded[:, :, 1:7, 2:10] = images
        views = np.lib.stride_tricks.sliding_window_view(padded, (6, 8), axis=(2, 3))
        assert (views == found[:, :, None, None]).all(axis=(1, 4, 5)).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(RandomShift(0)(images), images)


@pytest.mark.parametrize("cls, axis", [(RandomHorizontalFlip, 3), (RandomVerticalFlip, 2)])
def test_flips(cls, axis):
    images = images_of(np.uint8, 2000, 1, 3, 4)
    found = cls(0.25)(images)
    flipped = (found == np.flip(images, axis)).all(axis=(1, 2, 3))
    assert ((found == images).all(axis=(1, 2, 3)) | flipped).all()
    assert 0.21 < flipped.mean() < 0.29
    np.testing.assert_array_equal(cls(1)(images), np.flip(images, axis))
    np.testing.assert_array_equal(cls(0)(images), images)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_rotation_is_counter_clockwise(interpolation):
    images = images_of(np.uint8, 5, 3, 8, 8)
    for turns in range(-3, 4):
        angle = 90 * turns
        found = RandomRotation((angle, angle), interpolation)(images)
        np.testing.assert_array_equal(found, np.rot90(images, turns, axes=(2, 3)))
        found = RandomAffine((-angle, -angle), interpolation=interpolation)(images)
        np.testing.assert_array_equal(found, np.rot90(images, turns, axes=(2, 3)))


def test_erasing_covers_rectangles_of_the_right_size():
    images = np.zeros((3000, 1, 20, 30), np.uint8)
    found = RandomErasing(0.5, scale=(0.1, 0.2), ratio=(0.5, 2), value=200)(images) == 200
    area = found.sum(axis=(1, 2, 3))
    assert 0.46 < (area > 0).mean() < 0.54
    rows, columns = found.any(axis=(1, 3)).sum(axis=1), found.any(axis=(1, 2)).sum(axis=1)
    np.testing.assert_array_equal(area, rows * columns)         # nothing but whole rectangles
    rows, columns, area = rows[area > 0], columns[area > 0], area[area > 0]
    assert 50 < area.min() and area.max() < 135 and rows.max() < 20 and columns.max() < 30
    assert 0.4 < (rows / columns).min() and (rows / columns).max() < 2.3
    assert found.any(axis=0).all()
    impossible = RandomErasing(1, scale=(1, 1), ratio=(1, 1))(images[:50] + 1)
    assert (impossible == 1).all()


def test_erasing_by_noise_and_by_channel():
    """The same rectangles whatever covers them."""
    images = np.full((200, 3, 16, 16), 50, np.uint8)
    covered = RandomErasing(value=200)(images, seed=1)[:, :1] == 200
    noise = RandomErasing(value="random")(images, seed=1)
    assert (noise[~covered.repeat(3, 1)] == 50).all()
    inside = noise[covered.repeat(3, 1)]
    assert len(np.unique(inside)) == 256 and abs(inside.mean() - 127.5) < 2
    assert (RandomErasing(value="random")(images, seed=1, epoch=1) != noise).any()
    colours = RandomErasing(value=(1, 2.0, 3))(images, seed=1)
    np.testing.assert_array_equal(
        colours, np.where(covered, np.reshape([1, 2, 3], (3, 1, 1)), images))
    floats = RandomErasing(value="random")(images.astype(np.float32), seed=1)
    assert abs(floats[covered.repeat(3, 1)].std() - 1) < 0.02
    with pytest.raises(ValueError, match="value must be a number or one for each of the 3"):
        RandomErasing(value=(1, 2))(images)


def test_the_middle():
    images = images_of(np.uint8, 2, 1, 6, 7)
    np.testing.assert_array_equal(CenterCrop((4, 3))(images), images[:, :, 1:5, 2:5])
    np.testing.assert_array_equal(CenterCrop((9, 10))(images), np.pad(
        images, ((0, 0), (0, 0), (1, 2), (1, 2))))


# --- what holds for all ------------------------------------------------------------------------

@each
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_seed_epoch_and_index_alone_decide(name, channels, every_kernel_in_parallel):
    images = images_of(np.uint8, 40, channels, 8, 9)
    augment = ALL[name]
    found = augment(images, seed=3, epoch=2)
    for threads in (1, 2):
        every_kernel_in_parallel(threads)
        for part in ([7], [39, 0, 7, 7], range(10, 40), []):
            np.testing.assert_array_equal(augment(images, np.array(part, int), 3, 2),
                                          found[list(part)])
    # In a store of another order, the samples' numbers say which is which.
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(augment(images[order], seed=3, epoch=2, samples=order),
                                  found[order])
    if name != "middle":
        assert (augment(images, seed=3, epoch=3) != found).any()
        assert (augment(images, seed=4, epoch=2) != found).any()


@each
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [*IMAGE_KINDS, np.int16, np.float16, bool])
def test_any_type_and_memory(name, layout, kind):
    images = images_of(np.uint8, 6, 2, 8, 9).astype(kind)
    images = images if layout in MATRIX_LAYOUTS else np.ascontiguousarray(images)
    before = images.copy()
    found = ALL[name](LAYOUTS[layout](images))
    assert found.dtype == (kind if kind in IMAGE_KINDS else np.float32)
    kept = images if kind in IMAGE_KINDS else images.astype(np.float32)
    np.testing.assert_array_equal(found, ALL[name](kept))
    np.testing.assert_array_equal(images, before)
    assert not np.shares_memory(found, images)


def test_a_chain_is_its_parts_one_after_another():
    images = images_of(np.uint8, 30, 3, 9, 8)
    parts = [RandomCrop(7, padding=1, fill=5), RandomShift(2, fill=9), RandomHorizontalFlip(),
             RandomVerticalFlip(), RandomErasing(value=4), RandomCrop(5, fill=9)]
    expected = images
    for i, part in enumerate(parts):
        expected = part.apply(expected, Draws(1, 2, np.arange(30)).child(i))
    np.testing.assert_array_equal(Compose(parts)(images, seed=1, epoch=2), expected)
    assert Compose([])(images).shape == images.shape


def test_one_of_your_own():
    class Darker(Augmentation):
        def apply(self, images, draws):
            return (images * draws.uniform(0.5, 1)[:, None, None, None]).astype(images.dtype)

    images = images_of(np.uint8, 10, 1, 4, 4)
    found = Compose([RandomHorizontalFlip(1), Darker()])(images)
    assert (found <= images[..., ::-1]).all() and found.dtype == np.uint8
    np.testing.assert_array_equal(Compose([RandomHorizontalFlip(1), Darker()])(images, [3])[0],
                                  found[3])

    class Lost(Augmentation):
        def apply(self, images, draws):
            return images[1:]

    with pytest.raises(ValueError, match=r"Lost.apply must return"):
        Lost()(images)
    with pytest.raises(NotImplementedError, match="Augmentation has no apply"):
        Augmentation()(images)


def test_the_numbers_are_even_and_independent():
    numbers = Draws(0, 0, np.arange(20000)).uniform(size=4)
    assert 0 <= numbers.min() and numbers.max() < 1
    np.testing.assert_allclose(np.histogram(numbers, 20, (0, 1))[0] / 4000, 1, atol=0.07)
    others = [numbers, Draws(0, 1, np.arange(20000)).uniform(size=4),
              Draws(1, 0, np.arange(20000)).uniform(size=4),
              Draws(0, 0, np.arange(20000)).child(0).uniform(size=4),
              Draws(0, 0, np.arange(1, 20001)).uniform(size=4)]
    together = np.corrcoef(np.hstack(others).T)
    assert np.abs(together - np.eye(20)).max() < 0.04
    whole = Draws(0, 0, np.arange(5000)).integers(-2, 3)
    assert set(whole) == {-2, -1, 0, 1, 2, 3} and np.bincount(whole + 2).min() > 700


@pytest.mark.parametrize("make, error, message", [
    (lambda: RandomCrop(0), ValueError, "size"), (lambda: RandomCrop(2.5), TypeError, "size"),
    (lambda: RandomCrop((1, 2, 3)), ValueError, "size"),
    (lambda: RandomCrop(3, padding=-1), ValueError, "padding"),
    (lambda: RandomCrop(3, padding=(1, 2, 3)), ValueError, "padding"),
    (lambda: RandomCrop(3, padding=1.5), TypeError, "padding"),
    (lambda: RandomCrop(3, fill="black"), TypeError, "fill"),
    (lambda: RandomCrop(3, padding_mode="wrap"), ValueError, "padding_mode"),
    (lambda: RandomShift(-1), ValueError, "pixels"),
    (lambda: RandomShift("2"), TypeError, "pixels"),
    (lambda: RandomHorizontalFlip(1.1), ValueError, "p must"),
    (lambda: RandomVerticalFlip(-0.1), ValueError, "p must"),
    (lambda: RandomHorizontalFlip(math.nan), ValueError, "p must"),
    (lambda: RandomRotation(-5), ValueError, "degrees"),
    (lambda: RandomRotation((5, -5)), ValueError, "degrees"),
    (lambda: RandomRotation("5"), TypeError, "degrees"),
    (lambda: RandomRotation(math.inf), ValueError, "degrees"),
    (lambda: RandomRotation(5, "cubic"), ValueError, "interpolation"),
    (lambda: RandomAffine(0, translate=0.1), ValueError, "translate"),
    (lambda: RandomAffine(0, translate=(0.1, 1.5)), ValueError, "translate"),
    (lambda: RandomAffine(0, scale=(0, 1)), ValueError, "scale"),
    (lambda: RandomAffine(0, scale=(2, 1)), ValueError, "scale"),
    (lambda: RandomAffine(0, shear=90), ValueError, "shear"),
    (lambda: RandomErasing(2), ValueError, "p must"),
    (lambda: RandomErasing(scale=(0.5, 0.1)), ValueError, "scale"),
    (lambda: RandomErasing(scale=(0.1, 1.1)), ValueError, "scale"),
    (lambda: RandomErasing(ratio=(0, 1)), ValueError, "ratio"),
    (lambda: RandomErasing(value="noise"), ValueError, 'value must be .* or "random"'),
    (lambda: RandomErasing(value=None), TypeError, "value"),
    (lambda: RandomErasing(value=("random",)), TypeError, "value"),
    (lambda: CenterCrop(-2), ValueError, "size"),
    (lambda: Compose(RandomShift(1)), TypeError, "list of augmentations"),
    (lambda: Compose([RandomShift]), TypeError, "got one RandomShift"),
    (lambda: Compose([lambda images: images]), TypeError, "Augmentations")])
def test_impossible_ones(make, error, message):
    with pytest.raises(error, match=message):
        make()


@each
@pytest.mark.parametrize("images, error", [
    (np.zeros((3, 8, 8), np.uint8), ValueError), (np.zeros((2, 1, 8, 8), complex), TypeError),
    (np.full((2, 1, 8, 8), "a"), TypeError)])
def test_wrong_images(name, images, error):
    with pytest.raises(error, match="images"):
        ALL[name](images)


def test_wrong_arguments_of_a_call():
    images = np.zeros((3, 2, 8, 8), np.uint8)
    augment = RandomShift(1)
    for options, error, message in ((dict(seed=-1), ValueError, "seed"),
                                    (dict(epoch=0.5), TypeError, "epoch"),
                                    (dict(indices=[3]), ValueError, "indices"),
                                    (dict(indices=[0.5]), TypeError, "indices"),
                                    (dict(samples=[1]), ValueError, "samples")):
        with pytest.raises(error, match=message):
            augment(images, **options)
    for fill, message in (((1, 2, 3), "2 channels"), (300, "0 to 255")):
        with pytest.raises(ValueError, match=message):
            RandomShift(1, fill=fill)(images)


def test_where_it_is_found():
    assert cn.data.augment.RandomCrop is RandomCrop
    assert repr(RandomHorizontalFlip(0.3)) == "RandomHorizontalFlip(p=0.3)"
