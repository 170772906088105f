from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

from .._types import Int, Integers, Number, Numbers, Pair, StrPath
from ..history import History
from ..layers import Module, Parameter

__all__ = ["plot_confusion_matrix", "plot_evaluation", "plot_feature_maps", "plot_filters",
           "plot_history", "plot_images", "plot_predictions", "plot_training"]

def plot_confusion_matrix(matrix: Integers, classes: Sequence[object] | None = None,
                          path: StrPath | None = None) -> Figure: ...
def plot_evaluation(matrix: Integers, images: Numbers, probabilities: Numbers, labels: Integers,
                    classes: Sequence[object] | None = None, path: StrPath | None = None,
                    title: str | None = None) -> Figure: ...
def plot_feature_maps(model: Module, image: Numbers, path: StrPath | None = None,
                      layers: Iterable[str] | None = None, most: Int = 8) -> Figure: ...
def plot_filters(filters: Numbers | Parameter | Module, path: StrPath | None = None,
                 layer: str | None = None, scale: Number | None = None,
                 most: Pair = (64, 16)) -> Figure: ...
def plot_history(history: History, path: StrPath | None = None) -> Figure: ...
def plot_images(images: Numbers, labels: Integers | None = None,
                classes: Sequence[object] | None = None, path: StrPath | None = None,
                most: Int = 50) -> Figure: ...
def plot_predictions(images: Numbers, probabilities: Numbers, labels: Integers | None = None,
                     classes: Sequence[object] | None = None, path: StrPath | None = None
                     ) -> Figure: ...
def plot_training(history: History, images: Numbers, probabilities: Numbers, labels: Integers,
                  classes: Sequence[object] | None = None, path: StrPath | None = None,
                  title: str | None = None) -> Figure: ...
