"""The trained parts together: prompts in, pictures out. Run as a script it paints a grid."""
import torch

from checkpoint import arguments, load_weights
from diffusion import GUIDANCE, ddim, initial_noise, lcm
from low_rank import LowRank
from networks import AutoencoderKL, UNet2DConditionModel, published_autoencoder
from picture_grid import save_grid
from tokenizer import Tokenizer
from train_text import text_encoder

SHOWN = """a red apple, noto style|a purple cat, noto style|a bear with sunglasses, 3d style|three apples, flat style
a dog to the left of a heart, noto style|a cat with a crown, noto style|grinning face, noto style|hamburger, 3d style
a blue dog, flat style|octopus, noto style|two red hearts, flat style|a fox wearing a top hat, 3d style
a frog above a pizza, flat style|butterfly, noto style|a small penguin, noto style|a green dragon on a yellow background
rocket, 3d style|smiling cat with heart-eyes, noto style|four stars, 3d style|a panda and a robot, flat style
a turquoise fish, noto style|house, flat style|sunflower, noto style|an orange rabbit with glasses, flat style"""
SHOWN = SHOWN.replace("\n", "|").split("|")

FEW_STEP = "few-step/checkpoint.pt"


class Painter:
    """`few_step`: with the LoRA of 1 to 4 steps, in LCMScheduler's way and without guidance"""

    def __init__(self, work_dir, checkpoint, device="cpu", vae=None, few_step=False):
        self.device, self.few_step = device, few_step
        self.tokenizer = Tokenizer(work_dir / "tokenizer")
        self.text = text_encoder(self.tokenizer)
        self.unet = UNet2DConditionModel()
        if checkpoint is not None:
            load_weights(checkpoint, self.text, "text")
            load_weights(checkpoint, self.unet, "unet")
        if few_step:
            load_weights(work_dir / FEW_STEP, LowRank(self.unet), "lora").merge()
        self.vae = vae or load_decoder(work_dir)
        for module in (self.text, self.unet, self.vae):
            module.to(device).eval().requires_grad_(False)

    def states(self, prompts):
        return self.text(torch.from_numpy(self.tokenizer(prompts)).to(self.device))

    @torch.no_grad()
    def paint(self, prompts, seeds, steps=20, guidance=GUIDANCE, batch=64):
        """pictures `[n, 3, h, w]`, -1 to 1, on the CPU"""
        empty, pictures = self.states([""]), []
        for k in range(0, len(prompts), batch):
            states = self.states(prompts[k : k + batch])
            noise = initial_noise(seeds[k : k + batch]).to(self.device)
            if self.few_step:
                latents = lcm(self.unet, noise, states, steps, seed=seeds[k])
            else:
                latents = ddim(self.unet, noise, states, empty, steps, guidance)
            pictures.append(self.vae.decode(latents).float().clamp(-1, 1).cpu())
        return torch.cat(pictures)


def load_decoder(work_dir):
    """the published autoencoder where it is trained, else the small one"""
    published = work_dir / "vae128" / "vae.pt"
    if published.exists():
        return load_weights(published, published_autoencoder(), "vae")
    return load_weights(work_dir / "vae" / "vae.pt", AutoencoderKL(), "vae")


def main():
    args = arguments(__doc__, checkpoint="unet/checkpoint.pt", out="grid.png", steps=20, guidance=GUIDANCE, few=0, prompts="")
    painter = Painter(args.work_dir, args.work_dir / args.checkpoint, args.device, few_step=args.few > 0)
    prompts = [p for p in (args.prompts.split("|") if args.prompts else SHOWN) for _ in range(2)]
    seeds = [i % 2 + 1 for i in range(len(prompts))]
    pictures = painter.paint(prompts, seeds, args.few or args.steps, args.guidance)
    save_grid(args.work_dir / args.out, pictures, columns=12, captions=prompts, scale=128 // pictures.shape[-1])


if __name__ == "__main__":
    main()
