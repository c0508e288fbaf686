"""
Draws a chapter of pictures and keeps their latents: `latents-K.f16` is float16 `[count, 16, 8, 8]`, `latents-K.json`
the captions. Chapter K is drawn from seed K; a further chapter is further data, and a stopped one goes on.
"""
import json

import numpy as np
import torch
import torch.nn.functional as F

from checkpoint import arguments, load_weights
from draw import CHUNK, SIZE, chunks
from networks import AutoencoderKL, published_autoencoder

def main():
    args = arguments(__doc__, chapter=1, count=100_000)
    folder = args.work_dir / "data"
    latents_file, words = folder / f"latents-{args.chapter}.f16", folder / f"latents-{args.chapter}.json"
    vae, size = load_encoder(args.work_dir)
    vae.to(args.device).eval().to(memory_format=torch.channels_last)  # a quarter faster on CPUs
    texts = json.loads(words.read_text()) if words.exists() else []

    def save():
        out.flush()
        part = words.with_suffix(".part")
        part.write_text(json.dumps(texts))
        part.rename(words)

    with open(latents_file, "r+b" if latents_file.exists() else "w+b") as out, torch.no_grad():
        for begin, pictures, more in chunks(folder / "sprites.bin", args.chapter, len(texts), args.count):
            batch = F.avg_pool2d(torch.from_numpy(pictures).to(args.device).float(), SIZE // size) / 127.5 - 1
            latents = torch.cat([vae.encode(part)[0] for part in batch.split(64)]).cpu().numpy().astype(np.float16)
            out.seek(begin * latents[0].nbytes)
            out.write(latents.tobytes())
            texts += more
            if begin // CHUNK % 4 == 3:
                save()
                print(f"{len(texts)} of {args.count}", flush=True)
        save()


def load_encoder(work_dir):
    """the small autoencoder, or the published one where only that is there; and the size of its pictures"""
    if (work_dir / "vae" / "vae.pt").exists():
        return load_weights(work_dir / "vae" / "vae.pt", AutoencoderKL(), "vae"), 64
    return load_weights(work_dir / "vae128" / "vae.pt", published_autoencoder(), "vae"), 128


def load_latents(work_dir, tokenizer):
    """all chapters: float16 latents `[n, 16, 8, 8]`, int64 token ids `[n, tokens]`"""
    latents, captions = [], []
    for words in sorted((work_dir / "data").glob("latents-*.json")):
        texts = json.loads(words.read_text())
        values = np.fromfile(words.with_suffix(".f16"), np.float16, count=len(texts) * 1024)
        latents.append(torch.from_numpy(values.reshape(-1, 16, 8, 8)))
        captions += [text[0] for text in texts]
    return torch.cat(latents), torch.from_numpy(tokenizer(captions))


if __name__ == "__main__":
    main()
