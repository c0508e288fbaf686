"""
Draws a chapter of pictures and keeps their latents: `latents-K.f16` is float16 `[count, 4, 16, 16]`, `latents-K.json`
the captions. Chapter K is drawn from seed K; a further chapter is further data, and a stopped one goes on.
"""
import json

import numpy as np
import torch
import torch.nn.functional as F

from checkpoint import arguments, load_weights
from draw import CHUNK, chunks
from networks import AutoencoderKL

# The model's latents are the small autoencoder's, 2×2 of them as the 16 channels of one place: so each place of the U-Net
# reads one state of the text encoder's plan, and tells all that this state tells.
PATCH = 2


class SmallAutoencoder(AutoencoderKL):
    """the small one, of 64×64 pictures, with its latents in patches"""

    def encode(self, x):
        return tuple(F.pixel_unshuffle(latents, PATCH) for latents in super().encode(x))

    def decode(self, z):
        return super().decode(F.pixel_shuffle(z, PATCH))


def main():
    args = arguments(__doc__, chapter=1, count=100_000)
    folder = args.work_dir / "data"
    latents_file, words = folder / f"latents-{args.chapter}.f16", folder / f"latents-{args.chapter}.json"
    vae = load_weights(args.work_dir / "vae" / "vae.pt", AutoencoderKL(), "vae").to(args.device).eval()
    vae.to(memory_format=torch.channels_last)  # a quarter faster on CPUs
    texts = json.loads(words.read_text()) if words.exists() else []

    def save():
        out.flush()
        part = words.with_suffix(".part")
        part.write_text(json.dumps(texts))
        part.rename(words)

    with open(latents_file, "r+b" if latents_file.exists() else "w+b") as out, torch.no_grad():
        for begin, pictures, more in chunks(folder / "sprites.bin", args.chapter, len(texts), args.count):
            batch = F.avg_pool2d(torch.from_numpy(pictures).to(args.device).float(), 2) / 127.5 - 1
            latents = torch.cat([vae.encode(part)[0] for part in batch.split(64)]).cpu().numpy().astype(np.float16)
            out.seek(begin * latents[0].nbytes)
            out.write(latents.tobytes())
            texts += more
            if begin // CHUNK % 4 == 3:
                save()
                print(f"{len(texts)} of {args.count}", flush=True)
        save()


def load_latents(work_dir, tokenizer):
    """all chapters: float16 patches of latents `[n, 16, 8, 8]`, int64 token ids `[n, tokens]`"""
    latents, captions = [], []
    for words in sorted((work_dir / "data").glob("latents-*.json")):
        texts = json.loads(words.read_text())
        values = np.fromfile(words.with_suffix(".f16"), np.float16, count=len(texts) * 1024)
        latents.append(F.pixel_unshuffle(torch.from_numpy(values.reshape(-1, 4, 16, 16)), PATCH))
        captions += [text[0] for text in texts]
    return torch.cat(latents), torch.from_numpy(tokenizer(captions))


if __name__ == "__main__":
    main()
