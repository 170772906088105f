"""A learning curve that grows in a notebook."""

import io

from .._extras import require
from .base import Callback


class LivePlot(Callback):
    """Loss and accuracy over the epochs, in the output of the notebook's cell, anew each epoch.

    Needs IPython and matplotlib. Give `progress=False` with it to have no bar beside the picture.
    """

    def __init__(self):
        self.handle = None

    def on_fit_begin(self, trainer, state):
        self.ipython = require("IPython.display", extra="notebook", purpose="a live plot")
        require("matplotlib.figure", extra="notebook", purpose="a live plot")
        self.handle = None

    def on_epoch_end(self, trainer, state):
        # As a picture: what a notebook makes of a Figure depends on how matplotlib is set up in it.
        png = io.BytesIO()
        state.history.plot().savefig(png, format="png", dpi=96)
        picture = self.ipython.Image(data=png.getvalue(), format="png")
        if self.handle is None:
            self.handle = self.ipython.display(picture, display_id=True)
        else:
            self.handle.update(picture)
