"""
Chooses the 100 combinations that training never sees (held-out.json) and the 200 captions of the recall test.

Run once; its result is in the repository, so that every training and every measurement means the same.
"""
import argparse
import json
import random
from pathlib import Path

from colour import name_of
from compose import Composer, article, clean
from vocabulary import ACCESSORIES, COLOURS, FACES, NOUNS, NUMBERS, PLURALS, STYLES

COUNTS = {"colour": 40, "count": 20, "pair": 20, "wears": 20}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work-dir", type=Path, required=True)
    args = parser.parse_args()
    composer, rng = Composer(args.work_dir / "data" / "sprites.bin", held_out=None), random.Random(3)
    labels = {clean(m["label"]) for m in composer.sprites.meta}
    everywhere = [n for n in NOUNS if all((s, NOUNS[n]) in composer.index for s in STYLES)]

    def natural(colour_name, noun):
        """whether the drawing has this colour already, in any style, or is an emoji of its own"""
        mains = [composer.main_colour(composer.index[s, NOUNS[noun]])[:3] for s in STYLES]
        return f"{colour_name} {noun}" in labels or colour_name in [name_of(l, c, h or 0.0) for l, c, h in mains]

    colourable = [
        n for n in everywhere if all(composer.colourable(n, composer.index[s, NOUNS[n]]) for s in STYLES)
    ]
    vivid = [c for c in COLOURS if c not in ("white", "gray")]
    chosen = {
        "colour": [("purple", "cat"), ("blue", "apple"), ("green", "heart")],
        "count": [(3, "apple"), (2, "dog")],
        "pair": [("dog", "left", "heart")],
        "wears": [("bear", "sunglasses"), ("cat", "crown")],
    }
    chosen["colour"] = [(c, n) for c, n in chosen["colour"] if not natural(c, n)]
    while len(chosen["colour"]) < COUNTS["colour"]:
        pair = (rng.choice(vivid), rng.choice(colourable))
        if pair[1] not in [n for _, n in chosen["colour"]] and not natural(*pair):
            chosen["colour"].append(pair)
    while len(chosen["count"]) < COUNTS["count"]:
        pair = (rng.choice([n for n in NUMBERS if n < 6]), rng.choice(everywhere))
        # "two cherries" is what one drawing of cherries shows.
        if pair[1] not in [n for _, n in chosen["count"]] + ["cherry", "sock", "grapes", "shrimp", "french fries"]:
            chosen["count"].append(pair)
    while len(chosen["pair"]) < COUNTS["pair"]:
        first, second = rng.sample(everywhere, 2)
        chosen["pair"].append((first, rng.choice(("left", "right", "above", "below", "and")), second))
    while len(chosen["wears"]) < COUNTS["wears"]:
        pair = (rng.choice([f for f in FACES if f != "smiley"]), rng.choice(tuple(ACCESSORIES)))
        if pair not in chosen["wears"]:
            chosen["wears"].append(pair)

    keys, prompts = [], []
    for kind in COUNTS:
        for item in chosen[kind]:
            if kind == "colour":
                text, key = article(" ".join(item)), ["colour", *item]
            elif kind == "count":
                text, key = f"{NUMBERS[item[0]]} {PLURALS[item[1]]}", ["count", *item]
            elif kind == "pair":
                first, relation, second = item
                joint = {"left": " to the left of ", "right": " to the right of "}.get(relation, f" {relation} ")
                text, key = article(first) + joint + article(second), ["pair", *sorted((first, second))]
            else:
                text, key = f"{article(item[0])} {ACCESSORIES[item[1]][2][0]}", ["wears", *item]
            style = STYLES[len(prompts) % len(STYLES)]
            keys.append(key)
            prompts.append({"kind": kind, "parts": list(item), "style": style, "prompt": f"{text}, {style} style"})
    common = sorted({m["label"] for m in composer.sprites.meta if all((s, m["label"]) in composer.index for s in STYLES)})
    recall = sorted(rng.sample(common, 200))
    text = json.dumps({"keys": keys, "prompts": prompts, "recall": recall}, ensure_ascii=False, indent=1)
    Path(__file__).with_name("held-out.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
