"""Model files: round trips, and files that are damaged, foreign or hostile."""

import json
import os
import struct

import numpy as np
import pytest

import cycnn as cn
from helpers import normal

safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")


def network(dtype=np.float32):
    return cn.Sequential(
        cn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=1, dilation=1, groups=2, bias=False,
                  dtype=dtype, rng=0),
        cn.LeakyReLU(0.05), cn.MaxPool2d(3, 2, 1, ceil_mode=True),
        cn.Sequential(cn.Conv2d(4, 3, 3, padding="same", dtype=dtype, rng=1), cn.Tanh()),
        cn.AvgPool2d(2, count_include_pad=False), cn.ReLU(), cn.Sigmoid(), cn.GlobalAvgPool2d(),
        cn.Flatten(), cn.Linear(3, 5, dtype=dtype, rng=2), cn.Softmax())


def small():
    return cn.Sequential(cn.Linear(2, 1, rng=0), cn.ReLU())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def header_and_data(path):
    content = path.read_bytes()
    length, = struct.unpack("<Q", content[:8])
    return json.loads(content[8:8 + length]), content[8 + length:]


def rewrite(path, change, tensors=None):
    """The file with `change` made to its description, and perhaps other tensors."""
    header, _ = header_and_data(path)
    content = json.loads(header["__metadata__"]["cycnn"])
    content = change(content) or content
    if tensors is None:
        with safetensors.safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    path.write_bytes(safetensors.save(tensors, {"cycnn": json.dumps(content)}))


# --- round trips -------------------------------------------------------------------------------

def test_round_trip(path, dtype, rng):
    model = network(dtype)
    model.normalization = cn.Normalization([0.1, 1 / 3], [255.0, 1e-3])
    model.classes, model.input_shape = ["Katze", "犬", "", "a\nb", "e"], (2, 12, 11)
    cn.save(model, path)
    loaded = cn.load(path)
    assert repr(loaded) == repr(model)
    assert loaded.normalization == model.normalization
    assert (loaded.classes, loaded.input_shape) == (model.classes, model.input_shape)
    for (name, one), (other_name, two) in zip(model.state_dict().items(),
                                              loaded.state_dict().items(), strict=True):
        assert name == other_name and one.dtype == two.dtype and one.tobytes() == two.tobytes()
    images = rng.integers(0, 256, (4, 2, 12, 11)).astype(np.uint8)
    np.testing.assert_array_equal(loaded.predict_proba(images), model.predict_proba(images))


def test_a_bare_model(path):
    cn.save(small(), str(path))
    loaded = cn.load(str(path))
    assert (loaded.normalization, loaded.classes, loaded.input_shape) == (None, None, None)
    cn.save(cn.Linear(2, 3), path)
    assert type(cn.load(path)) is cn.Linear
    cn.save(cn.Sequential(), path)
    assert len(cn.load(path)) == 0


def test_a_loaded_model_is_ready_to_predict_and_can_be_trained_on(path, rng):
    cn.save(network(), path)
    model = cn.load(path)
    assert not any(module.training for module in model.modules())
    images, labels = normal(rng, np.float32, 6, 2, 12, 11), np.arange(6) % 5
    trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.1), cn.CrossEntropyLoss())
    assert len(trainer.fit((images, labels), progress=False)) == 1


def test_loading_leaves_the_shared_generator_alone(path):
    cn.save(network(), path)
    cn.manual_seed(1)
    expected = cn.Linear(3, 4).weight.data
    cn.manual_seed(1)
    cn.load(path)
    np.testing.assert_array_equal(cn.Linear(3, 4).weight.data, expected)


def test_the_same_model_gives_the_same_bytes(path, tmp_path):
    cn.save(network(), path)
    cn.save(network(), tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def test_others_can_read_the_weights(path, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch_files = pytest.importorskip("safetensors.torch")
    cn.save(small(), path)
    other = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU())
    other.load_state_dict(torch_files.load_file(path))
    x = normal(rng, np.float32, 5, 2)
    np.testing.assert_allclose(other(torch.tensor(x)).detach().numpy(), small()(x), rtol=1e-6)


class Scale(cn.Module):
    def __init__(self, factor):
        self.factor = cn.Parameter(np.array([factor], np.float32))

    def forward(self, x):
        return x * self.factor.data

    def config(self):
        return {"factor": 1.0}


class Twice(cn.Module):
    def forward(self, x):
        return 2 * x


def test_layers_of_ones_own(path):
    cn.save(cn.Sequential(Scale(3.0), Twice()), path)
    model = cn.load(path, layers={"Scale": Scale, "Twice": Twice})
    assert model(np.ones(1, np.float32)) == 6
    with pytest.raises(ValueError, match=r"Scale.*load\(path, layers=\{'Scale': Scale\}\)"):
        cn.load(path)


def test_a_layer_without_config(path):
    class Mine(Scale):
        config = cn.Module.config

    with pytest.raises(NotImplementedError, match=r"Mine needs a method config\(\)"):
        cn.save(Mine(1.0), path)
    assert not path.exists()


def test_a_config_that_is_no_json(path):
    class Mine(Twice):
        def config(self):
            return {"x": np.float32(1)}

    with pytest.raises(TypeError, match="JSON"):
        cn.save(Mine(), path)
    with pytest.raises(TypeError, match="Module"):
        cn.save({"weight": np.zeros(3)}, path)


# --- writing safely ----------------------------------------------------------------------------

@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_model_survives_a_failed_save(function, path, monkeypatch):
    cn.save(small(), path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="No space left"):
        cn.save(network(), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_saving_over_a_model(path):
    cn.save(network(), path)
    cn.save(small(), path)
    assert len(cn.load(path)) == 2
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links and permissions of POSIX")
def test_links_and_permissions(path, tmp_path):
    link = tmp_path / "latest"
    link.symlink_to(path)
    cn.save(small(), link)
    assert link.is_symlink() and path.is_file()
    plain = tmp_path / "plain"
    plain.write_text("")
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        cn.save(small(), tmp_path / "nowhere" / "model")
    with pytest.raises(OSError):
        cn.save(small(), tmp_path)
    assert os.listdir(tmp_path) == []


# --- damaged files -----------------------------------------------------------------------------

def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors"):
        cn.load(tmp_path / "nowhere.safetensors")
    with pytest.raises(IsADirectoryError, match="folder"):
        cn.load(tmp_path)


def test_cut_short_anywhere(path):
    cn.save(small(), path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=path.name):
            cn.load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match=path.name):
        cn.load(path)


def test_any_byte_changed(path):
    """Whatever is loaded from a damaged file is a model, or else the error names the file."""
    cn.save(small(), path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            assert isinstance(cn.load(path), cn.Module)
        except ValueError as error:
            assert path.name in str(error)


@pytest.mark.parametrize("content", [
    b"", b"\0" * 8, b"\xff" * 100, b"{}", b"PK\x03\x04" + b"\0" * 100, b"\x80\x04" + b"a" * 50,
    struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 4) + b"null", struct.pack("<Q", 2**63) + b"{}"])
def test_foreign_files(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=path.name):
        cn.load(path)


def test_weights_without_a_description(path):
    safetensors.save_file({"0.weight": np.zeros(3)}, path, {"format": "pt"})
    with pytest.raises(ValueError, match="not written by cycnn.*load_state_dict"):
        cn.load(path)


def layer(content, *indices):
    found = content["architecture"]
    for index in indices:
        found = found["layers"][index]
    return found


def conv(content):
    return layer(content, 0)["config"]


@pytest.mark.parametrize("change, message", [
    (lambda c: c.update(version=2), "version"), (lambda c: c.pop("version") and None, "version"),
    (lambda c: [1], "object"), (lambda c: c.pop("architecture") and None, "object"),
    (lambda c: c.update(architecture="Sequential"), "object"),
    (lambda c: layer(c).pop("layers") and None, "array"),
    (lambda c: layer(c).update(layers={"a": 1}), "array"),
    (lambda c: layer(c, 1).update({"class": 3}), "string"),
    (lambda c: layer(c, 1).update({"class": "os.system"}), "os.system"),
    (lambda c: layer(c, 1).update({"class": "Module"}), "Module"),
    (lambda c: layer(c, 1).update({"config": [1]}), "object"),
    (lambda c: layer(c, 1)["config"].update(slope=1), "slope"),
    (lambda c: layer(c, 1)["config"].update(negative_slope=[]), "negative_slope"),
    (lambda c: conv(c).update(rng=1), "rng"), (lambda c: conv(c).update(dtype="object"), "dtype"),
    (lambda c: conv(c).update(dtype="float64"), "float64"),
    (lambda c: conv(c).update(in_channels=6), "0.weight has shape"),
    (lambda c: conv(c).update(kernel_size=[3]), "kernel_size"),
    (lambda c: conv(c).update(stride=0), "stride"), (lambda c: conv(c).update(groups=3), "groups"),
    (lambda c: conv(c).update(bias=True), "missing 0.bias"),
    (lambda c: conv(c).update(out_channels=2**31 - 2), "more numbers than the file holds"),
    (lambda c: conv(c).update(out_channels=2**31 - 2, kernel_size=2**31 - 2), "too large"),
    (lambda c: layer(c)["layers"].pop(9) and None, "unexpected 9.weight"),
    (lambda c: c.update(normalization=[1]), "normalization"),
    (lambda c: c.update(normalization={}), "mean"),
    (lambda c: c.update(normalization={"mean": [0, 0], "std": [1, 0]}), "std"),
    (lambda c: c.update(normalization={"mean": [0, "a"], "std": [1, 1]}), ""),
    (lambda c: c.update(normalization={"mean": [0, 1e999], "std": [1, 1]}), "mean"),
    (lambda c: c.update(classes="abc"), "classes"), (lambda c: c.update(classes=[1]), "class name"),
    (lambda c: c.update(input_shape=3), "input_shape"),
    (lambda c: c.update(input_shape=[1, "a", 2]), "input_shape")])
def test_a_description_that_is_wrong(change, message, path):
    cn.save(network(), path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=f"{path.name}(?s:.*)({message})"):
        cn.load(path)


def test_nested_without_end(path):
    cn.save(small(), path)
    nested = '{"class":"Sequential","layers":[' * 100_000 + "]}" * 100_000
    text = '{"version":1,"architecture":' + nested + "}"
    path.write_bytes(safetensors.save({}, {"cycnn": text}))
    with pytest.raises(ValueError, match="nested too deeply|not valid JSON"):
        cn.load(path)


@pytest.mark.parametrize("change, message", [
    (lambda t: t.pop("9.bias"), "missing 9.bias"),
    (lambda t: t.update(extra=np.zeros(3, np.float32)), "unexpected extra"),
    (lambda t: t.update({"9.bias": np.zeros(6, np.float32)}), "9.bias has shape"),
    (lambda t: t.update({"9.bias": np.zeros((5, 1), np.float32)}), "9.bias has shape"),
    (lambda t: t.update({"9.bias": np.zeros(5)}), "9.bias must be float32"),
    (lambda t: t.update({"9.bias": np.zeros(5, np.int32)}), "9.bias must be float32"),
    (lambda t: t.update({"9.bias": np.zeros(5, np.float16)}), "9.bias must be float32"),
    (lambda t: t.clear(), "missing 0.weight; missing 3.0.weight")])
def test_tensors_that_are_wrong(change, message, path):
    model = network()
    cn.save(model, path)
    tensors = dict(model.state_dict())
    change(tensors)
    rewrite(path, lambda content: None, tensors)
    with pytest.raises(ValueError, match=f"{path.name}.*{message}"):
        cn.load(path)


def test_without_safetensors(path, monkeypatch):
    cn.save(small(), path)
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    for call in (lambda: cn.save(small(), path), lambda: cn.load(path)):
        with pytest.raises(ImportError, match=r'pip install "cycnn\[save\]"'):
            call()


# --- buffers, and modules among the arguments ---------------------------------------------------

def branched():
    return cn.Sequential(
        cn.Conv2d(2, 4, 3), cn.BatchNorm2d(4),
        cn.Residual(cn.Sequential(cn.Conv2d(4, 6, 1), cn.BatchNorm2d(6)), cn.Conv2d(4, 6, 1)),
        cn.Concat(cn.Sequential(), cn.ConvTranspose2d(6, 3, 1)), cn.GroupNorm(3, 9))


def test_every_layer_is_saved_and_loaded(path, rng):
    from test_layers import LAYERS

    for name, (make, shape, _) in LAYERS.items():
        layer = make(np.float64)
        x = rng.standard_normal(shape)
        layer(x)                                # running statistics of its own
        cn.save(layer, path)
        again = cn.load(path)
        assert repr(again) == repr(layer), name
        np.testing.assert_array_equal(again(x), layer.eval()(x), err_msg=name)


def residual(content):
    return layer(content, 2)


@pytest.mark.parametrize("change, message", [
    (lambda c: layer(c, 1)["config"].update(num_features=2**30), "more numbers than the file"),
    (lambda c: layer(c, 4)["config"].update(num_channels=3 * 2**28), "more numbers than the file"),
    (lambda c: layer(c, 1)["config"].update(num_features=True), "num_features"),
    (lambda c: layer(c, 1)["config"].update(num_features=5), "1.weight has shape"),
    (lambda c: layer(c, 1)["config"].update(track_running_stats=False), "unexpected 1.running"),
    (lambda c: residual(c).update(modules=[]), "object"),
    (lambda c: residual(c).pop("modules") and None, "body"),
    (lambda c: residual(c)["modules"].pop("body") and None, "body"),
    (lambda c: residual(c)["modules"].update(body={"class": "Nothing"}), "Nothing"),
    (lambda c: residual(c)["modules"].update(tail=residual(c)["modules"]["body"]), "tail"),
    (lambda c: layer(c, 3).update(layers=[]), "branches"),
    (lambda c: layer(c, 3).pop("layers") and None, "array")])
def test_a_description_of_branches_that_is_wrong(change, message, path):
    cn.save(branched(), path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=f"{path.name}(?s:.*)({message})"):
        cn.load(path)


@pytest.mark.parametrize("change, message", [
    (lambda t: t.pop("1.running_var"), "missing 1.running_var"),
    (lambda t: t.update({"1.num_batches_tracked": np.zeros((), np.float32)}),
     "1.num_batches_tracked must be int64"),
    (lambda t: t.update({"0.bias": np.zeros(4, np.int64)}), "0.bias must be float32"),
    (lambda t: t.update({"1.running_mean": np.zeros(5, np.float32)}), "1.running_mean has shape")])
def test_buffers_that_are_wrong(change, message, path):
    model = branched()
    cn.save(model, path)
    tensors = dict(model.state_dict())
    change(tensors)
    rewrite(path, lambda content: None, tensors)
    with pytest.raises(ValueError, match=f"{path.name}.*{message}"):
        cn.load(path)
