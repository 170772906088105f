"""MNIST and Fashion-MNIST: reading IDX files, finding them, downloading them."""

import gzip
import hashlib
import http.server
import os
import struct
import sys
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
def nowhere(tmp_path, monkeypatch):
    """No data set is to be found, and no network: each test adds what it wants found."""
    monkeypatch.delenv("CYCNN_DATA", raising=False)
    monkeypatch.setattr(sources, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr(sources, "SOURCES", {
        name: source._replace(system_folders=[str(tmp_path / "system")],
                              mirrors=["http://127.0.0.1:9/"])
        for name, source in sources.SOURCES.items()})


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
        pytest.importorskip("pooch")
        pytest.importorskip("tqdm")
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

    def test_a_folder_alone(self, tmp_path, monkeypatch, nowhere, rng):
        """Held to `data_dir`, it takes neither what lies elsewhere nor the network."""
        monkeypatch.setenv("CYCNN_DATA", str(tmp_path / "env"))
        write_idx_set(tmp_path / "env", idx_set(rng))
        given = tmp_path / "given"
        with pytest.raises(data.DataNotFoundError) as caught:
            data.load("mnist", data_dir=given, elsewhere=False)
        assert str(given) in str(caught.value) and str(tmp_path / "env") not in str(caught.value)
        assert "http://127.0.0.1:9/" not in str(caught.value).split("To get it by hand")[0]
        assert not given.exists()
        write_idx_set(given / "mnist", idx_set(rng, train=9))
        assert len(data.load("mnist", data_dir=given, elsewhere=False)[0]) == 9
        with pytest.raises(ValueError, match="data_dir must be a folder .* got None"):
            data.load("mnist", elsewhere=False)

    def test_without_pooch_the_extra_is_named(self, monkeypatch, nowhere):
        monkeypatch.setitem(sys.modules, "pooch", None)
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
        text = f"{FILES[2]}.gz: SHA256 .* does not match"
        with pytest.raises(data.DataNotFoundError, match=text):
            data.load("mnist")
        assert not (tmp_path / "cache/mnist" / f"{FILES[2]}.gz").exists()

    def test_a_missing_file_is_refused(self, server):
        (server / f"{FILES[3]}.gz").unlink()
        with pytest.raises(data.DataNotFoundError, match="404"):
            data.load("mnist")

    def test_without_a_network_no_empty_folder_is_left(self, tmp_path, nowhere):
        pytest.importorskip("pooch")
        pytest.importorskip("tqdm")
        (tmp_path / "here").mkdir()
        with pytest.raises(data.DataNotFoundError, match="127.0.0.1"):
            data.load("mnist", data_dir=tmp_path / "here/deep/er")
        assert not list((tmp_path / "here").iterdir())
