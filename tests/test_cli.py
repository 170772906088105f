"""The command line, end to end: in processes of their own, in a temporary folder."""

import os
import re
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

import cycnn as cn
from cycnn import cli, models

pytest.importorskip("safetensors")
pytest.importorskip("matplotlib")


def environment(**changes):
    """This process's, with cycnn found as it was found here, from any folder."""
    path = os.pathsep.join([str(Path(cn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    # One thread: on a busy machine two of them wait for each other longer than they compute.
    return {**os.environ, "PYTHONPATH": path, "CYCNN_NUM_THREADS": "1", **changes}


def cycnn(*arguments, cwd, status=0, **changes):
    """Run the command; return (standard output, standard error)."""
    done = subprocess.run([sys.executable, "-m", "cycnn", *map(str, arguments)], cwd=cwd,
                          env=environment(**changes), capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the model that `cycnn train --epochs 2` has left, and what it printed."""
    folder = tmp_path_factory.mktemp("train")
    return folder, "".join(cycnn("train", "--epochs", 2, cwd=folder))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Held-out digits as PNG files in one folder a class, and the files of the class "3"."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("pictures")
    _, test = cn.data.load("digits")
    for number, (pixels, label) in enumerate(test):
        (folder / str(label)).mkdir(exist_ok=True)
        image.fromarray(pixels[0]).save(folder / str(label) / f"{number:03}.png")
    return folder


class TestTrain:
    def test_it_leaves_a_model_and_a_picture_and_names_both(self, trained):
        folder, output = trained
        assert sorted(path.name for path in folder.iterdir()) == [
            "cycnn-digits.png", "cycnn-digits.safetensors"]
        assert "model:    cycnn-digits.safetensors\n" in output
        assert "picture:  cycnn-digits.png\n" in output
        assert "epoch 2/2 100%" in output and ", val_accuracy 0." in output
        assert (folder / "cycnn-digits.png").read_bytes()[:4] == b"\x89PNG"

    def test_the_accuracy_printed_is_the_models(self, trained):
        folder, output = trained
        printed = float(re.search(r"accuracy: ([\d.]+) % of 360 held-out", output)[1])
        _, test = cn.data.load("digits")
        model = cn.load(folder / "cycnn-digits.safetensors")
        assert printed == round(100 * np.mean(model.predict(test.images) == test.labels), 2)
        assert printed > 90

    def test_the_same_seed_gives_the_same_weights(self, trained, tmp_path):
        folder, _ = trained
        cycnn("train", "--epochs", 2, "-o", "again.safetensors", "--no-plot", cwd=tmp_path)
        again = (tmp_path / "again.safetensors").read_bytes()
        assert again == (folder / "cycnn-digits.safetensors").read_bytes()
        assert not (tmp_path / "again.png").exists()

    def test_a_folder_of_pictures(self, pictures, tmp_path):
        output, _ = cycnn("train", "--data", pictures, "--image-size", "9x10", "--epochs", 2,
                          "--batch-size", 16, "--lr", "0.02", "--seed", 5, cwd=tmp_path)
        assert "images of 1x9x10" in output
        assert (tmp_path / f"cycnn-{pictures.name}.safetensors").is_file()

    def test_an_npz_file(self, tmp_path):
        train, test = cn.data.load("digits")
        np.savez(tmp_path / "small.npz", x_train=train.images[:, 0] / 255, y_train=train.labels,
                 x_test=test.images[:, 0] / 255, y_test=test.labels)
        output, _ = cycnn("train", "--data", "small.npz", "--epochs", 1, "--no-plot", cwd=tmp_path)
        assert "model:    cycnn-small.safetensors" in output

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
    def test_interrupting_keeps_the_model(self, tmp_path):
        command = [sys.executable, "-u", "-m", "cycnn", "train", "--epochs", "5000"]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
        assert process.returncode == 130
        assert re.fullmatch(r"cycnn: interrupted after \d+ of 5000 epochs, the model is kept: "
                            r"cycnn-digits\.safetensors", error.splitlines()[-1])
        assert cn.load(tmp_path / "cycnn-digits.safetensors").classes == list("0123456789")


class TestUse:
    def test_evaluate(self, trained, tmp_path):
        folder, output = trained
        told, _ = cycnn("evaluate", folder / "cycnn-digits.safetensors", "--data", "digits",
                        cwd=tmp_path)
        accuracy = re.search(r"accuracy: ([\d.]+ % of 360 held-out images right)", output)[1]
        assert accuracy in told

    def test_evaluate_tells_the_metrics_and_draws(self, trained, tmp_path):
        model = trained[0] / "cycnn-digits.safetensors"
        told, _ = cycnn("evaluate", model, "--data", "digits", cwd=tmp_path)
        _, test = cn.data.load("digits")
        probabilities = cn.load(model).predict_proba(test.images)
        matrix = cn.metrics.confusion_matrix(probabilities, test.labels)
        top = 100 * cn.metrics.top_k_accuracy(probabilities, test.labels, 5)
        assert f"top 5:    {top:.2f} % have" in told
        assert cn.metrics.classification_report(matrix, test.classes) in told
        assert "picture:  cycnn-digits-evaluation.png\n" in told
        picture = (tmp_path / "cycnn-digits-evaluation.png").read_bytes()
        assert picture[:4] == b"\x89PNG" and len(picture) > 20_000
        told, _ = cycnn("evaluate", model, "--data", "digits", "-o", "mine.svg", cwd=tmp_path)
        assert "picture:  mine.svg\n" in told and b"<svg" in (tmp_path / "mine.svg").read_bytes()
        told, _ = cycnn("evaluate", model, "--data", "digits", "--no-plot", cwd=tmp_path)
        assert "picture" not in told
        assert len(list(tmp_path.iterdir())) == 2

    def test_evaluate_all_of_a_folder(self, trained, pictures, tmp_path):
        """The folder holds just the held-out digits: all of them give the known accuracy."""
        folder, output = trained
        model = folder / "cycnn-digits.safetensors"
        told, _ = cycnn("evaluate", model, "--data", pictures, "--all", cwd=tmp_path)
        assert re.search(r"[\d.]+ % of 360 ", told)[0] in output
        told, _ = cycnn("evaluate", model, "--data", pictures, cwd=tmp_path)
        assert "of 72 held-out images" in told

    def test_predict(self, trained, pictures, tmp_path):
        model = trained[0] / "cycnn-digits.safetensors"
        files = sorted(pictures.glob("3/*.png"))[:3] + sorted(pictures.glob("8/*.png"))[:2]
        output, error = cycnn("predict", model, *files, cwd=tmp_path)
        assert error == ""
        rows = [line.split("\t") for line in output.splitlines()]
        images = np.stack([cn.data.read_picture(file) for file in files])
        probabilities = cn.load(model).predict_proba(images)
        assert rows == [[str(file), str(row.argmax()), f"{100 * row.max():.1f} %"]
                        for file, row in zip(files, probabilities)]

    def test_predict_resizes_and_says_so(self, trained, pictures, tmp_path):
        image = pytest.importorskip("PIL.Image")
        with image.open(next(pictures.glob("0/*.png"))) as picture:
            negative = picture.point(lambda value: 255 - value).convert("RGB")
            negative.resize((32, 24)).save(tmp_path / "big.png")
        output, error = cycnn("predict", trained[0] / "cycnn-digits.safetensors", "big.png",
                              "--invert", cwd=tmp_path)
        assert error == "big.png: resized from 24x32 to 8x8 (height x width)\n"
        assert output.startswith("big.png\t0\t")

    def test_predict_holds_few_pictures_at_a_time(self, trained, pictures, monkeypatch, capsys):
        """A folder of them, and one that cannot be read, which does not keep the others from it."""
        alive, most = [], 0
        read = cn.data.read_picture

        def watched(*arguments):
            nonlocal most
            picture = read(*arguments)
            alive[:] = [other for other in alive if other() is not None]
            most = max(most, len(alive) + 1)
            alive.append(weakref.ref(picture))
            return picture

        monkeypatch.setattr(cn.data, "read_picture", watched)
        model = trained[0] / "cycnn-digits.safetensors"
        assert cli.main(["predict", str(model), "none.png", str(pictures)]) == 2
        output, error = capsys.readouterr()
        assert error == "cycnn: none.png: No such file or directory\n"
        files = sorted(pictures.rglob("*.png"))
        assert [line.split("\t")[0] for line in output.splitlines()] == [str(f) for f in files]
        assert most == 64 < len(files)

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows tells of it in other ways")
    def test_predict_for_nobody(self, trained, pictures, tmp_path):
        """As `cycnn predict ... | head`."""
        process = subprocess.Popen(
            [sys.executable, "-m", "cycnn", "predict", str(trained[0] / "cycnn-digits.safetensors"),
             str(pictures)], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(30) == 141

    def test_predict_with_a_network_trained_on_zero_to_one(self, pictures, tmp_path, capsys):
        train, _ = cn.data.load("digits")
        cn.manual_seed(0)
        model = models.convnet((1, 8, 8), 10)
        trainer = cn.Trainer(model, cn.SGD(model.parameters(), lr=0.05, momentum=0.9),
                             cn.CrossEntropyLoss())
        with cn.num_threads(1):
            trainer.fit((train.images / np.float32(255), train.labels), epochs=2, progress=False)
        cn.save(model, tmp_path / "floats.safetensors")
        file = next(pictures.glob("6/*.png"))
        assert cli.main(["predict", str(tmp_path / "floats.safetensors"), str(file)]) == 0
        expected = model.predict_proba(cn.data.read_picture(file)[None] / np.float32(255))[0]
        assert capsys.readouterr().out == (
            f"{file}\t{expected.argmax()}\t{100 * expected.max():.1f} %\n")

    def test_outputs_beyond_the_names_are_numbers(self, trained, pictures, tmp_path, capsys):
        model = cn.load(trained[0] / "cycnn-digits.safetensors")
        model.classes = ["0", "1", "2"]
        file = str(tmp_path / "few.safetensors")
        cn.save(model, file)
        assert cli.main(["predict", file, str(pictures / "0"), str(pictures / "7")]) == 0
        answers = {line.split("\t")[1] for line in capsys.readouterr().out.splitlines()}
        assert {"0", "7"} <= answers
        images = cn.data.load("digits")[1].images
        np.savez(tmp_path / "set.npz", x=images, y=np.arange(360) % 3)
        assert cli.main(["evaluate", file, "--data", str(tmp_path / "set.npz"), "--all", "-o",
                         str(tmp_path / "few.png")]) == 0
        assert "\n9 " in capsys.readouterr().out and (tmp_path / "few.png").is_file()

    @pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
    def test_names_that_are_not_utf8(self, trained, pictures, tmp_path):
        model, odd = cn.load(trained[0] / "cycnn-digits.safetensors"), os.fsdecode(b"\xff")
        model.classes = [*model.classes[:9], f"nine{odd}"]
        cn.save(model, tmp_path / "odd.safetensors")
        for number, picture in enumerate(sorted(pictures.glob("9/*.png"))[:5]):
            (tmp_path / f"{number}{odd}.png").write_bytes(picture.read_bytes())
        output, _ = cycnn("predict", "odd.safetensors", ".", cwd=tmp_path)
        assert [line.split("\t")[0] for line in output.splitlines()] == [
            f"./{number}?.png" for number in range(5)]
        assert "\tnine?\t" in output
        for name in (f"nine{odd}", "0"):
            (tmp_path / "set" / name).mkdir(parents=True)
            for number in range(4):
                (tmp_path / "set" / name / f"{number}.png").write_bytes(picture.read_bytes())
        output, _ = cycnn("train", "--data", "set", "--epochs", 1, cwd=tmp_path)
        assert "picture:  cycnn-set.png" in output
        output, _ = cycnn("evaluate", "odd.safetensors", "--data", "set", "--all", cwd=tmp_path)
        assert "\nnine? " in output and "picture" in output

    def test_info(self, trained, tmp_path):
        output, _ = cycnn("info", cwd=tmp_path)
        assert "cycnn:" in output and "instruction set:" in output and "threads:" in output
        output, _ = cycnn("info", trained[0] / "cycnn-digits.safetensors", cwd=tmp_path)
        assert "Conv2d" in output and "classes: 0, 1, 2" in output and "mean" in output

    def test_bench(self, monkeypatch, capsys):
        monkeypatch.setattr(cli.bench, "median_seconds", lambda run: (run(), 0.5)[1])
        assert cli.main(["bench"]) == 0
        output = capsys.readouterr().out
        assert output.count("GFLOP/s") == 4 and output.count("128 images/s") == 2

    def test_the_threads_asked_for_are_used(self, trained, capsys):
        before = cn.get_num_threads()
        try:
            assert cli.main(["evaluate", str(trained[0] / "cycnn-digits.safetensors"), "--data",
                             "digits", "--threads", "1", "--no-plot"]) == 0
            assert cn.get_num_threads() == 1
        finally:
            cn.set_num_threads(before)


class TestHelp:
    def test_no_arguments_print_a_short_help(self, capsys):
        assert cli.main([]) == 0
        output = capsys.readouterr().out
        assert len(output.splitlines()) <= 24
        for name in ("train", "evaluate", "predict", "info", "bench"):
            assert name in output

    def test_train_help_fits_a_screen(self, capsys):
        with pytest.raises(SystemExit) as caught:
            cli.main(["train", "--help"])
        lines = capsys.readouterr().out.splitlines()
        assert caught.value.code == 0
        assert len(lines) <= 24 and max(map(len, lines)) <= 80
        text = " ".join(lines)
        for option in vars(cli.parser().parse_args(["train"])):
            name = {"plot": "no-plot"}.get(option, option.replace("_", "-"))
            assert option == "run" or f"--{name}" in text
        assert all(name in text for name in models.__all__)

    def test_version(self, capsys):
        with pytest.raises(SystemExit):
            cli.main(["--version"])
        assert capsys.readouterr().out == f"cycnn {cn.__version__}\n"


class TestMistakes:
    """Each ends with status 2 and one line that says what is wrong."""

    def refused(self, capsys, *arguments, bar=False):
        """The message; `bar`: after the progress bar of a training that had begun."""
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as leave:
            status = leave.code
        captured = capsys.readouterr()
        assert status == 2
        assert captured.err.count("\n") == 1 + bar
        message = captured.err.splitlines()[-1]
        assert message.startswith("cycnn")
        return message

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize("arguments, text", [
        (["trian"], "invalid choice: 'trian'"),
        (["train", "--epochs", "0"], "--epochs: must be a whole number of at least 1, got '0'"),
        (["train", "--lr", "nan"], "--lr: must be a number above 0"),
        (["train", "--lr", "fast"], "--lr: must be a number above 0"),
        (["train", "--seed", "-1"], "--seed"),
        (["train", "--batch-size", "2.5"], "--batch-size"),
        (["train", "--image-size", "3x4x5"], "--image-size: must be like 64 or 48x64"),
        (["train", "--image-size", "0"], "--image-size"),
        (["train", "--image-size", "28"], "image_size"),
        (["train", "--threads", "9999"], "1024"),
        (["train", "--data", "cifar"], "unknown data set 'cifar'"),
        (["train", "--data", "no.npz"], "no such file or folder: no.npz"),
        (["train", "--data", "."], "needs one sub-folder"),
        (["train", "-o", "nowhere/model"], "there is no folder nowhere"),
        (["train", "-o", "."], "is a folder"),
        (["train", "-o", "model.png"], "this is the name that the picture would get"),
        (["evaluate", "model"], "--data"),
        (["evaluate", "no.safetensors", "--data", "digits"], "no.safetensors"),
        (["predict", "no.safetensors", "x.png"], "no.safetensors"),
        (["info", "no.safetensors"], "no.safetensors"),
    ])
    def test_arguments(self, capsys, arguments, text):
        assert text in self.refused(capsys, *arguments)

    def test_files(self, capsys, trained, tmp_path):
        model = trained[0] / "cycnn-digits.safetensors"
        assert "none.png" in self.refused(capsys, "predict", model, "none.png")
        assert f"{tmp_path}: no pictures in this folder" in self.refused(capsys, "predict", model,
                                                                         tmp_path)
        for name in ("x.doc", "x.pgf"):
            assert f"{name}: this is no name for a picture" in self.refused(
                capsys, "evaluate", model, "--data", "digits", "-o", name)
        (tmp_path / "text.png").write_text("no picture")
        assert "text.png: cannot be read" in self.refused(capsys, "predict", model, "text.png")
        (tmp_path / "cut.safetensors").write_bytes(model.read_bytes()[:5000])
        assert "cut.safetensors" in self.refused(capsys, "info", "cut.safetensors")
        np.savez("odd.npz", x=np.zeros((20, 9, 9)), y=np.arange(20) % 10)
        assert "takes images of (1, 8, 8)" in self.refused(capsys, "evaluate", model, "--data",
                                                           "odd.npz")
        np.savez("names.npz", x=np.zeros((20, 8, 8)), y=np.arange(20) % 2, classes=["0", "cat"])
        few = models.convnet((1, 8, 8), 3)
        few.input_shape = 1, 8, 8
        cn.save(few, "few.safetensors")
        assert "knows 3 classes, digits has 10" in self.refused(capsys, "evaluate",
                                                                "few.safetensors", "--data",
                                                                "digits")
        assert "there is no folder no" in self.refused(capsys, "evaluate", model, "--data",
                                                       "digits", "-o", "no/x.png")
        assert "does not know the class 'cat'" in self.refused(capsys, "evaluate", model, "--data",
                                                               "names.npz")
        np.savez("one.npz", x=np.zeros((2, 8, 8)), y=[0, 1])
        assert "0 to hold out" in self.refused(capsys, "train", "--data", "one.npz")

    def test_a_loss_that_explodes(self, capsys):
        assert "lower learning rate" in self.refused(capsys, "train", "--lr", "1e20", "--epochs", 1,
                                                     bar=True)
        assert os.listdir() == []

    def test_a_folder_that_cannot_be_written_to(self, capsys, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert "cannot be written to" in self.refused(capsys, "train")

    @pytest.mark.parametrize("module, extra", [("safetensors", "save"), ("matplotlib", "plot")])
    def test_missing_extras_are_found_before_training(self, tmp_path, module, extra):
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / f"{module}.py").write_text("raise ImportError('not here')")
        output, error = cycnn("train", cwd=tmp_path, status=2,
                              PYTHONPATH=os.pathsep.join([str(tmp_path / "site"),
                                                          environment()["PYTHONPATH"]]))
        assert output == "" and error.count("\n") == 1 and f"cycnn[{extra}]" in error

    def test_no_network(self, tmp_path):
        """The one message of several lines: each place is on a line of its own."""
        _, error = cycnn("train", "--data", "mnist", "--data-dir", tmp_path / "here",
                         cwd=tmp_path, status=2, HOME=str(tmp_path), XDG_CACHE_HOME="",
                         LOCALAPPDATA=str(tmp_path), CYCNN_DATA=str(tmp_path / "env"), no_proxy="",
                         http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
        for place in ("here/mnist", "here", "env/mnist", "env"):
            assert f"{tmp_path / place}\n" in error
        assert "Traceback" not in error and "--data-dir" in error
