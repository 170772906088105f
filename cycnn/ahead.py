"""Work that is done while other work goes on: the next batches are made in a thread."""

import queue
import threading

from .kernels import cpu

_END = object()


class _Failure:
    def __init__(self, error):
        self.error = error


def ahead(items, depth=2):
    """Yield what the iterator `items` yields, made up to `depth` items ahead in another thread.

    Kernels release the GIL, so the thread computes beside the caller; it stays on one processor.
    An error in it is raised here, where its item would have come. When the generator is closed,
    the thread ends after the item that it is working on, and `items` is closed.
    """
    made, closed = queue.Queue(depth), threading.Event()

    def work():
        cpu.stay_serial()
        try:
            for item in items:
                made.put(item)
                if closed.is_set():
                    return
            made.put(_END)
        except BaseException as error:          # whatever it is belongs to the one who waits
            made.put(_Failure(error))
        finally:
            if hasattr(items, "close"):
                items.close()

    worker = threading.Thread(target=work, name="cycnn batches", daemon=True)
    worker.start()
    try:
        while (item := made.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        closed.set()
        while worker.is_alive():                # it may wait for room
            try:
                made.get(timeout=0.05)
            except queue.Empty:
                pass
