"""The history as TensorBoard reads it.

The format is small enough to be written without TensorBoard or protocol buffers: a file of records
(length, checksum of it, an Event, checksum of that), as TensorFlow's `tfrecord` documents it and
`event.proto` and `summary.proto` define it.
"""

import os
import struct
import time

from . import paths
from .base import Callback


class TensorBoard(Callback):
    """Writes an event file with the numbers of each epoch, for ``tensorboard --logdir FOLDER``.

    Nothing is needed to write it; ``pip install "cycnn[tensorboard]"`` brings what shows it.

    Parameters
    ----------
    log_dir : str or path-like
        A folder for this training; it is made if it is not there.
    """

    def __init__(self, log_dir="runs"):
        self.log_dir = paths.checked(log_dir, "log_dir")
        self.path = None

    def on_fit_begin(self, trainer, state):
        paths.check_folder(self.log_dir, "log_dir")
        self.path = None

    def on_epoch_end(self, trainer, state):
        now = time.time()
        if self.path is None:
            os.makedirs(self.log_dir, exist_ok=True)
            # The name that TensorBoard looks for; the rest keeps trainings apart.
            self.path = os.path.join(self.log_dir, f"events.out.tfevents.{int(now)}."
                                                   f"{os.urandom(4).hex()}.cycnn")
            self._write(_double(1, now) + _bytes(3, b"brain.Event:2"))
        numbers = {name: getattr(state.history, name)[-1] for name in state.records}
        if hasattr(trainer.optimizer, "lr"):
            numbers["lr"] = trainer.optimizer.lr
        values = b"".join(
            _bytes(1, _bytes(1, _tag(name).encode()) + _float(2, value))
            for name, value in numbers.items())
        self._write(_double(1, now) + _whole(2, state.epoch + 1) + _bytes(5, values))

    def _write(self, event):
        length = struct.pack("<Q", len(event))
        with open(self.path, "ab") as file:
            file.write(length + _checksum(length) + event + _checksum(event))


def _tag(name):
    """"train_loss" -> "loss/train": TensorBoard shows what has the same beginning together."""
    part, _, number = name.partition("_")
    return f"{number}/{part}" if part in ("train", "val") else name


# --- protocol buffers: a field is its number and kind, then its value ---------------------------

def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _whole(field, value):
    return _varint(field << 3) + _varint(value)


def _double(field, value):
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field, value):
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field, value):
    return _varint(field << 3 | 5) + struct.pack("<f", value)


# --- CRC-32C (Castagnoli), rotated and shifted as TensorFlow does ---------------------------------

def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0x82F63B78 * (byte & 1)
        table.append(byte)
    return table


_TABLE = _table()


def _checksum(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
