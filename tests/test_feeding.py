"""What a training is fed with: memory-mapped files, folders, generators."""

import threading
import time
import tracemalloc

import numpy as np
import pytest

import cycnn as cn
from cycnn import data
from cycnn.ahead import ahead
from cycnn.callbacks import Callback
from cycnn.data.augment import RandomCrop, RandomHorizontalFlip, RandomShift
from cycnn.data.lazy import Lazy
from small_training import (Disk, batches_of, bytes_of, fitted, mapped, network, no_thread_is_left,
                            shapes, trainer_of)


@pytest.fixture
def train(rng):
    return shapes(rng, 70, channels=2)


# --- images that stay where they are -----------------------------------------------------------

@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int16, np.float16])
@pytest.mark.parametrize("augment", [None, RandomShift(1)])
def test_images_on_the_disk_train_as_those_in_memory(kind, augment, train, tmp_path):
    images, labels = train[0].astype(kind), train[1]
    expected = fitted((images, labels), augment=augment)
    disk = Disk(images)
    for other in (mapped(images, tmp_path), np.asarray(mapped(images, tmp_path)), disk):
        assert fitted((other, labels), augment=augment) == expected
        assert fitted(data.Dataset(other, labels), augment=augment) == expected
    # Batch by batch, in another thread than the one that trains.
    assert max(size for size, _ in disk.reads) <= 70
    assert any(thread is not threading.main_thread() for _, thread in disk.reads)


def test_a_memory_mapped_set_is_never_copied(tmp_path, rng):
    labels = rng.integers(0, 3, 12000)
    images = mapped(rng.integers(0, 256, (12000, 3, 32, 32), np.uint8), tmp_path)
    model = cn.Sequential(cn.AvgPool2d(8), cn.Flatten(), cn.Linear(48, 3, rng=0))
    trainer = trainer_of(model)
    tracemalloc.start()
    try:
        train, validation = data.split(data.Dataset(images, labels, "abc"), 0.25)
        trainer.fit(train, 1, 100, validation=validation, progress=False,
                    augment=RandomCrop(32, padding=2))
        trainer.predict_proba(train.images)
        trainer.evaluate(validation)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(train) == 9000 and len(validation) == 3000
    assert peak < images.nbytes / 2             # of 35 MiB; a batch of 256 as float32 has 3


def test_a_subset_of_a_subset_reads_what_it_says(tmp_path, rng):
    images = rng.integers(0, 256, (40, 1, 5, 4)).astype(np.uint8)
    labels = np.arange(40) % 4
    for source in (mapped(images, tmp_path), Disk(images)):
        whole = data.Dataset(source, labels)
        part = whole[[7, 3, 3, 39]][[2, 0]]
        assert isinstance(part.images, Lazy) and part.labels.tolist() == [3, 3]
        np.testing.assert_array_equal(part.images[:], images[[3, 7]])
        np.testing.assert_array_equal(part[1][0], images[7])
        np.testing.assert_array_equal(whole[labels == 2].images[-3:], images[labels == 2][-3:])
        np.testing.assert_array_equal(whole[10:20].images[::3], images[10:20:3])
        np.testing.assert_array_equal(whole[10:20][[True] * 5 + [False] * 5].images[[4, -0]],
                                      images[[14, 10]])
        lazily = part.images
        assert (len(lazily), lazily.ndim, repr(lazily)) == (2, 4, "Rows((2, 1, 5, 4), uint8)")
        for wrong, error in (([2], ValueError), ([0.5], TypeError), ([True], ValueError)):
            with pytest.raises(error, match="index"):
                lazily[wrong]
        with pytest.raises(IndexError):
            lazily[2]
    with pytest.raises(TypeError, match="images"):
        data.Dataset(Disk(images.astype(complex)), labels)
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        data.Dataset(Disk(images[0]), labels)


def test_a_folder_that_is_read_while_training(tmp_path, rng):
    image = pytest.importorskip("PIL.Image")
    for number in range(24):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        size = (9, 8) if number < 12 else (10, 12)
        image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)).save(
            folder / f"{number}.png")
    in_memory = data.load_folder(tmp_path, image_size=8)
    on_disk = data.load_folder(tmp_path, image_size=8, in_memory=False)
    for one, other in zip(in_memory, on_disk):
        assert isinstance(other.images, Lazy) and other.images.shape == one.images.shape
        np.testing.assert_array_equal(other.images[:], one.images)
        assert other.classes == one.classes and (other.labels == one.labels).all()
    bytes_found = []
    for train, test in (in_memory, on_disk):
        model = cn.Sequential(cn.Flatten(), cn.Linear(192, 2, rng=0))
        history = trainer_of(model).fit(train, 2, 5, validation=test, progress=False,
                                        augment=RandomHorizontalFlip())
        bytes_found.append((bytes_of(model), history.val_loss, model.classes))
    assert bytes_found[0] == bytes_found[1]
    # A file that is damaged later is named, out of the thread that reads it.
    on_disk[0].images.images.files[0].write_text("no picture any more")
    for file in tmp_path.glob("*/*.png"):
        file.write_text("no picture any more")
    with pytest.raises(ValueError, match="png: cannot be read as a picture"):
        trainer_of(model).fit(on_disk[0], progress=False)


# --- generators --------------------------------------------------------------------------------

class Loader:
    """As PyTorch's DataLoader: goes through anew each time, and has a length."""

    def __init__(self, train):
        self.train = train

    def __iter__(self):
        return batches_of(self.train)

    def __len__(self):
        return 5


def by_hand(batches, epochs, normalization, accumulate=1):
    model = network(channels=2)
    loss, optimizer = cn.CrossEntropyLoss(), cn.SGD(model.parameters(), 0.02, 0.9)
    mean, std = (np.asarray(part)[:, None, None] for part in (normalization.mean,
                                                              normalization.std))
    for _ in range(epochs):
        for images, labels in batches():
            loss(model(((images - mean) / std).astype(np.float32)), labels)
            model.backward(loss.backward(), input_gradient=False)
            optimizer.step()
    return model


@pytest.mark.parametrize("make", [
    lambda train: (lambda: batches_of(train)), lambda train: (lambda epoch: batches_of(train)),
    Loader], ids=["function", "function of the epoch", "loader"])
def test_generators(make, train):
    normalization = cn.Normalization([100, 90], [50, 60])
    expected = by_hand(lambda: batches_of(train), 2, normalization)
    model = network(channels=2)
    model.normalization = normalization
    trainer = trainer_of(model)
    history = trainer.fit(make(train), 2, validation=make(train), progress=False)
    for one, other in zip(model.parameters(), expected.parameters()):
        np.testing.assert_allclose(one.data, other.data, atol=1e-5)
    scores = trainer.evaluate(train)
    assert history.val_loss[-1] == pytest.approx(scores["loss"], rel=1e-6)
    assert history.val_accuracy[-1] == scores["accuracy"]
    assert trainer.evaluate(make(train))["accuracy"] == scores["accuracy"]
    assert model.input_shape == (2, 8, 8)
    np.testing.assert_array_equal(model.predict(images for images, _ in batches_of(train)),
                                  model.predict(train[0]))


def test_a_generator_once_or_for_some_steps(train):
    history = trainer_of(network(channels=2)).fit(batches_of(train), progress=False)
    assert len(history) == 1

    def forever():
        while True:
            yield from batches_of(train)

    seen = []

    class Count(Callback):
        def on_epoch_end(self, trainer, state):
            seen.append((state.batch + 1, state.images, state.batches))

    history = trainer_of(network(channels=2)).fit(forever(), 3, steps_per_epoch=4,
                                                  callbacks=[Count()], progress=False)
    assert len(history) == 3 and seen == [(4, 64, 4), (4, 54, 4), (4, 54, 4)]
    with pytest.raises(ValueError, match="5 batches.*9.*generator"):
        trainer_of(network(channels=2)).fit(batches_of(train), steps_per_epoch=9, progress=False)


def test_a_generator_is_given_the_epoch(train):
    epochs = []

    def batches(epoch):
        epochs.append(epoch)
        return batches_of(train)

    trainer = trainer_of(network(channels=2))
    trainer.fit(batches, 2, progress=False)
    trainer.fit(batches, 1, progress=False)
    assert epochs == [0, 1, 2]


@pytest.mark.parametrize("make, options, error, message", [
    (lambda train: batches_of(train), dict(epochs=2), ValueError, "cannot be gone through 2 times"),
    (lambda train: (lambda: iter([])), {}, ValueError, "train gave 0 batches"),
    (lambda train: (lambda: iter([train[0]])), {}, TypeError, "pairs"),
    (lambda train: (lambda: iter([(*train, 1)])), {}, TypeError, "pairs"),
    (lambda train: (lambda: iter([(train[0], train[1][1:])])), {}, ValueError, "as many labels"),
    (lambda train: (lambda: iter([(train[0][:, 0], train[1])])), {}, ValueError, "4 dimensions"),
    (lambda train: (lambda: iter([(train[0][:, :1], train[1])])), {}, ValueError, "channel"),
    (lambda train: (lambda: iter([(train[0], train[1] + 1)])), {}, ValueError, "0 to 2"),
    (lambda train: (lambda: iter([(train[0], train[1] * 0.5)])), {}, TypeError, "labels"),
    (lambda train: (lambda: iter([(train[0].astype(complex), train[1])])), {}, TypeError,
     "complex"),
    (lambda train: (lambda: 3), {}, TypeError, "int"),
    (lambda train: (lambda: None), {}, TypeError, "train must be a function that makes .*NoneType"),
    (lambda train: (lambda: batches_of(train)), dict(steps_per_epoch=0), ValueError,
     "steps_per_epoch"),
    (lambda train: (lambda: batches_of(train)), dict(sampling="balanced"), ValueError, "sampling"),
    (lambda train: train, dict(steps_per_epoch=3), ValueError, "steps_per_epoch is for"),
    (lambda train: train, dict(validation=batches_of(train), epochs=2), ValueError,
     "validation cannot be gone through"),
    (lambda train: "images", {}, TypeError, "data set"),
    (lambda train: {"images": 3}, {}, TypeError, "data set"),
    (lambda train: 3, {}, TypeError, "int"),
    (lambda train: train, dict(accumulate=0), ValueError, "accumulate"),
    (lambda train: train, dict(accumulate=1.5), TypeError, "accumulate"),
    (lambda train: train, dict(augment=3), TypeError, "augment"),
    (lambda train: train, dict(augment=RandomShift), TypeError, "augment"),
    (lambda train: train, dict(augment=RandomCrop(9)), ValueError, "size"),
    (lambda train: train, dict(augment=RandomShift(1, fill=999)), ValueError, "fill"),
    *((make, dict(augment=augment), error, f"augment must return .*{message}")
      for make in (lambda train: train, lambda train: lambda: batches_of(train))
      for augment, error, message in (
          (lambda *_: None, TypeError, "NoneType"),
          (lambda images, indices, *_: images[indices][1:], ValueError, "as many images"),
          (lambda images, indices, *_: images[indices][:, 0], ValueError, "shape"))),
    (lambda train: train, dict(sampling="even"), ValueError, "sampling"),
    (lambda train: train, dict(sampling=[1, 2]), ValueError, "sampling"),
    (lambda train: train, dict(sampling=np.zeros(70)), ValueError, "sampling"),
    (lambda train: train, dict(sampling=-np.ones(70)), ValueError, "sampling"),
    (lambda train: train, dict(sampling=["a"] * 70), TypeError, "sampling")])
def test_wrong_data(make, options, error, message, train):
    model = network(channels=2)
    before = bytes_of(model)
    with pytest.raises(error, match=message):
        trainer_of(model).fit(make(train), **{"progress": False, **options})
    assert bytes_of(model) == before and no_thread_is_left()


def test_an_error_in_a_generator_comes_out_where_it_belongs(train):
    def batches():
        yield train
        raise OSError("the camera is gone")

    model, other = network(channels=2), network(channels=2)
    with pytest.raises(OSError, match="camera"):
        trainer_of(model).fit(batches, progress=False)
    trainer_of(other).fit(lambda: iter([train]), progress=False)
    assert bytes_of(model) == bytes_of(other)           # one step
    assert no_thread_is_left()


# --- ahead -------------------------------------------------------------------------------------

def test_ahead_runs_ahead_but_not_far():
    made = []

    def items():
        for i in range(10):
            made.append(i)
            yield i

    running = ahead(items(), depth=2)
    assert next(running) == 0
    deadline = time.time() + 5
    while len(made) < 4 and time.time() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert made == [0, 1, 2, 3]             # the one taken, two that wait, one in the hand
    assert list(running) == list(range(1, 10))
    assert no_thread_is_left()


def test_ahead_that_is_left_early_ends_its_thread():
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(threading.current_thread())

    running = ahead(items())
    next(running)
    running.close()
    assert no_thread_is_left()
    assert len(closed) == 1 and closed[0] is not threading.main_thread()
