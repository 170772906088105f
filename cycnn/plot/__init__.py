"""Pictures of a training and a network: curves, answers, mistakes, filters, feature maps.

Every function returns a matplotlib Figure and needs no display; with `path` it also writes it
there, in the format of its suffix. matplotlib's backend and settings are left alone.
"""

from .confusion import plot_confusion_matrix
from .feature_maps import plot_feature_maps
from .filters import plot_filters
from .history import plot_history
from .images import plot_images
from .overview import plot_evaluation, plot_training
from .predictions import plot_predictions

__all__ = ["plot_confusion_matrix", "plot_evaluation", "plot_feature_maps", "plot_filters",
           "plot_history", "plot_images", "plot_predictions", "plot_training"]
