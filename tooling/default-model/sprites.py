"""Reads sprites.bin (written by render.ts): emoji drawings with transparency, names and styles."""
import functools
import json
import struct
import zlib
from pathlib import Path

import numpy as np


class Sprites:
    """`pixels(i)`: float32 `[4, size, size]`, RGB premultiplied by alpha, 0 to 1; `meta[i]`: label, tags, style, …"""

    def __init__(self, path):
        self.data = Path(path).read_bytes()
        (length,) = struct.unpack("<I", self.data[:4])
        header = json.loads(self.data[4 : 4 + length])
        self.size, self.meta, self.start = header["size"], header["sprites"], 4 + length

    def __len__(self):
        return len(self.meta)

    @functools.lru_cache(maxsize=None)
    def raw(self, i):
        """uint8 `[4, size, size]`"""
        entry = self.meta[i]
        begin = self.start + entry["offset"]
        planes = zlib.decompress(self.data[begin : begin + entry["length"]])
        deltas = np.frombuffer(planes, np.uint8).reshape(4, self.size, self.size)
        return np.cumsum(deltas, axis=2, dtype=np.uint8)

    def pixels(self, i):
        return self.raw(i).astype(np.float32) / 255
