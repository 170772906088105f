"""Ctrl-C that waits for the end of a training step."""

import signal
import threading


class Interrupts:
    """``with Interrupts() as interrupts:`` the first Ctrl-C only sets `interrupts.asked`.

    So a step is whole or has not begun. The second Ctrl-C raises KeyboardInterrupt at once. Where
    the program handles SIGINT in a way of its own, or this is not the main thread (which alone gets
    it), nothing is changed.
    """

    asked = False

    def __enter__(self):
        self._ours = (threading.current_thread() is threading.main_thread()
                      and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        if self._ours:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_):
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
