"""
What the model can do, by script: recall, composition of held-out combinations, variety.

The feature is not the model's own: a picture's drawing, cut out of its white background and brought to 24×24, in OKLab;
two drawings are as far apart as their features, the mirrored one counting too. The same scorer on pictures that the
composer itself draws gives the ceiling (`--ceiling`).
"""
import json
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import colour
from checkpoint import arguments
from compose import Composer, Placement, Scene, clean
from diffusion import GUIDANCE
from painter import Painter
from picture_grid import save_grid
from vocabulary import ACCESSORIES, COLOURS, FACE_LABELS, FACES, NOUNS

SIDE = 24


def foreground(picture):
    """bool `[h, w]`: what is not the white of the background; `picture` 0 to 1. A line is part of it, a speck is not: one
    grey pixel in a corner would have the whole picture cut out as the drawing."""
    dark = (1 - picture).amax(0) > 0.10
    neighbours = F.avg_pool2d(dark[None].float(), 3, 1, 1, divisor_override=1)[0]
    return dark & (neighbours >= 3)


def cut_out(picture, mask):
    """the drawing as a square `[4, 24, 24]`: OKLab (0 outside) and the mask; None where nothing is drawn"""
    ys, xs = torch.nonzero(mask, as_tuple=True)
    if len(ys) < 12:
        return None
    y0, y1, x0, x1 = ys.min().item(), ys.max().item() + 1, xs.min().item(), xs.max().item() + 1
    lab = torch.from_numpy(colour.rgb_to_oklab(picture[:, y0:y1, x0:x1].numpy())).float()
    lab[0] -= 1  # white is the origin, so that the background weighs nothing
    part = torch.cat([lab, mask[None, y0:y1, x0:x1].float() * 0.3])
    side = max(y1 - y0, x1 - x0)
    top, left = (side - (y1 - y0)) // 2, (side - (x1 - x0)) // 2
    part = F.pad(part, (left, side - (x1 - x0) - left, top, side - (y1 - y0) - top))
    return F.interpolate(part[None], (SIDE, SIDE), mode="bilinear", antialias=True)[0]


def feature(picture, mask=None):
    part = cut_out(picture, foreground(picture) if mask is None else mask)
    # Colours say more than their small numbers; a little blur forgives a pixel's shift.
    return None if part is None else F.avg_pool2d(part * torch.tensor([1.0, 2.0, 2.0, 1.0])[:, None, None], 3, 1, 1)


class Gallery:
    def __init__(self, names, pictures):
        features = [feature(p) for p in pictures]
        self.names = [n for n, f in zip(names, features) if f is not None]
        self.features = torch.stack([f for f in features if f is not None])

    def nearest(self, part):
        """names, the nearest first; those whose drawings are the same as the first's stand beside it"""
        if part is None:
            return [[None]]
        distances = torch.minimum(
            (self.features - part).square().mean((1, 2, 3)), (self.features - part.flip(-1)).square().mean((1, 2, 3))
        )
        order = distances.argsort().tolist()
        return [self._twins(i) for i in order[:3]]

    def _twins(self, i):
        same = (self.features - self.features[i]).square().mean((1, 2, 3)) < 1e-4
        return [name for name, twin in zip(self.names, same.tolist()) if twin]


class Judge:
    def __init__(self, composer, size):
        self.composer, self.size, self.galleries = composer, size, {}

    def draw(self, style, placements):
        return self.composer.draw(Scene("", style, "", "", placements), self.size).clamp(0, 1)

    def sprite(self, style, noun):
        return self.composer.index.get((style, FACE_LABELS.get(noun, NOUNS.get(noun))))

    def gallery(self, key, make):
        if key not in self.galleries:
            pairs = make()
            self.galleries[key] = Gallery([n for n, _ in pairs], [p for _, p in pairs])
        return self.galleries[key]

    def all_of(self, style):
        return self.gallery(
            ("all", style),
            lambda: [
                (label, self.draw(s, [Placement(i, 0.5, 0.5, 0.9)]))
                for (s, label), i in self.composer.index.items()
                if s == style
            ],
        )

    def nouns(self, style, name=None, size=0.9):
        def make():
            pairs = []
            for noun in NOUNS:
                sprite = self.sprite(style, noun)
                if sprite is not None and (name is None or self.composer.colourable(noun, sprite)):
                    placement = Placement(sprite, 0.5, 0.5, size, colour=COLOURS[name] if name else None)
                    pairs.append((noun, self.draw(style, [placement])))
            return pairs

        return self.gallery(("nouns", style, name, size), make)

    def faces(self, style):
        def make():
            pairs = []
            for face in FACES:
                pairs.append(((face, None), self.draw(style, [Placement(self.sprite(style, face), 0.5, 0.5, 0.9)])))
                for accessory in ACCESSORIES:
                    pairs.append(((face, accessory), self.draw(style, self.composer.worn(random.Random(0), style, face, accessory))))
            return pairs

        return self.gallery(("faces", style), make)

    def judge(self, prompt, picture):
        """what is right about a picture (0 to 1) of a held-out prompt: `right`, and its parts"""
        return getattr(self, "_" + prompt["kind"])(prompt["style"], prompt["parts"], picture)

    def _colour(self, style, parts, picture):
        name, noun = parts
        mask = foreground(picture)
        pixels = torch.cat([picture * mask, mask[None].float()]).numpy()
        lightness, chroma, hue, _ = colour.main_colour(pixels)
        hue_right = colour.name_of(lightness, chroma, hue or 0.0) == name
        noun_right = noun in self.nouns(style, name).nearest(feature(picture))[0]
        return {"right": hue_right and noun_right, "colour": hue_right, "noun": noun_right}

    def _count(self, style, parts, picture):
        number, noun = parts
        masks = components(foreground(picture))
        gallery = self.nouns(style, None, 0.42)
        matches = sum(noun in gallery.nearest(feature(picture, m))[0] for m in masks)
        count_right, noun_right = len(masks) == number, bool(masks) and matches * 2 >= len(masks)
        return {"right": count_right and noun_right, "count": count_right, "noun": noun_right}

    def _pair(self, style, parts, picture):
        first, relation, second = parts
        vertical = relation in ("above", "below")
        halves = halve(picture, vertical)
        gallery = self.nouns(style, None, 0.47)
        found = [gallery.nearest(feature(picture, m))[0] if m.any() else [None] for m in halves]
        in_order = [first in found[0], second in found[1]]
        swapped = [second in found[0], first in found[1]]
        wanted = {"left": in_order, "above": in_order, "right": swapped, "below": swapped}.get(relation)
        both = all(wanted) if wanted else all(in_order) or all(swapped)
        one = any(wanted) if wanted else any(in_order) or any(swapped)
        return {"right": both, "one": one, "both in any order": all(in_order) or all(swapped)}

    def _wears(self, style, parts, picture):
        face, accessory = parts
        names = self.faces(style).nearest(feature(picture))[0]
        return {
            "right": (face, accessory) in names,
            "face": any(n and n[0] == face for n in names),
            "accessory": any(n and n[1] == accessory for n in names),
        }


def components(mask):
    """masks of the connected parts, each at least a fifth as large as the largest; parts of one thing that a pixel or
    two separate count as one"""
    reach = max(1, mask.shape[-1] // 64)
    wide = F.max_pool2d(mask[None, None].float(), 2 * reach + 1, 1, reach)[0, 0] > 0
    # Labels spread to neighbours until nothing changes.
    labels = torch.arange(1, wide.numel() + 1, dtype=torch.float32).reshape(wide.shape) * wide
    while True:
        spread = F.max_pool2d(labels[None, None], 3, 1, 1)[0, 0] * wide
        if torch.equal(spread, labels):
            break
        labels = spread
    parts = [mask & (labels == label) for label in labels.unique() if label > 0]
    largest = max((p.sum().item() for p in parts), default=0)
    return [p for p in parts if p.sum().item() >= 0.2 * largest]


def halve(picture, vertical):
    """masks of the two things beside (or above) one another, cut where between them is least"""
    mask = foreground(picture)
    profile = mask.float().sum(1 if vertical else 0)
    n = len(profile)
    low, high = int(n * 0.35), int(n * 0.65)
    window = profile[low:high] + 1e-3 * (torch.arange(low, high) - n / 2).abs()
    cut = low + int(window.argmin())
    first, second = mask.clone(), mask.clone()
    if vertical:
        first[cut:], second[:cut] = False, False
    else:
        first[:, cut:], second[:, :cut] = False, False
    return first, second


def drawn(composer, prompt, seed):
    """the scene of a held-out prompt as the composer would have drawn it"""
    rng, style, kind = random.Random(f"ceiling/{prompt['prompt']}/{seed}"), prompt["style"], prompt["kind"]
    sprite = lambda noun: composer.index[style, NOUNS[noun]]  # noqa: E731
    if kind == "colour":
        name, noun = prompt["parts"]
        placements = [composer.placement(rng, sprite(noun), 0.5, 0.5, rng.uniform(0.76, 1), name)]
    elif kind == "count":
        placements = composer.counted(rng, sprite(prompt["parts"][1]), prompt["parts"][0])
    elif kind == "pair":
        first, relation, second = prompt["parts"]
        placements = composer.beside(rng, (sprite(first), sprite(second)), relation)
    else:
        placements = composer.worn(rng, style, *prompt["parts"])
    return Scene(kind, style, "", "", placements)


def main():
    args = arguments(
        __doc__, checkpoint="unet/checkpoint.pt", out="evaluation", steps=20, guidance=GUIDANCE, few=0, recall=200, seeds=2, ceiling=0
    )
    composer = Composer(args.work_dir / "data" / "sprites.bin", held_out=None)
    fixed = json.loads(Path(__file__).with_name("held-out.json").read_text())
    painter = None if args.ceiling else Painter(args.work_dir, args.work_dir / args.checkpoint, args.device, few_step=args.few > 0)

    def paint(prompts, seeds):
        made = painter.paint(prompts, seeds, args.few or args.steps, args.guidance)
        return (made + 1) / 2

    probe = 64 if args.ceiling else paint(["a cat"], [1]).shape[-1]
    judge, results, lines = Judge(composer, probe), {}, []
    folder = args.work_dir / args.out
    folder.mkdir(parents=True, exist_ok=True)

    # 1 and 3: recall and variety
    step = max(1, len(fixed["recall"]) // args.recall)
    labels, right, chroma, distances, per_style = fixed["recall"][::step], [], [], [], {}
    for style in composer.styles:
        prompts = [f"{clean(label)}, {style} style" for label in labels for _ in range(args.seeds)]
        seeds = [i % args.seeds + 1 for i in range(len(prompts))]
        if args.ceiling:
            pictures = []
            for i, label in enumerate(label for label in labels for _ in range(args.seeds)):
                rng = random.Random(i)
                placement = composer.placement(rng, composer.index[style, label], 0.5, 0.5, rng.uniform(0.76, 1))
                pictures.append(judge.draw(style, [placement]))
            pictures = torch.stack(pictures)
        else:
            pictures = paint(prompts, seeds)
        gallery, ok = judge.all_of(style), []
        for i, picture in enumerate(pictures):
            label = labels[i // args.seeds]
            part = feature(picture)
            ok.append(label in gallery.nearest(part)[0])
            if part is not None:
                reference = gallery.features[gallery.names.index(label)]
                flipped = min((reference, reference.flip(-1)), key=lambda r: (r - part).square().mean())
                chroma.append(((flipped - part)[1:3] / 2).abs().mean().item())
        for i in range(0, len(ok), args.seeds):
            if args.seeds > 1 and ok[i] and ok[i + 1]:
                distances.append((pictures[i] - pictures[i + 1]).abs().mean().item() * 255)
        per_style[style] = float(np.mean(ok))
        right += ok
        save_grid(folder / f"recall-{style}.png", pictures[: 96] * 2 - 1, 12, [clean(p) for p in prompts[:96]])
    results["recall"] = {"right": float(np.mean(right)), **per_style, "chroma error (OKLab)": float(np.mean(chroma))}
    results["variety"] = {
        "pairs both right": len(distances),
        "mean distance of 255": float(np.mean(distances)) if distances else None,
        "pairs closer than 4 of 255": float(np.mean([d < 4 for d in distances])) if distances else None,
    }

    # 2: composition
    prompts = [p for p in fixed["prompts"] for _ in range(args.seeds)]
    if args.ceiling:
        pictures = torch.stack([composer.draw(drawn(composer, p, i), judge.size).clamp(0, 1) for i, p in enumerate(prompts)])
    else:
        pictures = paint([p["prompt"] for p in prompts], [i % args.seeds + 1 for i in range(len(prompts))])
    scores = {}
    for prompt, picture in zip(prompts, pictures):
        verdict = judge.judge(prompt, picture)
        lines.append(f"{'+' if verdict['right'] else '-'} {prompt['prompt']} {verdict}")
        for part, value in verdict.items():
            scores.setdefault(prompt["kind"], {}).setdefault(part, []).append(bool(value))
    results["composition"] = {kind: {k: float(np.mean(v)) for k, v in parts.items()} for kind, parts in scores.items()}
    captions = [("+ " if line[0] == "+" else "- ") + p["prompt"] for line, p in zip(lines, prompts)]
    save_grid(folder / "composition.png", pictures * 2 - 1, 20, captions)

    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "composition.txt").write_text("\n".join(lines) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
