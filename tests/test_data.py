"""Data sets: what is read, what is refused, and what the refusal says."""

import hashlib

import numpy as np
import pytest

from cycnn import data


class TestDataset:
    def test_grey_images_become_one_channel_without_a_copy(self):
        images = np.zeros((3, 8, 6), np.uint8)
        dataset = data.Dataset(images, [0, 1, 1])
        assert dataset.images.shape == (3, 1, 8, 6)
        assert np.shares_memory(dataset.images, images)
        assert dataset.labels.dtype == np.int64
        assert dataset.classes == ["0", "1"]

    @pytest.mark.parametrize("channels", [1, 3])
    def test_channels_last_images_become_a_view(self, channels):
        images = np.arange(2 * 5 * 6 * channels, dtype=np.uint8).reshape(2, 5, 6, channels)
        dataset = data.Dataset(images, [0, 0])
        assert dataset.images.shape == (2, channels, 5, 6)
        assert np.shares_memory(dataset.images, images)
        assert (dataset.images[1, 0] == images[1, :, :, 0]).all()

    def test_a_slice_is_not_taken_for_channels_last(self):
        dataset = data.Dataset(np.zeros((4, 3, 8, 3), np.uint8), [0, 1, 0, 1])
        assert dataset.images.shape == (4, 3, 8, 3)
        wide = data.Dataset(np.zeros((4, 8, 3, 1), np.uint8), [0, 1, 0, 1])
        assert wide.images.shape == (4, 1, 8, 3)
        assert wide[1:3].images.shape == (2, 1, 8, 3)

    @pytest.mark.parametrize("given, kept", [
        (np.uint8, np.uint8), (np.float32, np.float32), (np.float64, np.float64),
        (np.float16, np.float32), (np.int64, np.uint8), (bool, np.float32)])
    def test_pixel_types(self, given, kept):
        assert data.Dataset(np.ones((2, 3, 3), given), [0, 1]).images.dtype == kept

    def test_integers_beyond_a_byte_become_floats(self):
        images = data.Dataset(np.full((1, 2, 2), 4095), [0]).images
        assert images.dtype == np.float32 and images.max() == 4095

    def test_indexing(self):
        dataset = data.Dataset(np.arange(5 * 4).reshape(5, 2, 2), [0, 1, 2, 1, 0], "abc")
        part = dataset[1:4]
        assert np.shares_memory(part.images, dataset.images)
        assert part.labels.tolist() == [1, 2, 1] and part.classes == ["a", "b", "c"]
        assert dataset[[4, 0]].labels.tolist() == [0, 0]
        assert dataset[dataset.labels == 1].images[:, 0, 0, 0].tolist() == [4, 12]
        assert len(dataset[[]]) == 0 and len(dataset[:0]) == 0
        image, label = dataset[-3]
        assert image.shape == (1, 2, 2) and label == 2
        assert len(list(dataset)) == 5
        for bad in (1.5, "a", (1, 2)):
            with pytest.raises(TypeError):
                dataset[bad]
        for bad in (np.zeros((2, 2), int), np.zeros(5)):
            with pytest.raises(TypeError, match="indexed by"):
                dataset[bad]
        with pytest.raises(IndexError):
            dataset[5]

    def test_as_many_classes_as_images(self):
        assert len(data.Dataset(np.zeros((100_002, 1, 1)), np.arange(100_002)).classes) == 100_002
        with pytest.raises(ValueError, match="labels must be below 100000 "):
            data.class_weights([0, 10**9])

    def test_repr_names_size_type_and_classes(self):
        text = repr(data.Dataset(np.zeros((3, 3, 8, 6), np.float32), [0, 1, 1], ["cat", "dog"]))
        assert text == "Dataset(3 images of 3x8x6 float32, 2 classes: cat, dog)"

    def test_an_empty_set_is_fine(self):
        assert len(data.Dataset(np.zeros((0, 1, 8, 8)), [])) == 0

    @pytest.mark.parametrize("images, labels, classes, error, text", [
        (np.zeros((2, 3)), [0, 1], None, ValueError, r"images must have shape .* got \(2, 3\)"),
        (np.zeros((2, 0, 3)), [0, 1], None, ValueError, "at least one pixel"),
        (np.zeros((2, 3, 3), complex), [0, 1], None, TypeError, "images .* complex128"),
        (np.full((2, 3, 3), "x"), [0, 1], None, TypeError, "images"),
        (np.full((2, 3, 3), None), [0, 1], None, TypeError, "images .* object"),
        (np.full((2, 3, 3), np.nan), [0, 1], None, ValueError, "NaN"),
        (np.full((2, 3, 3), -np.inf), [0, 1], None, ValueError, "finite"),
        (np.zeros((2, 3, 3)), [0, 1, 1], None, ValueError, "2 images and 3 labels"),
        (np.zeros((2, 3, 3)), [0.0, 1.0], None, TypeError, "labels .* float64"),
        (np.zeros((2, 3, 3)), [0.0, np.nan], None, TypeError, "labels"),
        (np.zeros((2, 3, 3)), [[0, 1]], None, ValueError, "labels must have 1 dimension"),
        (np.zeros((2, 3, 3)), [0, -1], None, ValueError, "labels .* got -1"),
        (np.zeros((2, 3, 3)), [0, 2], ["a", "b"], ValueError, "from 0 to 1 .* got 2"),
        (np.zeros((2, 3, 3)), [0, 10**9], None, ValueError, "labels .* below 100000 .* 1000000000"),
        (np.zeros((2, 3, 3)), [0, 1], 5, TypeError, "classes must be names, .* got 5"),
    ])
    def test_bad_input(self, images, labels, classes, error, text):
        with pytest.raises(error, match=text):
            data.Dataset(images, labels, classes)


class TestFolder:
    """One sub-folder of pictures a class."""

    @pytest.fixture(autouse=True)
    def pillow(self):
        self.image = pytest.importorskip("PIL.Image")

    def save(self, path, array, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image.fromarray(np.asarray(array, np.uint8)).save(path, **options)

    def test_split_and_classes(self, tmp_path):
        for label, name in enumerate(["zebra", "ant"]):
            for number in range(10):
                self.save(tmp_path / name / f"{number}.png", np.full((4, 6), 20 * label + number))
        for stray in ("notes.txt", "zebra/.DS_Store", "zebra/._3.png", ".git/x.png"):
            (tmp_path / stray).parent.mkdir(exist_ok=True)
            (tmp_path / stray).write_text("stray")
        train, test = data.load(tmp_path)
        assert train.classes == ["ant", "zebra"]
        assert train.images.shape == (16, 1, 4, 6) and test.images.shape == (4, 1, 4, 6)
        assert np.bincount(test.labels).tolist() == [2, 2]
        values = np.concatenate([train.images, test.images])[:, 0, 0, 0]
        labels = np.concatenate([train.labels, test.labels])
        assert sorted(values[labels == 0]) == list(range(20, 30))
        assert sorted(values[labels == 1]) == list(range(10))
        assert (data.load(str(tmp_path))[1].images == test.images).all()

    def test_train_and_test_folders_are_the_split(self, tmp_path):
        for place, count in (("train/a", 3), ("train/b", 2), ("test/b", 1)):
            for number in range(count):
                self.save(tmp_path / place / f"{number}.bmp", np.zeros((3, 3)))
        train, test = data.load(tmp_path)
        assert train.labels.tolist() == [0, 0, 0, 1, 1] and test.labels.tolist() == [1]
        self.save(tmp_path / "test/c/0.png", np.zeros((3, 3)))
        with pytest.raises(ValueError, match="test: the class 'c' is not in"):
            data.load(tmp_path)

    def test_colour_is_kept_channels_last(self, tmp_path, rng):
        colour = rng.integers(0, 256, (5, 4, 3), np.uint8)
        for name in "abcdef":
            self.save(tmp_path / "x" / f"{name}.png", colour)
        self.save(tmp_path / "y" / "grey.png", colour[:, :, 0])
        train, _ = data.load(tmp_path, test_fraction=0.1)
        assert train.images.shape == (6, 3, 5, 4)
        assert train.images.strides[1] == 1
        assert (train.images[0] == colour.transpose(2, 0, 1)).all()
        assert (train.images[-1] == colour[:, :, 0]).all()
        train, _ = data.load(tmp_path, test_fraction=0.1, channels=1)
        assert train.images.shape == (6, 1, 5, 4)
        with pytest.raises(ValueError, match="channels must be 1 or 3, got 2"):
            data.load(tmp_path, channels=2)

    def test_unequal_sizes_name_two_files_and_the_remedy(self, tmp_path):
        self.save(tmp_path / "a/1.png", np.zeros((4, 4)))
        self.save(tmp_path / "b/2.png", np.zeros((4, 5)))
        with pytest.raises(ValueError, match=r"1\.png is 4x4 .*2\.png is 4x5.*image_size="):
            data.load(tmp_path)
        train, test = data.load(tmp_path, image_size=(8, 6))
        assert train.images.shape == (2, 1, 8, 6) and len(test) == 0

    @pytest.mark.parametrize("image_size", [0, (3,), "big", 2.5])
    def test_bad_image_size(self, tmp_path, image_size):
        for name in "ab":
            self.save(tmp_path / name / "1.png", np.zeros((4, 4)))
        with pytest.raises((ValueError, TypeError), match="image_size"):
            data.load(tmp_path, image_size=image_size)

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".tif"])
    def test_unreadable_pictures_are_named(self, tmp_path, rng, suffix):
        picture = rng.integers(0, 256, (16, 16), np.uint8)
        self.save(tmp_path / "a/1.png", picture)
        self.save(tmp_path / f"b/2{suffix}", picture)
        whole = (tmp_path / f"b/2{suffix}").read_bytes()
        for size in (0, 3, len(whole) // 2):
            (tmp_path / f"b/2{suffix}").write_bytes(whole[:size])
            with pytest.raises(ValueError, match=rf"2\{suffix}: cannot be read as a picture"):
                data.load(tmp_path)

    def test_no_classes_or_no_pictures(self, tmp_path):
        with pytest.raises(ValueError, match="no sub-folder"):
            data.load(tmp_path)
        (tmp_path / "a").mkdir()
        with pytest.raises(ValueError, match="at least two classes, found .*a"):
            data.load(tmp_path)
        (tmp_path / "b").mkdir()
        with pytest.raises(ValueError, match="no pictures"):
            data.load(tmp_path)

    def test_transparent_is_white_and_a_turned_photo_upright(self, tmp_path):
        self.save(tmp_path / "clear.png", np.zeros((2, 2, 4)))
        assert (data.read_picture(tmp_path / "clear.png") == 255).all()
        exif = self.image.Exif()
        exif[0x0112] = 6                # taken with the camera turned by a quarter
        self.save(tmp_path / "a/turned.png", np.zeros((2, 5)), exif=exif)
        assert data.read_picture(tmp_path / "a/turned.png").shape == (1, 5, 2)
        self.save(tmp_path / "b/upright.png", np.zeros((5, 2)))
        assert data.load(tmp_path)[0].images.shape == (2, 1, 5, 2)

    def test_sixteen_bits_are_scaled(self, tmp_path):
        self.image.fromarray(np.array([[0, 256, 65535]], np.uint16)).save(tmp_path / "16.png")
        assert data.read_picture(tmp_path / "16.png").tolist() == [[[0, 1, 255]]]

    @pytest.mark.parametrize("name", ["16.tif", "big.tif", "16.pgm", "clear.png", "turned.tif"])
    def test_sixteen_bits_however_they_are_stored(self, tmp_path, name):
        values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1040
        expected = (values // 256).astype(np.uint8)
        path = tmp_path / "a" / name
        path.parent.mkdir()
        if name == "16.pgm":
            path.write_bytes(b"P5 8 8 65535\n" + values.astype(">u2").tobytes())
        elif name == "clear.png":
            self.image.fromarray(values).save(path, transparency=1040)
            expected[0, 1] = 255
        elif name == "turned.tif":
            exif = self.image.Exif()
            exif[0x0112] = 3                # taken upside down
            self.image.fromarray(values.astype(">u2")).save(path, exif=exif)
            expected = expected[::-1, ::-1]
        else:
            self.image.fromarray(values.astype(">u2" if "big" in name else "<u2")).save(path)
        assert (data.read_picture(path) == expected[None]).all()
        self.save(tmp_path / "b/8.png", expected)
        assert data.load(tmp_path)[0].images.shape == (2, 1, 8, 8)

    def test_thirty_two_bits_are_refused(self, tmp_path):
        self.image.fromarray(np.zeros((2, 2), np.int32)).save(tmp_path / "32.tif")
        with pytest.raises(ValueError, match="32.tif: .* its pixels are 32-bit numbers .mode I"):
            data.read_picture(tmp_path / "32.tif")

    def test_channels_and_size_as_asked(self, tmp_path):
        self.save(tmp_path / "x.png", np.full((4, 4), 7))
        assert data.read_picture(tmp_path / "x.png", channels=3).shape == (3, 4, 4)
        small = data.read_picture(tmp_path / "x.png", image_size=(2, 3))
        assert small.shape == (1, 2, 3) and (small == 7).all()
        with pytest.raises(FileNotFoundError):
            data.read_picture(tmp_path / "none.png")


class TestNpz:
    @pytest.mark.parametrize("names", [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels")])
    @pytest.mark.parametrize("column", [False, True])
    def test_with_a_split(self, tmp_path, rng, names, column):
        labels = np.array([0, 1, 2, 1], np.uint8)
        arrays = [rng.integers(0, 256, (4, 6, 5, 3), np.uint8), labels,
                  rng.integers(0, 256, (2, 6, 5, 3), np.uint8), labels[:2]]
        if column:
            arrays = [a[:, None] if a.ndim == 1 else a for a in arrays]
        np.savez(tmp_path / "set.npz", **dict(zip(names, arrays)))
        train, test = data.load(tmp_path / "set.npz")
        assert (train.images == arrays[0].transpose(0, 3, 1, 2)).all()
        assert train.labels.tolist() == [0, 1, 2, 1]
        assert test.labels.tolist() == [0, 1] and test.classes == ["0", "1", "2"]

    @pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("X", "y")])
    def test_without_a_split(self, tmp_path, names):
        labels = np.repeat([0, 1], 10)
        arrays = dict(zip(names, [np.zeros((20, 8, 8)), labels]), classes=["no", "yes"])
        np.savez_compressed(tmp_path / "set.npz", **arrays)
        train, test = data.load(str(tmp_path / "set.npz"), test_fraction=0.3)
        assert (len(train), len(test)) == (14, 6) and train.classes == ["no", "yes"]

    def test_what_is_wrong_is_said(self, tmp_path):
        def refused(text, **arrays):
            np.savez(path, **arrays)
            with pytest.raises(ValueError, match=text) as caught:
                data.load(path)
            assert str(path) in str(caught.value)

        path = tmp_path / "set.npz"
        images, labels = np.zeros((2, 4, 4)), np.array([0, 1])
        refused("holds the arrays pictures; needed are x_train", pictures=images)
        refused("2 images and 1 labels", x=images, y=labels[:1])
        refused("labels must have 1 dimension", x=images, y=np.zeros((2, 14), int))
        refused("Object arrays", x=images, y=np.array([0, None]))
        refused("labels must be an array of integers", x=images, y=np.array([0, np.nan]))
        refused("test images", x_train=images, y_train=labels, x_test=images[:, 1:], y_test=labels)
        refused("got 1", x=images, y=labels, classes=["only"])
        refused(r"classes must be one row of names, .* got shape \(\)", x=images, y=labels,
                classes="cat")
        refused("labels must be below 100000 .* got 1000000000", x_train=images, y_train=labels,
                x_test=images, y_test=labels * 10**9)

    def test_damage_is_a_value_error_that_names_the_file(self, tmp_path, rng):
        path = tmp_path / "set.npz"
        np.savez_compressed(path, x=rng.integers(0, 256, (20, 4, 4), np.uint8), y=np.arange(20))
        content = bytearray(path.read_bytes())
        for size in range(0, len(content), 7):
            path.write_bytes(content[:size])
            with pytest.raises(ValueError, match="set.npz"):
                data.load(path)
        for position in range(0, len(content), 3):
            damaged = content.copy()
            damaged[position] ^= 0xFF
            path.write_bytes(damaged)
            try:
                data.load(path)
            except ValueError as error:
                assert "set.npz" in str(error)


class TestSplit:
    def test_every_class_in_proportion_and_every_image_once(self):
        labels = np.repeat([0, 1, 2], [50, 30, 21])
        whole = data.Dataset(np.arange(101).reshape(101, 1, 1), labels)
        train, test = data.split(whole, 0.2, seed=3)
        assert np.bincount(test.labels).tolist() == [10, 6, 5]
        pixels = np.concatenate([train.images, test.images]).ravel()
        assert sorted(pixels) == list(range(101))
        assert (data.split(whole, 0.2, seed=3)[1].images == test.images).all()
        assert (data.split(whole, 0.2, seed=4)[1].images != test.images).any()

    def test_every_class_keeps_an_image_to_train_on(self):
        train, test = data.split(data.Dataset(np.zeros((3, 2, 2)), [0, 1, 1]), 0.9)
        assert sorted(train.labels) == [0, 1] and test.labels.tolist() == [1]

    @pytest.mark.parametrize("fraction", [-0.1, 1, np.nan, "half"])
    def test_bad_fraction(self, fraction):
        with pytest.raises((ValueError, TypeError), match="test_fraction"):
            data.split(data.Dataset(np.zeros((3, 2, 2)), [0, 1, 1]), fraction)


class TestLoad:
    def test_digits(self):
        train, test = data.load("digits")
        assert train.images.shape == (1437, 1, 8, 8) and test.images.shape == (360, 1, 8, 8)
        assert train.images.dtype == np.uint8 and train.images.max() == 255
        counts = np.bincount(train.labels) + np.bincount(test.labels)
        assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
        # The same split on every machine: a model's held-out accuracy is comparable.
        fingerprint = hashlib.sha256(test.images.tobytes() + test.labels.astype("<i8").tobytes())
        assert fingerprint.hexdigest()[:16] == "673f96f1f0007f26"

    def test_unknown_names_list_the_known(self):
        with pytest.raises(ValueError, match="'cifar'.*digits, mnist, fashion-mnist, a folder"):
            data.load("cifar")

    def test_paths(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="set.npz"):
            data.load(tmp_path / "set.npz")
        (tmp_path / "set.csv").write_text("1,2")
        with pytest.raises(ValueError, match="set.csv: not a data set"):
            data.load(tmp_path / "set.csv")
        with pytest.raises(ValueError, match="image_size"):
            data.load("digits", image_size=28)

    def test_a_folder_with_the_name_of_a_set(self, tmp_path, monkeypatch):
        (tmp_path / "mnist").mkdir()
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValueError, match="needs one sub-folder"):
            data.load("./mnist")
