"""Checkpoints of a training that looks like this one, but is of something else."""

import types

import numpy as np
import pytest

import cycnn as cn
from checkpoint_run import images_and_labels
from cycnn.callbacks import Checkpoint

pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")

from test_checkpoint import change


def branches(activation, padding=0):
    return cn.Sequential(cn.Residual(cn.Sequential(cn.Conv2d(1, 1, 1), activation)),
                         cn.Conv2d(1, 2, 3 + 2 * padding, padding=padding), cn.Flatten(),
                         cn.Linear(72, 3))


@pytest.mark.parametrize("model, changes, message", [
    (branches(cn.Tanh()), {}, r"network with ReLU\(\) at 0.body.1, this one has Tanh\(\)"),
    (branches(cn.ReLU(), padding=1), {}, r"Conv2d\(kernel_size=.*3.*padding=.* at 1, this"),
    (cn.Sequential(*branches(cn.ReLU()), cn.ReLU()), {}, "with 4 layers, this one has 5"),
    (None, {"classes": ["a", "b", "d"]}, "the class 2 'c', this one has the class 2 'd'"),
    (None, {"classes": ["a", "b"]}, "3 classes, this one has 2 classes"),
    (None, {"images": 145}, "train_images 150, this one has 145"),
    (None, {"sampling": "balanced"}, "sampling None, this one has balanced"),
    (None, {"accumulate": 2}, "accumulate 1, this one has 2")])
def test_a_training_on_something_else(model, changes, message, tmp_path):
    path, (images, labels) = tmp_path / "last", images_and_labels()

    def run(model, resume=None, classes=("a", "b", "c"), images=150, **options):
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), 0.05), cn.CrossEntropyLoss())
        train = types.SimpleNamespace(images=data[:images], labels=labels[:images],
                                      classes=classes)
        trainer.fit(train, 2, 10, progress=False, callbacks=[Checkpoint(path)], resume=resume,
                    **options)

    data = images
    run(branches(cn.ReLU()))
    model = model or branches(cn.ReLU())
    before = [array.copy() for array in model.state_dict().values()]
    with pytest.raises(ValueError, match=f"last: it is of a .*{message}"):
        run(model, path, **changes)
    assert all(map(np.array_equal, before, model.state_dict().values()))
    assert model.normalization is None and model.classes is None

    def as_before(content, tensors):                    # files knew less
        for name in ("train_images", "sampling", "classes"):
            del content["setup"][name]

    change(path, as_before)
    run(branches(cn.ReLU()), path)
