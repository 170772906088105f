"""What `cycnn train` can be told: each option is an object of the Python interface, Ctrl-C keeps
the model, and a training that is resumed gives the same bytes."""

import csv
import json
import math
import signal
import sys

import numpy as np
import pytest

import cycnn as cn
from cycnn import callbacks, cli, models
from cycnn.data import augment

pytest.importorskip("safetensors")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Each test in a folder of its own, on one thread."""
    monkeypatch.chdir(tmp_path)
    with cn.num_threads(1):
        yield


@pytest.fixture
def train(capsys):
    """A function that runs `cycnn train` with arguments in one text; (output, error)."""
    def run(text, status=0):
        try:
            left = cli.main(["train", *text.split(" ")])
        except SystemExit as leave:
            left = leave.code
        output, error = capsys.readouterr()
        assert left == status, output + error
        return output, error
    return run


def weights(path):
    return cn.load(path).state_dict()


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for name in actual:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)


def trained(make, optimizer, schedule=None, validation=None, ema=None, epochs=2, loss=None,
            watch=(), seed=0, **options):
    """The trainer after a training by hand, and its history."""
    images, test = cn.data.load("digits")
    if validation:
        images, test = cn.data.split(images, validation)
    cn.manual_seed(seed)
    model = make((1, 8, 8), 10)
    optimizer = optimizer(model.parameters())
    ema = ema and cn.ExponentialMovingAverage(model.parameters(), ema, warmup=True)
    steps = epochs * math.ceil(len(images) / 64)
    trainer = cn.Trainer(model, optimizer, loss or cn.CrossEntropyLoss(), seed=seed, ema=ema)
    history = trainer.fit(images, epochs, 64, test, schedule and schedule(optimizer, steps), watch,
                          False, **options)
    return trainer, history


class TestOptions:
    def test_the_defaults(self, train):
        train("--epochs 2 --no-plot")
        trainer, _ = trained(
            models.convnet, lambda parameters: cn.SGD(parameters, 0.05, 0.9, 5e-4, nesterov=True),
            lambda optimizer, steps: cn.OneCycleLR(optimizer, 0.05, steps, cycle_momentum=False))
        assert_same(weights("cycnn-digits.safetensors"), trainer.model.state_dict())

    def test_model_optimizer_schedule_and_loss(self, train):
        output, _ = train("--epochs 2 --no-plot --model mnist_example --optimizer adamw --lr 0.002 "
                          "--weight-decay 0.05 --schedule cosine --label-smoothing 0.1 --seed 3")
        trainer, _ = trained(
            models.mnist_example, lambda parameters: cn.AdamW(parameters, 0.002, weight_decay=0.05),
            cn.CosineAnnealingLR, loss=cn.CrossEntropyLoss(label_smoothing=0.1), seed=3)
        assert "network: mnist_example, 53,002 weights; 2 epochs" in output
        assert_same(weights("cycnn-digits.safetensors"), trainer.model.state_dict())

    @pytest.mark.parametrize("name, make", [
        ("adam", lambda parameters: cn.Adam(parameters, 1e-3)),
        ("adamw", lambda parameters: cn.AdamW(parameters, 1e-3)),
        ("rmsprop", lambda parameters: cn.RMSprop(parameters, 1e-3)),
    ])
    def test_optimizers_by_default(self, train, name, make):
        train(f"--epochs 1 --no-plot --schedule constant --optimizer {name}")
        trainer, _ = trained(models.convnet, make, epochs=1)
        assert_same(weights("cycnn-digits.safetensors"), trainer.model.state_dict())

    def test_augmentation_validation_average_and_log(self, train):
        """With a validation part the test images are looked at once: its numbers are logged."""
        output, _ = train(
            "--epochs 2 --no-plot --schedule constant --validation 0.1 --ema 0.99 --log log.jsonl "
            "--augment shift:1,crop:1,flip:0.25,vflip,rotate:5.5,erase")
        changes = augment.Compose([
            augment.RandomShift(1), augment.RandomCrop(8, padding=1),
            augment.RandomHorizontalFlip(0.25), augment.RandomVerticalFlip(),
            augment.RandomRotation(5.5, "bilinear"), augment.RandomErasing()])
        trainer, history = trained(
            models.convnet, lambda parameters: cn.SGD(parameters, 0.05, 0.9, 5e-4, nesterov=True),
            validation=0.1, ema=0.99, augment=changes)
        trainer.ema.copy_to()
        assert_same(weights("cycnn-digits.safetensors"), trainer.model.state_dict())
        assert "1,293 images of 1x8x8 to train on, 144 to validate, 360 held out" in output
        right = trainer.evaluate(cn.data.load("digits")[1])["accuracy"]
        assert f"accuracy: {100 * right:.2f} % of 360 held-out images right" in output
        with open("log.jsonl", encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        assert [line["val_loss"] for line in lines] == history.val_loss

    def test_early_stopping_keeps_the_best_average(self, train):
        """A rate of learning that is far too high: the first epochs are the best."""
        output, _ = train("--epochs 30 --no-plot --schedule constant --lr 0.3 --early-stopping 2 "
                          "--validation 0.2 --ema 0.9")
        early = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
        trainer, history = trained(
            models.convnet, lambda parameters: cn.SGD(parameters, 0.3, 0.9, 5e-4, nesterov=True),
            validation=0.2, ema=0.9, epochs=30, watch=[early])
        best = int(np.argmin(history.val_loss))
        assert len(history) < 30
        assert f"ended:    after {len(history)} of 30 epochs, by --early-stopping\n" in output
        assert f"weights:  those of epoch {best + 1}, " in output
        assert_same(weights("cycnn-digits.safetensors"), trainer.model.state_dict())
        # What is kept is what was validated.
        _, validation = cn.data.split(cn.data.load("digits")[0], 0.2)
        assert trainer.evaluate(validation)["loss"] == history.val_loss[best]

    def test_time_limit(self, train):
        output, _ = train("--epochs 1000 --time-limit 0.000001s --no-plot")
        assert "ended:    after 0 of 1000 epochs, by --time-limit\n" in output
        assert "model:    cycnn-digits.safetensors\n" in output

    @pytest.mark.parametrize("text, seconds", [("90", 90), ("1.5s", 1.5), ("5m", 300),
                                               ("0.5H", 1800), (".5 m", 30)])
    def test_times(self, text, seconds):
        assert cli.parser().parse_args(["train", "--time-limit", text]).time_limit == seconds

    def test_log_as_a_table(self, train):
        train("--epochs 2 --no-plot --log log.CSV")
        with open("log.CSV", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["epoch"] for row in rows] == ["1", "2"]
        assert 0.5 < float(rows[1]["val_accuracy"]) <= 1


class Interrupted:
    """Within ``with Interrupted(3, 3):`` Ctrl-C is pressed in the steps of these numbers."""

    def __init__(self, monkeypatch, *steps):
        step, done = cn.SGD.step, iter(range(1, sys.maxsize))

        def pressed(optimizer):
            for _ in range(steps.count(next(done))):
                signal.raise_signal(signal.SIGINT)
            step(optimizer)

        self.patch, self.step = monkeypatch, pressed

    def __enter__(self):
        self.context = self.patch.context()
        self.context.__enter__().setattr(cn.SGD, "step", self.step)

    def __exit__(self, *error):
        self.context.__exit__(*error)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
class TestInterrupt:
    def test_it_keeps_the_model_after_the_step(self, train, monkeypatch, tmp_path):
        """23 steps are an epoch: 30 are one epoch and 7 steps."""
        pytest.importorskip("matplotlib")
        with Interrupted(monkeypatch, 30):
            output, error = train("--epochs 5 --schedule constant", 130)
        assert error.splitlines()[-1] == (
            "cycnn: interrupted after 1 of 5 epochs, the model is kept: cycnn-digits.safetensors")
        assert "held-out images right" in output and "ended" not in output
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "cycnn-digits.png", "cycnn-digits.safetensors"]

        class After30(callbacks.Callback):
            def on_batch_end(self, trainer, state):
                state.stop = state.epoch == 1 and state.batch == 6

        trainer, _ = trained(
            models.convnet, lambda parameters: cn.SGD(parameters, 0.05, 0.9, 5e-4, nesterov=True),
            watch=[After30()])
        assert_same(weights("cycnn-digits.safetensors"), trainer.model.state_dict())

    def test_without_an_epoch_there_is_no_picture(self, train, monkeypatch, tmp_path):
        pytest.importorskip("matplotlib")
        with Interrupted(monkeypatch, 1):
            output, error = train("--epochs 5", 130)
        assert "interrupted after 0 of 5 epochs, the model is kept" in error
        assert "picture" not in output
        assert [path.name for path in tmp_path.iterdir()] == ["cycnn-digits.safetensors"]

    def test_the_second_ends_at_once_and_writes_nothing(self, train, monkeypatch, tmp_path):
        with Interrupted(monkeypatch, 30, 30):
            output, error = train("--epochs 5 --no-plot", 130)
        assert error.splitlines()[-1] == "cycnn: interrupted, nothing was written"
        assert "accuracy" not in output and list(tmp_path.iterdir()) == []

    def test_while_it_is_tested_the_model_is_there_already(self, train, monkeypatch):
        predict = cn.Trainer.predict_proba

        def pressed(trainer, images):
            signal.raise_signal(signal.SIGINT)
            return predict(trainer, images)

        monkeypatch.setattr(cn.Trainer, "predict_proba", pressed)
        output, error = train("--epochs 1 --no-plot", 130)
        assert "interrupted after 1 of 1 epochs, the model is kept: cycnn-digits.saf" in error
        assert "accuracy" not in output and weights("cycnn-digits.safetensors")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
class TestResume:
    OPTIONS = ("--epochs 3 --no-plot --checkpoint last --augment shift:1,erase --ema 0.95 "
               "--validation 0.1 --early-stopping 3 --model mnist_example --log log.csv")

    def test_the_same_bytes(self, train, monkeypatch, tmp_path):
        """Ended within an epoch by one Ctrl-C, which leaves a checkpoint of that step, and by two,
        which leave that of the epoch before. The network has dropout."""
        output, _ = train(f"{self.OPTIONS} --resume")
        assert "there is no last yet: from the beginning\n" in output
        whole = (tmp_path / "cycnn-digits.safetensors").read_bytes()
        log = self.log()
        for steps, text in (((25,), "the model is kept: cycnn-digits.safetensors; --resume"),
                            ((25, 25), "the model is not saved; --resume goes on from last")):
            for path in tmp_path.iterdir():
                path.unlink()
            with Interrupted(monkeypatch, *steps):
                _, error = train(self.OPTIONS, 130)
            assert text in error
            output, _ = train(f"{self.OPTIONS} --resume")
            assert "resuming from last\n" in output
            assert (tmp_path / "cycnn-digits.safetensors").read_bytes() == whole
            assert self.log() == log

    def log(self):
        """The lines of the log without the seconds."""
        with open("log.csv", encoding="utf-8", newline="") as file:
            return [{name: value for name, value in row.items() if name != "seconds"}
                    for row in csv.DictReader(file)]

    def test_after_the_end(self, train, tmp_path):
        first, _ = train("--epochs 2 --no-plot --checkpoint last")
        model = (tmp_path / "cycnn-digits.safetensors").read_bytes()
        (tmp_path / "cycnn-digits.safetensors").unlink()
        second, _ = train("--epochs 2 --no-plot --checkpoint last --resume")
        assert (tmp_path / "cycnn-digits.safetensors").read_bytes() == model
        assert first.split("right")[0].split("accuracy")[1] in second

    def test_other_options_are_refused(self, train):
        """Weights of neither the one training nor the other."""
        images, test = cn.data.load("digits")
        pad = [(0, 0), (0, 0), (2, 2), (2, 2)]
        np.savez("small.npz", x_train=np.pad(images.images, pad), y_train=images.labels,
                 x_test=np.pad(test.images, pad), y_test=test.labels)
        train("--epochs 1 --no-plot --checkpoint last")
        for changed, text in (("--lr 0.01", "--lr 0.05, this one has 0.01"),
                              ("--weight-decay 0", "--weight-decay 0.0005, this one has 0.0"),
                              ("--augment flip", "--augment None, this one has flip"),
                              ("--label-smoothing 0.1", "--label-smoothing 0.0, this one has 0.1"),
                              ("--ema 0.9", "--ema None, this one has 0.9"),
                              ("--model lenet5 --data small.npz", "--model convnet"),
                              ("--data small.npz", "--data digits, this one has files"),
                              ("--optimizer adam", "--optimizer sgd, this one has adam"),
                              ("--schedule cosine", "--schedule onecycle, this one has cosine"),
                              ("--epochs 2", "--epochs 1, this one has 2"),
                              ("--seed 1", "seed 0, this one has 1"),
                              ("--batch-size 32", "batch_size 64, this one has 32")):
            _, error = train(f"--epochs 1 --no-plot --checkpoint last --resume {changed}", 2)
            assert f"cycnn: last: it is of a training with {text}" in error.splitlines()[-1]

    def test_more_epochs_where_nothing_depends_on_their_number(self, train):
        train("--epochs 1 --no-plot --schedule constant --checkpoint last")
        train("--epochs 2 --no-plot --schedule constant --checkpoint last --resume")
        resumed = weights("cycnn-digits.safetensors")
        train("--epochs 2 --no-plot --schedule constant")
        assert_same(resumed, weights("cycnn-digits.safetensors"))


class TestMistakes:
    @pytest.mark.parametrize("text, message", [
        ("--model vgg", "argument --model: invalid choice: 'vgg' (choose from"),
        ("--model lenet5", "--model lenet5: input_shape must be at least 12 x 12 pixels"),
        ("--optimizer lion", "argument --optimizer: invalid choice: 'lion'"),
        ("--schedule step", "argument --schedule: invalid choice: 'step'"),
        ("--weight-decay -1", "must be a number of at least 0, got '-1'"),
        ("--weight-decay inf", "must be a number of at least 0, got 'inf'"),
        ("--label-smoothing 1.1", "must be a number from 0 to 1, got '1.1'"),
        ("--ema 1", "must be a number from 0 to below 1, got '1'"),
        ("--validation 0", "must be a number above 0 and below 1, got '0'"),
        ("--validation 20%", "must be a number above 0 and below 1, got '20%'"),
        ("--augment blur", "must be a list of shift, crop, flip, vflip, rotate, erase, such as"),
        ("--augment shift,,flip", "got ''"),
        ("--augment ", "got ''"),
        ("--augment shift:1.5", "shift takes a whole number, such as shift:2; got 'shift:1.5'"),
        ("--augment flip:", "flip takes a number, such as flip:0.5; got 'flip:'"),
        ("--augment flip:2", "flip:2: p must be a probability from 0 to 1, got 2"),
        ("--augment rotate:nan", "rotate:nan: degrees must be a finite number"),
        ("--augment shift:-1", "shift:-1: pixels must be an integer from 0"),
        ("--time-limit 0", "must be a number of seconds above 0, or one with s, m or h"),
        ("--time-limit 5mm", "got '5mm'"),
        ("--time-limit inf", "got 'inf'"),
        ("--time-limit m", "got 'm'"),
        ("--early-stopping 0", "must be a whole number of at least 1, got '0'"),
        ("--early-stopping 3", "--early-stopping needs --validation FRACTION"),
        ("--log x.txt", "must end in .jsonl or .csv, got 'x.txt'"),
        ("--log no/x.csv", "there is no folder no to write to"),
        ("--checkpoint .", ". is a folder"),
        ("--resume", "--resume needs --checkpoint FILE"),
        ("--checkpoint a.safetensors -o a.safetensors", "the name of both the model and --check"),
        ("--log a.csv -o ./a.csv", "the name of both the model and --log"),
    ])
    def test_one_line(self, train, tmp_path, text, message):
        output, error = train(f"{text} --epochs 1 --no-plot", 2)
        assert error.count("\n") == 1 and error.startswith("cycnn") and message in error
        assert output == "" and list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("output", ["-o set.npz", "-o ./no/../set.npz", "-o link",
                                        "--checkpoint set.npz", "--log hard.csv"])
    def test_the_data_are_not_written_over(self, train, tmp_path, output):
        np.savez("set.npz", x=np.zeros((20, 8, 8)), y=np.arange(20) % 2)
        (tmp_path / "no").mkdir()
        (tmp_path / "link").symlink_to("set.npz")
        (tmp_path / "hard.csv").hardlink_to("set.npz")
        before = (tmp_path / "set.npz").read_bytes()
        _, error = train(f"--data set.npz --epochs 1 --no-plot {output}", 2)
        assert "this is the name of both --data and" in error and error.count("\n") == 1
        assert (tmp_path / "set.npz").read_bytes() == before and len(list(tmp_path.iterdir())) == 4

    @pytest.mark.parametrize("name", ["x" * 250, "x" * 255, "x" * 239 + ".safetensors",
                                      "/proc/x.safetensors"])
    def test_a_name_that_no_file_can_have(self, train, tmp_path, name):
        if name.startswith("/proc") and not sys.platform.startswith("linux"):
            pytest.skip("there is no /proc")
        output, error = train(f"--epochs 1 --no-plot -o {name}", 2)
        assert error.count("\n") == 1 and output == "" and list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("content", [b"", b"no checkpoint"])
    def test_a_damaged_checkpoint(self, train, tmp_path, content):
        (tmp_path / "last").write_bytes(content)
        _, error = train("--epochs 1 --no-plot --checkpoint last --resume", 2)
        assert "last: this is not a whole safetensors file" in error
        assert (tmp_path / "last").read_bytes() == content

    def test_a_model_is_no_checkpoint(self, train):
        train("--epochs 1 --no-plot")
        _, error = train("--epochs 1 --no-plot --resume --checkpoint cycnn-digits.safetensors "
                         "-o other", 2)
        assert "this is a model, not a checkpoint" in error

    def test_nothing_to_validate_on(self, train):
        np.savez("few.npz", x_train=np.zeros((2, 8, 8)), y_train=[0, 1],
                 x_test=np.zeros((2, 8, 8)), y_test=[0, 1])
        _, error = train("--data few.npz --validation 0.4 --no-plot", 2)
        assert "--validation 0.4: few.npz has one image of each class" in error
