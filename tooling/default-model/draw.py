"""
Draws pictures `0 … count-1` of a seed into one file: `NAME.u8` is uint8 `[count, 3, 128, 128]`, `NAME.json` the captions.
A second call goes on where the first was stopped.
"""
import argparse
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import torch

from compose import Composer

SIZE = 128
CHUNK = 256
_composer = None


def _start(sprites):
    global _composer
    torch.set_num_threads(1)
    _composer = Composer(sprites)


def draw_chunk(job):
    """one chunk: uint8 pictures and `[caption, kind, style]` of each"""
    seed, begin, end = job
    pictures, texts = np.empty((end - begin, 3, SIZE, SIZE), np.uint8), []
    for index in range(begin, end):
        picture, scene = _composer.picture(seed, index, SIZE)
        pictures[index - begin] = (picture.clamp(0, 1) * 255).round().byte().numpy()
        texts.append([scene.caption, scene.kind, scene.style])
    return pictures, texts


def chunks(sprites, seed, begin, count, workers=None):
    """yields `(begin, pictures, texts)` in order"""
    jobs = [(seed, k, min(k + CHUNK, count)) for k in range(begin, count, CHUNK)]
    with multiprocessing.get_context("spawn").Pool(workers or os.cpu_count(), _start, (sprites,)) as pool:
        for job, (pictures, texts) in zip(jobs, pool.imap(draw_chunk, jobs)):
            yield job[1], pictures, texts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--name", default="pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=16384)
    args = parser.parse_args()
    folder = args.work_dir / "data"
    pixels, words = folder / f"{args.name}.u8", folder / f"{args.name}.json"
    texts = json.loads(words.read_text()) if words.exists() else []
    with open(pixels, "r+b" if pixels.exists() else "w+b") as out:
        for begin, pictures, more in chunks(folder / "sprites.bin", args.seed, len(texts), args.count):
            out.seek(begin * pictures[0].nbytes)
            out.write(pictures.tobytes())
            texts += more
            if begin // CHUNK % 8 == 7:
                _save(out, words, texts)
                print(f"{len(texts)} of {args.count}", flush=True)
        _save(out, words, texts)


def _save(out, words, texts):
    out.flush()
    part = words.with_suffix(".part")
    part.write_text(json.dumps(texts))
    part.rename(words)


if __name__ == "__main__":
    main()
