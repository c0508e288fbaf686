"""
Puts the published model into an empty work folder, as if its training had ended there: the way to prolong it where the
checkpoints are lost. `render` and `latents` come next, then `train_text.py --part plan`, which learns anew what reads the
plan out, or `train_unet.py` at once.
"""
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from checkpoint import arguments
from networks import UNet2DConditionModel, published_autoencoder
from tokenizer import Tokenizer
from train_text import TEXT, Regression, text_encoder

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
    regression = Regression(TEXT["width"])
    save(args.work_dir / "vae128" / "vae.pt", vae=vae)
    for part in ("memory", "plan"):
        save(args.work_dir / "text" / f"{part}.pt", text=text, regression=regression)
    save(args.work_dir / "unet" / "checkpoint.pt", unet=unet, text=text)


def save(path, **modules):
    path.parent.mkdir(parents=True, exist_ok=True)
    states = {name: module.state_dict() for name, module in modules.items()}
    torch.save({"modules": states, "samples": 0, "total": 0, "falling": False}, path)


if __name__ == "__main__":
    main()
