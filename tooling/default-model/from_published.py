"""
Puts the published model into an empty work folder, as if its training had ended there: the way to prolong it where the
checkpoints are lost. `render` and `latents` come next, then `train_unet.py`. A text encoder is trained from nothing or
not at all, since what it read its plan out with is not published.
"""
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from checkpoint import arguments
from muon import Muon
from networks import UNet2DConditionModel, published_autoencoder
from tokenizer import Tokenizer
from train_text import text_encoder

PUBLISHED = Path(__file__).parents[2] / "packages" / "default-model" / "model"


def main():
    args = arguments(__doc__)
    for name in ("vae128", "text", "unet", "tokenizer"):
        if (args.work_dir / name).exists():
            raise SystemExit(f"from_published: {args.work_dir / name} is there already; give an empty folder")
    shutil.copytree(PUBLISHED / "tokenizer", args.work_dir / "tokenizer")
    vae, unet = published_autoencoder(), UNet2DConditionModel()
    text = text_encoder(Tokenizer(args.work_dir / "tokenizer"))
    for module, path in (
        (vae, "vae/diffusion_pytorch_model.safetensors"),
        (unet, "unet/diffusion_pytorch_model.safetensors"),
        (text, "text_encoder/model.safetensors"),
    ):
        module.load_state_dict(load_file(PUBLISHED / path))
    save(args.work_dir / "vae128" / "vae.pt", {"modules": {"vae": vae.state_dict()}})
    save(args.work_dir / "text" / "plan.pt", {"modules": {"text": text.state_dict()}})
    modules = {"unet": unet.state_dict(), "text": text.state_dict()}
    optimizer = Muon([unet], 1e-3).state_dict()
    beginning = {"modules": modules, "averages": modules, "optimizer": optimizer, "samples": 0, "total": 0, "falling": False}
    save(args.work_dir / "unet" / "checkpoint.pt", beginning)


def save(path, state):
    path.parent.mkdir(parents=True)
    torch.save(state, path)


if __name__ == "__main__":
    main()
