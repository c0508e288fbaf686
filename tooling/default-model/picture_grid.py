"""Pictures side by side in one PNG, with captions if wanted."""
from pathlib import Path

import torch
from PIL import Image, ImageDraw


def save_grid(path, pictures, columns=8, captions=None, scale=1):
    """`pictures` `[n, 3, h, w]`, -1 to 1"""
    pictures = ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    height, width = pictures.shape[1] * scale, pictures.shape[2] * scale
    head = 22 if captions else 0
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + 2), rows * (height + 2 + head)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, picture in enumerate(pictures):
        x, y = i % columns * (width + 2), i // columns * (height + 2 + head)
        image = Image.fromarray(picture)
        sheet.paste(image.resize((width, height), Image.BICUBIC) if scale > 1 else image, (x, y + head))
        if captions:
            letters = max(8, width // 6)
            for line in range(2):
                draw.text((x, y + 10 * line), captions[i][line * letters : (line + 1) * letters], fill="black")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
