"""`import cycnn` needs NumPy alone; the extras come when they are used, or say what to install."""

import json

import pytest

import cycnn as cn
from cycnn._extras import require
from helpers import run_python

EXTRAS = ["tqdm", "pooch", "PIL", "matplotlib", "safetensors"]


def script(text):
    done = run_python("-c", text)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_extra_is_imported():
    loaded = json.loads(script("import json, numpy, sys; before = set(sys.modules); import cycnn; "
                               "print(json.dumps(sorted(set(sys.modules) - before)))"))
    assert not {"torch", "numpy.random", *EXTRAS} & set(loaded)
    assert not {"cycnn.data", "cycnn.plot", "cycnn.cli"} & set(loaded)


def test_what_predicting_does_not_need_is_loaded_when_it_is_used():
    """An import takes milliseconds, as much of it is left out; all names are there all the same."""
    assert script("""
import sys
import numpy
before = set(sys.modules)
import cycnn as cn
new = set(sys.modules) - before
for name in ("callbacks", "checkpoint", "feeding", "functional.loss", "functional.update",
             "history", "layers.gradcheck", "losses", "metrics", "optim", "schedules", "trainer"):
    assert f"cycnn.{name}" not in new, name
assert not {"json", "csv", "queue", "signal"} & new
assert cn.optim.SGD is cn.SGD and cn.callbacks.Callback is cn.Callback
assert "SGD" in vars(cn)                         # found once
from cycnn.functional import *
assert cross_entropy is cn.functional.cross_entropy and "cross_entropy" in dir(cn.functional)
for name in cn.functional.__all__:
    assert callable(getattr(cn.functional, name)), name
assert not hasattr(cn.functional, "conv3d") and "_later" not in cn.functional.__all__
from cycnn import Trainer, gradcheck, metrics
assert Trainer is cn.Trainer and callable(gradcheck) and metrics is cn.metrics
print("done")
""") == "done\n"


def test_training_and_predicting_without_any_extra():
    assert script(f"""
import sys
for name in {EXTRAS}:
    sys.modules[name] = None                    # as if it were not installed
import cycnn as cn
train, test = cn.data.load("digits")
model = cn.Sequential(cn.Conv2d(1, 8, 3), cn.ReLU(), cn.MaxPool2d(2), cn.Flatten(),
                      cn.Linear(72, 10))
trainer = cn.Trainer(model, cn.SGD(model.parameters(), lr=0.05, momentum=0.9),
                     cn.CrossEntropyLoss())
history = trainer.fit(train[:200], validation=test[:50])
print(len(trainer.predict(test.images[:5])), len(history))
""").splitlines()[-1] == "5 1"


def test_every_public_name_is_there():
    for name in cn.__all__:
        assert hasattr(cn, name), name
    assert set(cn.__all__) <= set(dir(cn))
    with pytest.raises(AttributeError, match="no attribute 'Conv3d'"):
        cn.Conv3d


def test_an_extra_that_is_missing_says_how_to_get_it():
    with pytest.raises(ImportError, match=r"^reading clay needs clay_tablets \(No module.*\): "
                                          r'run pip install "cycnn\[images\]"$'):
        require("clay_tablets.reader", extra="images", purpose="reading clay")
    assert require("json", extra="save", purpose="a test") is json


def test_show_config(capsys):
    config = cn.show_config(mode="dicts")
    assert config["cycnn"] == cn.__version__ and config["threads"] == cn.get_num_threads()
    assert config["instruction set"] in config["built for"]
    assert config["instruction set"] in config["processor runs"]
    assert cn.show_config() is None
    out = capsys.readouterr().out
    assert f"threads:           {config['threads']}" in out.splitlines()
    assert len(out.splitlines()) == len(config)
    with pytest.raises(ValueError, match="mode"):
        cn.show_config("yaml")
