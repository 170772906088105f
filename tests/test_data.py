"""Data sets: what is read, what is refused, and what the refusal says."""

import gzip
import hashlib
import http.server
import os
import struct
import threading
import tracemalloc

import numpy as np
import pytest

from cycnn import data
from cycnn.data import sources
from cycnn.data.sources import TEST_FILES, TRAIN_FILES

FILES = TRAIN_FILES + TEST_FILES


def idx_bytes(array):
    array = np.asarray(array)
    codes = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype.str[1:]], array.ndim,
                         *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_set(rng, train=6, test=4):
    """The contents of the four files of a small set: {file name: array}."""
    return {TRAIN_FILES[0]: rng.integers(0, 256, (train, 5, 4), np.uint8),
            TRAIN_FILES[1]: rng.integers(0, 10, train, np.uint8),
            TEST_FILES[0]: rng.integers(0, 256, (test, 5, 4), np.uint8),
            TEST_FILES[1]: rng.integers(0, 10, test, np.uint8)}


def write_idx_set(folder, arrays, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array), mtime=0))
        else:
            (folder / name).write_bytes(idx_bytes(array))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No data set is to be found, and no network: each test adds what it wants found."""
    monkeypatch.delenv("CYCNN_DATA", raising=False)
    monkeypatch.setattr(sources, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr(sources, "SOURCES", {
        name: source._replace(system_folders=[str(tmp_path / "system")],
                              mirrors=["http://127.0.0.1:9/"])
        for name, source in sources.SOURCES.items()})


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
    ])
    def test_bad_input(self, images, labels, classes, error, text):
        with pytest.raises(error, match=text):
            data.Dataset(images, labels, classes)


class TestIdx:
    @pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
    @pytest.mark.parametrize("packed", [False, True])
    def test_every_type_comes_back(self, tmp_path, rng, dtype, packed):
        array = (rng.normal(size=(3, 4, 2)) * 50).astype(dtype)
        path = tmp_path / ("a.gz" if packed else "a")
        path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
        got = data.read_idx(path)
        assert got.dtype == np.dtype(dtype) and got.dtype.isnative
        assert (got == array).all()

    def test_compression_is_told_by_the_content(self, tmp_path):
        path = tmp_path / "labels"
        path.write_bytes(gzip.compress(idx_bytes(np.arange(5, dtype=np.uint8))))
        assert data.read_idx(path).tolist() == [0, 1, 2, 3, 4]

    def test_empty(self, tmp_path):
        path = tmp_path / "empty"
        path.write_bytes(idx_bytes(np.zeros((0, 28, 28), np.uint8)))
        assert data.read_idx(path).shape == (0, 28, 28)

    @pytest.mark.parametrize("packed", [False, True])
    def test_cut_short_anywhere(self, tmp_path, rng, packed):
        content = idx_bytes(rng.integers(0, 256, (7, 5, 5), np.uint8))
        content = gzip.compress(content) if packed else content
        path = tmp_path / ("images.gz" if packed else "images")
        for size in range(len(content)):
            path.write_bytes(content[:size])
            with pytest.raises(ValueError) as caught:
                data.read_idx(path)
            assert str(path) in str(caught.value)

    def test_every_damaged_byte_is_refused_or_read(self, tmp_path, rng):
        """No damage, in the header or in the compressed stream, gives anything but ValueError."""
        content = bytearray(gzip.compress(idx_bytes(rng.integers(0, 256, (3, 5, 5), np.uint8))))
        path = tmp_path / "images.gz"
        for position in range(len(content)):
            for flip in (0x01, 0x80, 0xFF):
                damaged = content.copy()
                damaged[position] ^= flip
                path.write_bytes(damaged)
                try:
                    assert data.read_idx(path).shape == (3, 5, 5)
                except ValueError as error:
                    assert str(path) in str(error)

    @pytest.mark.parametrize("packed", [False, True])
    def test_a_size_that_lies_costs_no_memory(self, tmp_path, packed):
        header = struct.pack(">BBBB3I", 0, 0, 0x0E, 3, *[2**32 - 1] * 3)
        path = tmp_path / ("images.gz" if packed else "images")
        content = header + bytes(100)
        path.write_bytes(gzip.compress(content) if packed else content)
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match="header says 4294967295x.*only 100"):
                data.read_idx(path)
            assert tracemalloc.get_traced_memory()[1] < 2**24
        finally:
            tracemalloc.stop()

    def test_a_compressed_flood_is_not_unpacked(self, tmp_path):
        path = tmp_path / "images.gz"
        path.write_bytes(gzip.compress(idx_bytes(np.zeros(8, np.uint8)) + bytes(2**26), 1))
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match="8 bytes should follow, but there are more"):
                data.read_idx(path)
            assert tracemalloc.get_traced_memory()[1] < 2**24
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("content, text", [
        (b"", "cut short: 0 bytes"),
        (b"\x00\x00\x08", "cut short: 3 bytes"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file: it begins with 89 50 4e 47"),
        (b"\x00\x00\x07\x01" + bytes(5), "not an IDX file"),
        (b"\x00\x00\x08\x00" + bytes(5), "not an IDX file"),
        (b"\x00\x00\x08\x03" + bytes(5), "header of 3 dimensions needs 16 bytes, got 9"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 5) + bytes(4), "5 bytes should follow.*only 4"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 5) + bytes(6), "5 bytes should follow.*more"),
    ])
    def test_what_is_wrong_is_said(self, tmp_path, content, text):
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=text) as caught:
            data.read_idx(path)
        assert str(path) in str(caught.value)

    def test_gz_that_is_not_gzip(self, tmp_path):
        path = tmp_path / "labels.gz"
        path.write_bytes(idx_bytes(np.zeros(3, np.uint8)))
        with pytest.raises(ValueError, match="labels.gz: not a gzip file"):
            data.read_idx(path)

    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            data.read_idx(tmp_path / "nothing")


class TestSearch:
    """Where MNIST and Fashion-MNIST are looked for."""

    def test_order(self, tmp_path, monkeypatch, nowhere, rng):
        """Each place, filled last to first, is preferred to those after it."""
        monkeypatch.setenv("CYCNN_DATA", str(tmp_path / "env"))
        places = ["given/mnist", "given", "env/mnist", "env", "cache/mnist", "cache", "system"]
        assert [str(folder) for folder in sources.folders("mnist", tmp_path / "given")] == [
            str(tmp_path / place) for place in places]
        for size, place in enumerate(reversed(places), start=1):
            write_idx_set(tmp_path / place, idx_set(rng, train=size), packed=size % 2)
            train, test = data.load("mnist", data_dir=tmp_path / "given")
            assert len(train) == size and len(test) == 4, place

    def test_what_is_read(self, tmp_path, nowhere, rng):
        arrays = idx_set(rng)
        write_idx_set(tmp_path / "fashion-mnist", arrays)
        train, test = data.load("fashion-mnist", data_dir=tmp_path)
        assert (train.images[:, 0] == arrays[TRAIN_FILES[0]]).all()
        assert (test.labels == arrays[TEST_FILES[1]]).all()
        assert train.classes[9] == "Ankle boot"

    def test_files_of_the_other_set_are_passed_over(self, tmp_path, nowhere, rng):
        arrays = idx_set(rng, test=10)
        arrays[TEST_FILES[1]][:] = sources.SOURCES["mnist"].first_test_labels
        write_idx_set(tmp_path, arrays)
        assert len(data.load("mnist", data_dir=tmp_path)[0]) == 6
        with pytest.raises(data.DataNotFoundError, match="files of another data set"):
            data.load("fashion-mnist", data_dir=tmp_path)

    def test_an_incomplete_folder_is_named(self, tmp_path, nowhere, rng):
        write_idx_set(tmp_path / "mnist", idx_set(rng))
        (tmp_path / "mnist" / f"{TEST_FILES[0]}.gz").unlink()
        with pytest.raises(data.DataNotFoundError, match=rf"has no {TEST_FILES[0]}\[.gz\]"):
            data.load("mnist", data_dir=tmp_path)

    def test_with_no_network_every_place_is_named(self, tmp_path, monkeypatch, nowhere):
        monkeypatch.setenv("CYCNN_DATA", str(tmp_path / "env"))
        with pytest.raises(FileNotFoundError) as caught:
            data.load("fashion-mnist", data_dir=tmp_path / "given")
        text = str(caught.value)
        for folder in sources.folders("fashion-mnist", tmp_path / "given"):
            assert f"{folder}\n" in text
        for word in ("http://127.0.0.1:9/", "refused", "--data-dir", "CYCNN_DATA", *FILES):
            assert word in text

    def test_download_may_be_forbidden(self, nowhere):
        with pytest.raises(data.DataNotFoundError, match="download=False"):
            data.load("mnist", download=False)

    def test_without_pooch_the_extra_is_named(self, monkeypatch, nowhere):
        monkeypatch.setitem(__import__("sys").modules, "pooch", None)
        with pytest.raises(data.DataNotFoundError) as caught:
            data.load("mnist")
        assert "cycnn[download]" in str(caught.value) and "Looked in" in str(caught.value)

    def test_damaged_files_are_named(self, tmp_path, nowhere, rng):
        arrays = idx_set(rng)
        arrays[TRAIN_FILES[1]] = arrays[TRAIN_FILES[1]][:-1]
        write_idx_set(tmp_path, arrays)
        with pytest.raises(ValueError, match="train-images.*train-labels.*6 images and 5 labels"):
            data.load("mnist", data_dir=tmp_path)
        arrays[TRAIN_FILES[0]] = np.zeros((6, 4), np.uint8)
        write_idx_set(tmp_path, arrays)
        with pytest.raises(ValueError, match="train-images.*3 dimensions"):
            data.load("mnist", data_dir=tmp_path)

    def test_the_cache_is_where_pooch_has_it(self):
        pooch = pytest.importorskip("pooch")
        assert sources.cache_dir() == pooch.os_cache("cycnn")

    @pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
    def test_the_real_files(self, name):
        if not os.environ.get("CYCNN_DATA"):
            pytest.skip("CYCNN_DATA does not say where the full data sets are")
        train, test = data.load(name, download=False)
        assert train.images.shape == (60000, 1, 28, 28) and test.images.shape == (10000, 1, 28, 28)
        assert (test.labels[:10] == sources.SOURCES[name].first_test_labels).all()
        sums = {"mnist": (33.3184, 6000), "fashion-mnist": (72.9404, 6000)}[name]
        assert round(train.images.mean(), 4) == sums[0]
        assert np.bincount(train.labels).mean() == sums[1]


class TestDownload:
    """Downloading, from a server on this machine."""

    @pytest.fixture
    def server(self, tmp_path, monkeypatch, nowhere, rng):
        """A mirror that serves tmp_path/www; `mnist` and its checksums are a small set there."""
        pytest.importorskip("pooch")
        pytest.importorskip("tqdm")
        folder = tmp_path / "www"
        write_idx_set(folder, idx_set(rng))

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=folder)

            def log_message(self, *args):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
            threading.Thread(target=running.serve_forever, daemon=True).start()
            sha256 = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                      for path in folder.iterdir()}
            mirrors = ["http://127.0.0.1:9/", f"http://127.0.0.1:{running.server_port}/"]
            sources.SOURCES["mnist"] = sources.SOURCES["mnist"]._replace(
                sha256=sha256, mirrors=mirrors)
            yield folder
            running.shutdown()

    def test_the_next_mirror_is_tried_and_the_cache_filled(self, tmp_path, server, capfd):
        assert len(data.load("mnist")[0]) == 6
        assert "100%" in capfd.readouterr().err
        assert sorted(path.name for path in (tmp_path / "cache/mnist").iterdir()) == sorted(
            f"{name}.gz" for name in FILES)
        assert len(data.load("mnist", download=False)[0]) == 6

    def test_into_data_dir(self, tmp_path, server):
        data.load("mnist", data_dir=tmp_path / "here")
        assert (tmp_path / "here/mnist" / f"{FILES[0]}.gz").is_file()
        assert not (tmp_path / "cache").exists()

    def test_a_wrong_checksum_is_refused(self, tmp_path, server):
        (server / f"{FILES[2]}.gz").write_bytes(b"something else")
        with pytest.raises(data.DataNotFoundError, match=f"{FILES[2]}.gz: SHA256 .* does not match"):
            data.load("mnist")
        assert not (tmp_path / "cache/mnist" / f"{FILES[2]}.gz").exists()

    def test_a_missing_file_is_refused(self, server):
        (server / f"{FILES[3]}.gz").unlink()
        with pytest.raises(data.DataNotFoundError, match="404"):
            data.load("mnist")


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
        assert data.load(tmp_path, channels=1)[0].images.shape == (6, 1, 5, 4)
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
