"""A training in a process of its own, for the tests that kill it: resumed where its file says.

Arguments: the checkpoint, where to write the bytes of the weights at the end, and the words
"augment", "stream" or "mapped" for other kinds of data.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import cycnn as cn
from cycnn.callbacks import Checkpoint, EarlyStopping
from cycnn.data.augment import Compose, RandomErasing, RandomHorizontalFlip, RandomShift


def images_and_labels():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    return (rng.integers(0, 100, (150, 1, 8, 8)) + 50 * labels[:, None, None, None]).astype(
        np.uint8), labels


def stream(data):
    images, labels = data

    def batches(epoch):
        order = np.random.default_rng(epoch).permutation(150)
        for start in range(0, 150, 10):
            yield images[order[start:start + 10]], labels[order[start:start + 10]]

    return batches


def training(checkpoint, words, every=2, epochs=4, callbacks=(), resume=True):
    """The trainer, its history when it has come to its end."""
    data = images_and_labels()
    model = cn.Sequential(cn.Conv2d(1, 4, 3, rng=0), cn.ReLU(), cn.MaxPool2d(2), cn.Flatten(),
                          cn.Linear(36, 3, rng=1))
    optimizer = cn.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-3)
    trainer = cn.Trainer(model, optimizer, cn.CrossEntropyLoss(), seed=3)
    options = {"augment": Compose([RandomShift(1), RandomHorizontalFlip(), RandomErasing()])
               } if "augment" in words else {}
    steps = 15
    if "accumulate" in words:
        options["accumulate"], steps = 4, 4
    if "balanced" in words:
        options["sampling"] = "balanced"
    train = data
    if "stream" in words:
        model.normalization = cn.Normalization([100], [50])
        train = stream(data)
    with tempfile.TemporaryDirectory() as folder:
        if "mapped" in words:
            np.save(Path(folder, "images.npy"), data[0])
            train = np.load(Path(folder, "images.npy"), mmap_mode="r"), data[1]
        history = trainer.fit(
            train, epochs, 10, validation=data, progress=False, resume=resume,
            schedule=cn.OneCycleLR(optimizer, 0.1, total_steps=epochs * steps),
            callbacks=[Checkpoint(checkpoint, every),
                       EarlyStopping(patience=50, restore_best_weights=True), *callbacks],
            **options)
    return trainer, history


if __name__ == "__main__":
    checkpoint, result, *words = sys.argv[1:]
    trainer, history = training(checkpoint, words)
    weights = b"".join(array.tobytes() for array in trainer.model.state_dict().values())
    Path(result).write_bytes(weights + repr((history.train_loss, history.val_loss,
                                             history.train_accuracy)).encode())
