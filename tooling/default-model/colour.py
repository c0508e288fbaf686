"""OKLab (Ottosson 2020), recolouring of a drawing's main colour, and names of colours."""
import math

import numpy as np

from vocabulary import COLOURS

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
_FROM_LAB, _FROM_LMS = np.linalg.inv(_TO_LAB), np.linalg.inv(_TO_LMS)


def rgb_to_oklab(rgb):
    """sRGB 0 to 1, `[3, …]` → OKLab `[3, …]`"""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4)
    shape = rgb.shape
    lms = np.cbrt(_TO_LMS @ linear.reshape(3, -1).astype(np.float32))
    return (_TO_LAB @ lms).reshape(shape)


def oklab_to_rgb(lab):
    """OKLab `[3, …]` → sRGB `[3, …]`, clipped to 0 to 1"""
    shape = lab.shape
    linear = (_FROM_LMS @ (_FROM_LAB @ lab.reshape(3, -1)) ** 3).clip(0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).reshape(shape)


def _smooth(x, low, high):
    t = ((x - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def _hue_distance(a, b):
    return np.abs((a - b + 180) % 360 - 180)


def main_colour(pixels):
    """
    The colour that covers most of a drawing (`[4, h, w]`, premultiplied): lightness, chroma, hue (None if neutral),
    and the share of the drawing's area that belongs to it.
    """
    alpha = pixels[3]
    solid = alpha > 0.5
    if not solid.any():
        return 0.5, 0.0, None, 0.0
    lightness, a, b = rgb_to_oklab(pixels[:3][:, solid] / alpha[solid])
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    neutral = chroma < 0.045
    # Black is mostly outline and eyes: it is the main colour only of what is more than half black.
    dark = neutral & (lightness <= 0.45)
    if dark.mean() > 0.5:
        return float(np.median(lightness[dark])), 0.0, None, float(dark.mean())
    grey = neutral & (lightness > 0.45)
    histogram = np.histogram(hue[~neutral], bins=72, range=(0, 360))[0].astype(np.float64)
    window = sum(np.roll(histogram, k) for k in range(-5, 6))
    if grey.sum() >= window.max():
        return float(np.median(lightness[grey])), 0.0, None, float(grey.mean())
    centre = float(np.argmax(window)) * 5 + 2.5
    inside = ~neutral & (_hue_distance(hue, centre) < 40)
    return float(np.median(lightness[inside])), float(np.median(chroma[inside])), centre, float(inside.mean())


def recolour(pixels, main, target):
    """Moves the drawing's main colour (from `main_colour`) to the OKLCh `target`; shading and the rest stay."""
    main_lightness, main_chroma, main_hue, _ = main
    target_lightness, target_chroma, target_hue = target
    alpha = np.maximum(pixels[3], 1e-3)
    lab = rgb_to_oklab((pixels[:3] / alpha).clip(0, 1))
    lightness, a, b = lab
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    if main_hue is None:
        lit = _smooth(lightness, 0.35, 0.5)
        member = (1 - _smooth(chroma, 0.04, 0.07)) * (lit if main_lightness > 0.45 else 1 - lit)
        new_chroma = np.full_like(chroma, target_chroma)
        turn = 0.0
    else:
        member = (1 - _smooth(_hue_distance(hue, main_hue), 38, 60)) * _smooth(chroma, 0.02, 0.045)
        new_chroma = target_chroma * (chroma / max(main_chroma, 0.03)).clip(0, 1.3)
        turn = (hue - main_hue + 180) % 360 - 180
    # Shading keeps its contrast as far as there is room above and below the new lightness.
    delta = lightness - main_lightness
    up = (1 - target_lightness) / max(1 - main_lightness, 0.05)
    down = target_lightness / max(main_lightness, 0.05)
    new_lightness = target_lightness + np.where(delta > 0, delta * min(up, 1.0), delta * min(down, 1.0))
    angle = np.radians((target_hue or 0.0) + 0.4 * turn)
    new = np.stack([new_lightness, new_chroma * np.cos(angle), new_chroma * np.sin(angle)])
    mixed = oklab_to_rgb(lab + member * (new - lab))
    return np.concatenate([(mixed * pixels[3]).astype(np.float32), pixels[3:]])


def shade(pixels, lighter, stronger, turn):
    """A drawing (`[4, h, w]`, premultiplied) in another shade: OKLab lightness added, chroma multiplied, hue turned by degrees."""
    lightness, a, b = rgb_to_oklab((pixels[:3] / np.maximum(pixels[3], 1e-3)).clip(0, 1))
    angle = np.radians(turn)
    cos, sin = stronger * np.cos(angle), stronger * np.sin(angle)
    shaded = oklab_to_rgb(np.stack([lightness + lighter, cos * a - sin * b, sin * a + cos * b]).clip([[[0]], [[-1]], [[-1]]], 1))
    return np.concatenate([(shaded * pixels[3]).astype(np.float32), pixels[3:]])


def name_of(lightness, chroma, hue):
    """The vocabulary's name of an OKLCh colour: nearest target, hue counting as much as the chroma lets it be seen."""

    def distance(target):
        target_lightness, target_chroma, target_hue = target
        x, y = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
        u = target_chroma * math.cos(math.radians(target_hue or 0))
        v = target_chroma * math.sin(math.radians(target_hue or 0))
        return (0.6 * (lightness - target_lightness)) ** 2 + (x - u) ** 2 + (y - v) ** 2

    return min(COLOURS, key=lambda name: distance(COLOURS[name]))
