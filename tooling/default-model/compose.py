"""
The data, second half: pictures with exact captions, made from the sprites.

A scene is drawn by chance (its kind, its words, its layout) from a seed and an index, so picture `(seed, index)` is the
same on every machine, and there is no end of them. Combinations in held-out.json never occur.
"""
import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import colour
from sprites import Sprites
from vocabulary import ACCESSORIES, COLOURS, FACE_LABELS, FACES, NOUNS, NUMBERS, PLURALS, STYLES, UNCOLOURED

KINDS = {"plain": 0.335, "colour": 0.175, "count": 0.15, "pair": 0.20, "wears": 0.08, "size": 0.035, "background": 0.025}


# Tags are words; those that say a size, a colour or a number would contradict the made captions.
TAG = re.compile(r"(?!.*\b(%s)\b)[a-z][a-z' ]*" % "|".join(["small", "tiny", "little", "big", "large", "left", "right", *COLOURS, *NUMBERS.values()]))


# How large a thing that stands alone is. Chance in sizes, places and sides is what a picture of a caption cannot tell: with
# sizes from 0.76 to 1, all places, mirrored and turned, it was half of the latents' variance, and things became blobs. Of
# shades a caption tells nothing either, but they blur no shape: they are what makes two seeds of one caption differ.
SIZES = (0.84, 0.96)

# Where so many things stand, as fractions of the picture.
LAYOUTS = {
    2: [(0.27, 0.5), (0.73, 0.5)],
    3: [(0.27, 0.72), (0.73, 0.72), (0.5, 0.28)],
    4: [(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)],
    5: [(0.2, 0.2), (0.8, 0.2), (0.5, 0.5), (0.2, 0.8), (0.8, 0.8)],
    6: [(x, y) for y in (0.3, 0.7) for x in (0.18, 0.5, 0.82)],
}


@dataclass
class Placement:
    """One sprite; centre and size are fractions of the picture."""

    sprite: int
    x: float
    y: float
    size: float
    colour: tuple | None = None
    shade: tuple | None = None  # of `colour.shade`


@dataclass
class Scene:
    kind: str
    style: str
    text: str  # without the style
    caption: str
    placements: list
    background: tuple = (1.0, 1.0, 1.0)
    parts: dict = field(default_factory=dict)  # what a test needs to know


def middle(rng):
    return 0.5 + rng.uniform(-0.01, 0.01), 0.5 + rng.uniform(-0.01, 0.01)


class HeldOut(Exception):
    pass


def article(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def clean(text):
    text = text.lower().replace("“", "").replace("”", "").replace("’", "'").replace(": ", ", ")
    return re.sub(r"\s+", " ", re.sub(r"[_-]", " ", text)).strip()


class Composer:
    def __init__(self, sprites, styles=STYLES, held_out=Path(__file__).with_name("held-out.json")):
        self.sprites = sprites if isinstance(sprites, Sprites) else Sprites(sprites)
        self.styles = styles
        meta = self.sprites.meta
        self.index = {(m["style"], m["label"]): i for i, m in enumerate(meta)}
        self.noun_of = {}
        for noun, label in NOUNS.items():
            self.noun_of.setdefault(label, noun)
        self.plain = [i for i, m in enumerate(meta) if m["style"] in styles]
        self.plain_weights = [
            2.5 if meta[i]["label"] in self.noun_of else 1.6 if meta[i]["group"] == "smileys-emotion" else 1.0
            for i in self.plain
        ]
        self.held_out = {tuple(key) for key in json.loads(Path(held_out).read_text())["keys"]} if held_out else set()
        self.main = {}

    # ---- words and parts ----

    def noun(self, rng, style, nouns=tuple(NOUNS)):
        while True:
            noun = rng.choice(nouns)
            sprite = self.index.get((style, FACE_LABELS.get(noun, NOUNS.get(noun))))
            if sprite is not None:
                return noun, sprite

    def main_colour(self, sprite):
        if sprite not in self.main:
            self.main[sprite] = colour.main_colour(self.sprites.pixels(sprite))
        return self.main[sprite]

    def colourable(self, noun, sprite):
        return noun not in UNCOLOURED and self.main_colour(sprite)[3] > 0.55

    def paint(self, rng, name):
        lightness, chroma, hue = COLOURS[name]
        return (
            lightness + rng.uniform(-0.015, 0.015 if name != "white" else 0.0),
            chroma * rng.uniform(0.94, 1.02),
            None if hue is None else hue + rng.uniform(-3, 3),
        )

    def refuse(self, *key):
        if key in self.held_out:
            raise HeldOut

    def maybe_colour(self, rng, noun, sprite, probability):
        """a colour's name or None"""
        if rng.random() >= probability or not self.colourable(noun, sprite):
            return None
        name = rng.choice(tuple(COLOURS))
        self.refuse("colour", name, noun)
        return name

    def placement(self, rng, sprite, x, y, size, name=None):
        return Placement(sprite, x, y, size, self.paint(rng, name) if name else None)

    # ---- kinds of scenes ----

    def _plain(self, rng, style):
        while True:
            sprite = rng.choices(self.plain, self.plain_weights)[0]
            meta = self.sprites.meta[sprite]
            if meta["style"] == style:
                break
        label, tags = clean(meta["label"]), [t for t in map(clean, meta["tags"]) if TAG.fullmatch(t)]
        rng.shuffle(tags)
        noun, chance = self.noun_of.get(meta["label"]), rng.random()
        # "a rabbit" is the whole animal where there is such a drawing, although "a purple rabbit" is its face.
        if chance < 0.25 and noun and (noun == label or (style, noun) not in self.index):
            text = article(noun)
        elif chance < 0.62:
            text = label
        elif chance < 0.78:
            text = label if label.endswith("s") else article(label)
        elif chance < 0.95 or not tags:
            text = ", ".join([label] + tags[: rng.randint(1, 2)])
        else:
            text = ", ".join(tags[: rng.randint(1, 3)])
        placement = self.placement(rng, sprite, *middle(rng), rng.uniform(*SIZES))
        placement.shade = rng.uniform(-0.05, 0.04), rng.uniform(0.8, 1.1), rng.uniform(-6, 6)
        return text, [placement], {"label": meta["label"]}

    def _colour(self, rng, style):
        noun, sprite = self.noun(rng, style)
        name = self.maybe_colour(rng, noun, sprite, 1.0)
        if not name:
            raise HeldOut
        size = rng.uniform(*SIZES)
        text = article(f"{name} {noun}") if rng.random() < 0.8 else f"{name} {noun}"
        return text, [self.placement(rng, sprite, *middle(rng), size, name)], {"colour": name, "noun": noun}

    def _count(self, rng, style):
        noun, sprite = self.noun(rng, style)
        number = rng.choices(tuple(NUMBERS), (3, 4, 3, 1.5, 1))[0]
        self.refuse("count", number, noun)
        name = self.maybe_colour(rng, noun, sprite, 0.3)
        what = f"{name} {PLURALS[noun]}" if name else PLURALS[noun]
        text = f"{NUMBERS[number] if rng.random() < 0.9 else number} {what}"
        return text, self.counted(rng, sprite, number, name), {"number": number, "noun": noun, "colour": name}

    def counted(self, rng, sprite, number, name=None):
        spots = LAYOUTS[number]
        nearest = min(max(abs(a[0] - b[0]), abs(a[1] - b[1])) for i, a in enumerate(spots) for b in spots[:i])
        size = min(nearest, 0.48) * rng.uniform(0.87, 0.97)
        paint = self.paint(rng, name) if name else None
        return [Placement(sprite, x, y, size, paint) for x, y in spots]

    def _pair(self, rng, style):
        (first, a), (second, b) = self.noun(rng, style), self.noun(rng, style)
        if first == second:
            raise HeldOut
        self.refuse("pair", *sorted((first, second)))
        names = [self.maybe_colour(rng, noun, sprite, 0.25) for noun, sprite in ((first, a), (second, b))]
        said = [article(f"{name} {noun}" if name else noun) for name, noun in zip(names, (first, second))]
        relation = rng.choices(("left", "right", "above", "below", "and", "next to"), (4, 4, 3, 3, 4, 1))[0]
        joint = {"left": " to the left of ", "right": " to the right of "}.get(relation, f" {relation} ")
        parts = {"nouns": [first, second], "relation": relation, "colours": names}
        return said[0] + joint + said[1], self.beside(rng, (a, b), relation, names), parts

    def beside(self, rng, sprites, relation, names=(None, None)):
        size, low, high = rng.uniform(0.44, 0.49), 0.26, 0.74
        spots = {
            "right": ((high, 0.5), (low, 0.5)),
            "above": ((0.5, low), (0.5, high)),
            "below": ((0.5, high), (0.5, low)),
        }.get(relation, ((low, 0.5), (high, 0.5)))
        return [self.placement(rng, sprite, x, y, size, name) for sprite, (x, y), name in zip(sprites, spots, names)]

    def _wears(self, rng, style):
        face, sprite = self.noun(rng, style, tuple(FACES))
        accessory = rng.choice(tuple(ACCESSORIES))
        self.refuse("wears", face, accessory)
        name = self.maybe_colour(rng, face, sprite, 0.2)
        wearer = article(f"{name} {face}" if name else face)
        parts = {"face": face, "accessory": accessory, "colour": name}
        return f"{wearer} {rng.choice(ACCESSORIES[accessory][2])}", self.worn(rng, style, face, accessory, name), parts

    def worn(self, rng, style, face, accessory, name=None):
        label, place, _ = ACCESSORIES[accessory]
        eye_y, eye_x, top, half_width, middle = FACES[face][0 if style == "noto" else 1]
        # In units of the face's drawing: x, y and size of the worn thing.
        if place == "eyes":
            thing = (middle, eye_y + 0.01, min(max(eye_x / 0.26, 0.52), 0.95))
        elif place == "around":
            thing = (middle, eye_y - 0.06, half_width * 2.45)
        else:
            width = {"crown": 1.25, "bow": 1.0, "cap": 1.75, "graduation cap": 1.75}.get(accessory, 1.55) * half_width
            thing = (middle, top + 0.05 - 0.40 * width, width)
        boxes = [(0.5, 0.5, 1.0), thing]
        low_x, low_y = (min(b[k] - b[2] / 2 * 0.96 for b in boxes) for k in (0, 1))
        high_x, high_y = (max(b[k] + b[2] / 2 * 0.96 for b in boxes) for k in (0, 1))
        scale = rng.uniform(0.88, 0.98) / max(high_x - low_x, high_y - low_y)
        left, top = 0.5 - scale * (low_x + high_x) / 2, 0.5 - scale * (low_y + high_y) / 2
        wearer = self.index[style, FACE_LABELS.get(face, NOUNS.get(face))]
        paint = self.paint(rng, name) if name else None
        return [
            Placement(wearer, left + scale * 0.5, top + scale * 0.5, scale, colour=paint),
            Placement(self.index[style, label], left + scale * thing[0], top + scale * thing[1], scale * thing[2]),
        ]

    def _size(self, rng, style):
        noun, sprite = self.noun(rng, style)
        name = self.maybe_colour(rng, noun, sprite, 0.2)
        word = rng.choice(("small", "tiny", "little", "big", "large"))
        size = rng.uniform(0.97, 1.0) if word in ("big", "large") else rng.uniform(0.34, 0.40)
        text = article(f"{word} {name} {noun}" if name else f"{word} {noun}")
        return text, [self.placement(rng, sprite, *middle(rng), size, name)], {"size": word, "noun": noun}

    def _background(self, rng, style):
        kind = rng.choice((self._plain, self._colour, self._pair, self._wears, self._count))
        return kind(rng, style)

    def background(self, rng, name):
        lightness, chroma, hue = self.paint(rng, name)
        lightness, chroma = min(1.0, lightness + 0.1), chroma * 0.75
        angle = np.radians(hue or 0)
        lab = np.array([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], np.float32)
        return tuple(float(v) for v in colour.oklab_to_rgb(lab[:, None])[:, 0])

    # ---- scenes and pictures ----

    def say(self, rng, text, style):
        chance = rng.random()
        if chance < 0.85:
            return f"{text}, {style} style"
        if chance < 0.92:
            return f"{style} style, {text}"
        return text

    def scene(self, seed, index, kind=None):
        rng = random.Random(f"{seed}/{index}")
        wanted = kind or rng.choices(tuple(KINDS), tuple(KINDS.values()))[0]
        while True:
            style = rng.choice(self.styles)
            try:
                text, placements, parts = getattr(self, "_" + wanted)(rng, style)
            except HeldOut:
                continue
            background = (1.0, 1.0, 1.0)
            if wanted == "background":
                used = {v for v in [parts.get("colour"), *parts.get("colours", [])] if v}
                name = rng.choice([c for c in COLOURS if c not in used])
                background = self.background(rng, name)
                text += f" on a {name} background" if name[0] not in "aeiou" else f" on an {name} background"
            return Scene(wanted, style, text, self.say(rng, text, style), placements, background, parts)

    def draw(self, scene, size=128):
        """float32 `[3, size, size]`, 0 to 1"""
        canvas = torch.tensor(scene.background, dtype=torch.float32)[:, None, None].expand(3, size, size).clone()
        for item in scene.placements:
            self._place(canvas, item, size)
        return canvas

    def _place(self, canvas, item, size):
        pixels = torch.from_numpy(self.sprites.pixels(item.sprite))
        extent = item.size * size
        while pixels.shape[-1] >= 2 * extent:
            pixels = F.avg_pool2d(pixels, 2)
        if item.colour:
            main = self.main_colour(item.sprite)
            pixels = torch.from_numpy(colour.recolour(pixels.numpy(), main, item.colour))
        if item.shade:
            pixels = torch.from_numpy(colour.shade(pixels.numpy(), *item.shade))
        radius = extent / 2 * 1.02 + 1
        x0, x1 = max(0, int(item.x * size - radius)), min(size, int(item.x * size + radius) + 1)
        y0, y1 = max(0, int(item.y * size - radius)), min(size, int(item.y * size + radius) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        ys, xs = torch.meshgrid(torch.arange(y0, y1) + 0.5, torch.arange(x0, x1) + 0.5, indexing="ij")
        u, v = (xs - item.x * size) / extent * 2, (ys - item.y * size) / extent * 2
        grid = torch.stack([u, v], -1)[None].float()
        sample = F.grid_sample(pixels[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
        window = canvas[:, y0:y1, x0:x1]
        window.copy_(sample[:3] + window * (1 - sample[3:]))

    def picture(self, seed, index, size=128, kind=None):
        scene = self.scene(seed, index, kind)
        return self.draw(scene, size), scene
