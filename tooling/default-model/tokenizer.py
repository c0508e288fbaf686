"""
CLIP's byte-pair tokenizer, learned on the captions: vocab.json and merges.txt as transformers' CLIPTokenizer has them
(256 bytes, 256 bytes ending a word, merges, start, end). Captions are short and their words few, so nearly every word
of the made captions becomes one token.
"""
import argparse
import collections
import functools
import json
import re
from pathlib import Path

import numpy as np

from compose import Composer, article, clean
from vocabulary import ACCESSORIES, COLOURS, NOUNS, NUMBERS, PLURALS

# Tokens for words, and behind them those whose states are the picture's memory and its plan (train_text.py).
PROMPT, MEMORY, PLACES = 24, 4, 64
PLAN = PROMPT + MEMORY
LENGTH = PLAN + PLACES
START, END = "<|startoftext|>", "<|endoftext|>"
_PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")


def _byte_letters():
    """GPT-2's printable letter for each byte, in CLIP's order of the vocabulary"""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


LETTERS = _byte_letters()


def pieces(text):
    return ["".join(LETTERS[b] for b in piece.encode()) for piece in _PIECES.findall(text.lower())]


class Tokenizer:
    def __init__(self, folder):
        self.ids = json.loads((Path(folder) / "vocab.json").read_text())
        lines = (Path(folder) / "merges.txt").read_text().split("\n")[1:]
        self.ranks = {tuple(line.split(" ")): rank for rank, line in enumerate(lines) if line}

    @functools.lru_cache(maxsize=None)
    def word(self, piece):
        parts = [*piece[:-1], piece[-1] + "</w>"]
        while len(parts) > 1:
            rank, i = min((self.ranks.get(pair, 1 << 30), i) for i, pair in enumerate(zip(parts, parts[1:])))
            if rank == 1 << 30:
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return [self.ids[part] for part in parts]

    def __call__(self, texts, length=LENGTH):
        """token ids, int64 `[texts, length]`, with start and end, cut or padded with the end token"""
        rows = np.full((len(texts), length), self.ids[END], np.int64)
        for row, text in zip(rows, texts):
            ids = [self.ids[START], *(i for piece in pieces(text) for i in self.word(piece))][: length - 1]
            row[: len(ids)] = ids
        return rows


def learn(counts, size):
    """the merges of byte-pair encoding over words with counts, for a vocabulary of `size`"""
    words = [([*word[:-1], word[-1] + "</w>"], count) for word, count in sorted(counts.items())]
    pairs, places = collections.Counter(), collections.defaultdict(set)
    for i, (parts, count) in enumerate(words):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += count
            places[pair].add(i)
    merges = []
    while len(merges) < size - 514 and pairs:
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] <= 0:
            break
        merges.append(best)
        for i in list(places[best]):
            parts, count = words[i]
            for pair in zip(parts, parts[1:]):
                pairs[pair] -= count
                places[pair].discard(i)
            k = 0
            while k < len(parts) - 1:
                if (parts[k], parts[k + 1]) == best:
                    parts[k : k + 2] = [parts[k] + parts[k + 1]]
                k += 1
            for pair in zip(parts, parts[1:]):
                pairs[pair] += count
                places[pair].add(i)
        del pairs[best]
    return merges


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--size", type=int, default=4096)
    args = parser.parse_args()
    composer = Composer(args.work_dir / "data" / "sprites.bin")
    counts = collections.Counter()
    for seed in range(2):
        for index in range(20_000):
            counts.update(pieces(composer.scene(seed, index).caption))
    for meta in composer.sprites.meta:
        counts.update(pieces(" ".join([clean(meta["label"]), *map(clean, meta["tags"])])))
    made = [*NOUNS, *PLURALS.values(), *COLOURS, *NUMBERS.values(), *(p for _, _, ps in ACCESSORIES.values() for p in ps)]
    for word in pieces(" ".join(made + [article(noun) for noun in NOUNS])):
        counts[word] += 20
    merges = learn(counts, args.size)
    # A pair may be merged along different ways to the same token: the token stands once, in both merges' places.
    tokens = list(dict.fromkeys(a + b for a, b in merges))
    letters = [LETTERS[b] for b in sorted(LETTERS, key=lambda b: (ord(LETTERS[b]) > 255, ord(LETTERS[b])))]
    vocabulary = letters + [letter + "</w>" for letter in letters] + tokens + [START, END]
    folder = args.work_dir / "tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(vocabulary)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *(f"{a} {b}" for a, b in merges)]) + "\n")
    special = dict.fromkeys(("eos_token", "pad_token", "unk_token"), END)
    config = {"bos_token": START, **special, "model_max_length": LENGTH, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer = Tokenizer(folder)
    whole = sum(len(tokenizer.word(word)) == 1 for word in counts)
    print(f"{len(vocabulary)} tokens; {whole} of {len(counts)} words are one token")
    long = sorted(len([i for p in pieces(composer.scene(9, k).caption) for i in tokenizer.word(p)]) for k in range(5000))
    print(f"tokens of a caption: median {long[2500]}, 99 % up to {long[4950]}, longest {long[-1]}")


if __name__ == "__main__":
    main()
