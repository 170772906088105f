"""Pictures: drawn without a display, without touching the user's matplotlib."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import cycnn as cn
from cycnn.plot import (plot_confusion_matrix, plot_evaluation, plot_history, plot_images,
                        plot_predictions, plot_training)

pytest.importorskip("matplotlib")
Text = pytest.importorskip("matplotlib.text").Text
GREEN, RED = "#1a7f37", "#cf222e"


@pytest.fixture
def history():
    record = cn.History()
    record.train_loss, record.val_loss = [2.0, 1.0, 0.5], [1.9, 1.1, 0.7]
    record.train_accuracy, record.val_accuracy = [0.3, 0.6, 0.9], [0.35, 0.65, 0.85]
    return record


@pytest.fixture
def answers():
    """Twelve images of three classes; the third is taken for class 0 and surely so."""
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8), np.uint8)
    labels = np.arange(12) % 3
    probabilities = np.full((12, 3), 0.1)
    probabilities[np.arange(12), labels] = 0.8
    probabilities[2] = 0.95, 0.03, 0.02
    return images, probabilities, labels, ["cat", "dog", "a very long class name"]


def captions(figure):
    return [axes.get_xlabel() for axes in figure.axes if axes.images]


def test_history_shows_both_curves_and_their_last_values(history, tmp_path):
    figure = plot_history(history, tmp_path / "curve.png")
    loss, accuracy = figure.axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[2, 1, 0.5], [1.9, 1.1, 0.7]]
    assert list(accuracy.lines[1].get_ydata()) == [35, 65, 85]
    assert "held out: 85.00 %" in [text.get_text() for text in accuracy.get_legend().texts]
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_history_without_validation_or_accuracy(history):
    history.val_loss = history.val_accuracy = history.train_accuracy = []
    loss, accuracy = plot_history(history).axes
    assert len(loss.lines) == 1 and len(accuracy.lines) == 0
    assert plot_history(cn.History())


def test_an_epoch_alone_is_marked_as_a_whole_number(history):
    for name, values in history.last().items():
        setattr(history, name, [values])
    figure = plot_history(history)
    figure.draw_without_rendering()
    assert all(float(tick).is_integer() for axes in figure.axes for tick in axes.get_xticks())


def test_history_plots_itself(history, tmp_path):
    history.plot(tmp_path / "curve.svg")
    assert b"<svg" in (tmp_path / "curve.svg").read_bytes()


def test_predictions_are_green_where_right_and_red_where_wrong(answers):
    figure = plot_predictions(*answers)
    assert captions(figure)[:3] == ["cat\n80 %", "dog\n80 %",
                                    "cat\n95 %\nis a very long c\N{HORIZONTAL ELLIPSIS}"]
    colours = [axes.xaxis.label.get_color() for axes in figure.axes if axes.images]
    assert colours == [GREEN, GREEN, RED] + [GREEN] * 9


def test_predictions_without_labels_or_classes(answers):
    figure = plot_predictions(answers[0][:1], answers[1][:1])
    assert captions(figure) == ["0\n80 %"]
    assert figure.axes[0].xaxis.label.get_color() == "black"


@pytest.mark.parametrize("channels, shown", [(1, (8, 6)), (3, (8, 6, 3)), (2, (8, 6))])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_any_image_is_shown(channels, shown, dtype):
    images = np.zeros((1, channels, 8, 6), dtype)
    images[0, 0, 0, 0] = 3
    figure = plot_predictions(images, np.ones((1, 2)) / 2)
    assert figure.axes[0].images[0].get_array().shape == shown


@pytest.mark.parametrize("change, text", [
    ({"images": np.zeros((2, 8, 8))}, "images"),
    ({"images": np.zeros((0, 1, 8, 8))}, "images"), ({"images": np.zeros((12, 1, 0, 8))}, "images"),
    ({"probabilities": np.ones((3, 3))}, "probabilities"),
    ({"labels": [0, 1]}, "labels"),
    ({"classes": ["a"]}, "classes")])
def test_bad_input(answers, change, text):
    arguments = dict(zip(("images", "probabilities", "labels", "classes"), answers)) | change
    with pytest.raises(ValueError, match=f"^{text} must be"):
        plot_predictions(**arguments)


def test_images_in_a_grid_with_their_labels(answers, tmp_path):
    images, _, labels, classes = answers
    figure = plot_images(images, labels, classes, tmp_path / "images.png")
    shown = [axes for axes in figure.axes if axes.images]
    np.testing.assert_array_equal([axes.images[0].get_array() for axes in shown], images[:, 0])
    assert captions(figure) == ["cat", "dog", "a very long c\N{HORIZONTAL ELLIPSIS}"] * 4
    assert len(figure.axes) == 20 and (tmp_path / "images.png").read_bytes()[:4] == b"\x89PNG"
    assert captions(plot_images(images, list(labels), most=2)) == ["0", "1"]
    assert captions(plot_images(images.repeat(3, axis=1) / 255)) == [""] * 12


@pytest.mark.parametrize("arguments, error, message", [
    ((np.zeros((1, 8, 8)),), ValueError, "^images must be"),
    (([np.zeros((1, 8, 8)), np.zeros((1, 9, 8))],), ValueError, "^images must be"),
    ((np.zeros((2, 1, 8, 8), "U1"),), TypeError, "^images must be .* real numbers"),
    ((np.zeros((2, 1, 8, 8)), [0]), ValueError, "^labels must have shape"),
    ((np.zeros((2, 1, 8, 8)), [0.5, 1]), TypeError, "^labels must be"),
    ((np.zeros((2, 1, 8, 8)), [0, 2], ["a", "b"]), ValueError, "^labels must be .* below 2"),
    ((np.zeros((2, 1, 8, 8)), [0, -1], ["a", "b"]), ValueError, "^labels must be at least 0"),
    ((np.zeros((2, 1, 8, 8)), None, None, None, 0), ValueError, "^most must be")])
def test_bad_images(arguments, error, message):
    with pytest.raises(error, match=message):
        plot_images(*arguments)


def test_training_shows_one_of_each_class_and_the_mistakes(history, answers, tmp_path):
    figure = plot_training(history, *answers, path=tmp_path / "all.png", title="pets")
    shown = captions(figure)
    assert [text.split("\n")[0] for text in shown] == ["cat", "dog", "cat", "cat"]
    headings = [part.get_suptitle() for part in figure.subfigs]
    assert headings == ["pets", "Held-out images, one of each class",
                        "1 mistake in 12 held-out images"]
    assert (tmp_path / "all.png").stat().st_size > 10_000


def test_training_without_mistakes_has_no_row_for_them(history, answers):
    images, probabilities, labels, classes = answers
    keep = np.arange(12) != 2
    figure = plot_training(history, images[keep], probabilities[keep], labels[keep], classes)
    assert len(figure.subfigs) == 2


def test_a_confusion_matrix(tmp_path):
    matrix = np.array([[8, 2, 0], [0, 5, 0], [1, 0, 0]])
    figure = plot_confusion_matrix(matrix, ["cat", "dog", "fish"], tmp_path / "matrix.png")
    axes, = figure.axes
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2, 0], [0, 1, 0], [1, 0, 0]])
    numbers = {(text.get_position()[1], text.get_position()[0]): int(text.get_text())
               for text in axes.texts}
    assert numbers == {(0, 0): 8, (0, 1): 2, (1, 1): 5, (2, 0): 1}
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "dog", "fish"]
    assert (tmp_path / "matrix.png").read_bytes()[:4] == b"\x89PNG"
    for classes, numbers, names in ((30, 0, 30), (80, 0, None)):
        axes, = plot_confusion_matrix(np.eye(classes, dtype=int)).axes
        assert len(axes.texts) == numbers
        assert names is None or len(axes.get_yticklabels()) == names
    for wrong in (np.zeros((2, 3)), np.zeros(4), np.zeros((0, 0))):
        with pytest.raises(ValueError, match="matrix must be"):
            plot_confusion_matrix(wrong)
    with pytest.raises(ValueError, match="classes must be 3"):
        plot_confusion_matrix(matrix, ["cat"])


def test_an_evaluation_shows_the_matrix_and_the_surest_mistakes(answers, tmp_path):
    images, probabilities, labels, classes = answers
    probabilities[4] = 0.5, 0.1, 0.4
    matrix = cn.metrics.confusion_matrix(probabilities, labels)
    figure = plot_evaluation(matrix, images, probabilities, labels, classes,
                             tmp_path / "all.png", title="pets")
    # The first picture is the matrix; then come the mistakes alone, the surest first.
    shown = captions(figure)[1:]
    assert [text.split("\n")[:2] for text in shown] == [["cat", "95 %"], ["cat", "50 %"]]
    assert [part.get_suptitle() for part in figure.subfigs] == [
        "pets", "2 mistakes in 12 images, the surest first"]
    assert (tmp_path / "all.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["a$_$", "\udcff", r"\$x"])
def test_names_are_drawn_as_they_are(history, answers, tmp_path, name):
    images, probabilities, labels, _ = answers
    classes, shown = [name, "$b", "c"], name.replace("\udcff", "\ufffd")
    matrix = cn.metrics.confusion_matrix(probabilities, labels)
    for draw in (lambda *rest: plot_training(history, *rest), partial(plot_evaluation, matrix)):
        figure = draw(images, probabilities, labels, classes, tmp_path / "all.svg", f"{name}!")
        assert figure.subfigs[0].get_suptitle() == f"{shown}!"
        texts = [text for text in figure.findobj(match=Text)
                 if text.get_text().startswith((shown, "$b"))]
        assert len(texts) > 3 and not any(text.get_parse_math() for text in texts)
    plot_images(images, labels, classes, tmp_path / "images.png")
    model = cn.Sequential(cn.Flatten(), cn.Linear(64, 3))
    model.classes = classes
    cn.plot.plot_feature_maps(model, images[0], tmp_path / "maps.png")


def test_an_evaluation_without_mistakes_or_with_many(answers):
    images, _, labels, classes = answers
    right = np.eye(3)[labels]
    figure = plot_evaluation(np.diag([4, 4, 4]), images, right, labels, classes)
    assert len(captions(figure)) == 1
    figure = plot_evaluation(np.diag([4, 4, 4]), images[:0], right[:0], labels[:0], classes)
    assert len(captions(figure)) == 1
    wrong = np.roll(right, 1, axis=1)
    figure = plot_evaluation(cn.metrics.confusion_matrix(wrong, labels), *(
        array.repeat(3, axis=0) for array in (images, wrong, labels)), classes)
    assert len(captions(figure)) == 1 + 20
    assert figure.subfigs[1].get_suptitle() == "36 mistakes in 12 images, the 20 surest"


def test_the_users_matplotlib_is_left_alone(history, tmp_path):
    """No pyplot (so no backend is chosen), and the settings are what they were."""
    program = ("import sys, matplotlib, cycnn as cn\n"
               "before = matplotlib.rcParams.copy()\n"
               f"cn.History().plot({str(tmp_path / 'x.png')!r})\n"
               "assert 'matplotlib.pyplot' not in sys.modules\n"
               "assert matplotlib.rcParams.copy() == before\n")
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_matplotlib_the_extra_is_named(history, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"cycnn\[plot\]"):
        plot_history(history)
