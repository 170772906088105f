"""Callbacks: what else happens while training. The progress bar is one."""

from .base import Callback, FitState
from .checkpoints import BestCheckpoint, Checkpoint
from .live import LivePlot
from .logs import CSVLog, JSONLinesLog
from .progress import ProgressBar, ProgressLines, progress_callback
from .stopping import EarlyStopping, TimeLimit
from .tensorboard import TensorBoard

__all__ = ["BestCheckpoint", "CSVLog", "Callback", "Checkpoint", "EarlyStopping", "FitState",
           "JSONLinesLog", "LivePlot", "ProgressBar", "ProgressLines", "TensorBoard", "TimeLimit"]
