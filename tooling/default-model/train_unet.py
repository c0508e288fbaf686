"""
Trains the U-Net to predict the velocity of noised latents. The text encoder stays as it was pre-trained: what a word looks
like is learned there, at a tenth of the cost, and the U-Net learns to draw after its plan.

Goes on from its checkpoint with whatever chapters of latents there are. The rate is constant; it falls only at the end
(`--decay 0.2 --total N`), and a later call with a larger total goes on from before the fall.
"""
import functools
import math

import torch
import torch.nn.functional as F

from checkpoint import Training, arguments, autocast, load_weights
from diffusion import TRAIN_STEPS, coefficients
from latents import load_latents
from muon import Muon
from networks import BasicTransformerBlock, UNet2DConditionModel
from painter import SHOWN, Painter, load_decoder
from picture_grid import save_grid
from tokenizer import PLACES, PLAN, Tokenizer
from train_text import text_encoder


def draw_timesteps(generator, batch):
    """spread evenly; every second one from the noisier half, where the picture's plan is made"""
    places = (torch.arange(batch) + torch.rand((), generator=generator)) / batch
    places = torch.where(torch.arange(batch) % 2 == 0, places, 0.5 + 0.5 * places)
    timesteps = (places * TRAIN_STEPS).long().clamp(0, TRAIN_STEPS - 1)
    return timesteps[torch.randperm(batch, generator=generator)]


@functools.cache
def own_places(places):
    """`[places, PLACES]`: 1 where a place of the plan lies in one of a square map"""
    side, planned = math.isqrt(places), math.isqrt(PLACES)
    lines = torch.eye(side).repeat_interleave(planned // side, 1)
    return torch.kron(lines, lines)


class Reading:
    """
    How far the first head of each cross-attention is from looking, at every place, at the states that plan this place: a
    mean cross-entropy. The U-Net knows places from the borders alone, and would take long to find out who speaks of which.
    """

    def __init__(self, unet):
        self.errors = []
        for module in unet.modules():
            if isinstance(module, BasicTransformerBlock):
                module.attn2.register_forward_hook(self._look)

    def _look(self, attention, inputs, _):
        if not torch.is_grad_enabled():
            return
        x, states = inputs
        width = x.shape[-1] // attention.heads
        queries, keys = F.linear(x, attention.to_q.weight[:width]), F.linear(states, attention.to_k.weight[:width])
        looks = (queries.float() @ keys.float().mT / width**0.5).softmax(-1)[:, :, PLAN:]
        right = (looks * own_places(x.shape[1]).to(looks.device)).sum(-1)
        self.errors.append(-(right + 1e-6).log().mean())

    def error(self):
        """of the forward passes since the last call"""
        error = torch.stack(self.errors).mean()
        self.errors = []
        return error


def main():
    args = arguments(__doc__, total=2_000_000, batch=48, lr=1e-3, decay=0.0, ema=0.999, drop=0.1, grid_every=25_000)
    torch.manual_seed(0)
    tokenizer = Tokenizer(args.work_dir / "tokenizer")
    latents, ids = load_latents(args.work_dir, tokenizer)
    nothing = torch.from_numpy(tokenizer([""]))
    pretrained = args.work_dir / "text" / "plan.pt"
    text = load_weights(pretrained, text_encoder(tokenizer), "text").to(args.device).eval().requires_grad_(False)
    unet = UNet2DConditionModel().to(args.device)
    modules = {"unet": unet, "text": text}
    optimizer = Muon([unet], args.lr)
    folder = args.work_dir / "unet"
    training = Training(
        folder / "checkpoint.pt", modules, optimizer, args, args.total, args.decay, 300 * args.batch, args.ema
    )
    reading = Reading(unet)
    painter = Painter(args.work_dir, None, args.device, load_decoder(args.work_dir))
    print(f"{len(latents)} pictures; from sample {training.samples}", flush=True)
    for generator in training.batches(args.batch):
        chosen = torch.randint(len(latents), (args.batch,), generator=generator)
        dropped = torch.rand(args.batch, generator=generator) < args.drop
        tokens = torch.where(dropped[:, None], nothing, ids[chosen]).to(args.device)
        timesteps = draw_timesteps(generator, args.batch)
        clean = latents[chosen].float()
        noise = torch.randn(clean.shape, generator=generator)
        root, sigma = coefficients(timesteps)
        noised, velocity = (root * clean + sigma * noise).to(args.device), (root * noise - sigma * clean).to(args.device)
        with autocast(args.device):
            with torch.no_grad():
                states = text(tokens)
            made = unet(noised, timesteps.to(args.device), states)
        errors = (made.float() - velocity).square().mean((1, 2, 3))
        read = reading.error()
        training.step(errors.mean() + 0.1 * read)
        high = (timesteps >= 700).to(args.device)
        training.report(5000, args.batch, loss=errors.mean(), high=errors[high].mean(), low=errors[~high].mean(), read=read)
        if samples := training.passes(args.grid_every, args.batch):
            painter.unet.load_state_dict(training.averages["unet"])
            painter.text.load_state_dict(training.averages["text"])
            pictures = painter.paint([p for p in SHOWN for _ in range(2)], [1, 2] * len(SHOWN))
            name = f"grid-{samples // 1000:06d}k.png"
            captions = [p for p in SHOWN for _ in range(2)]
            save_grid(folder / name, pictures, columns=12, captions=captions, scale=128 // pictures.shape[-1])


if __name__ == "__main__":
    main()
