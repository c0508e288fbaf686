"""
Trains the autoencoder of 64×64 pictures to 8×8×16 latents, then scales the latents to unit variance inside it.

The chroma terms are there because without them the hues of green and red fall together at a good PSNR; the gate at the
end is on the error of chroma and on the latents' eigenvalues for the same reason.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from checkpoint import Training, arguments, autocast
from muon import Muon
from networks import AutoencoderKL, begin_as
from picture_grid import save_grid

# A direction of the latents with less than this share of the largest one's variance carries nothing.
IDLE = 2e-4


def load_pictures(work_dir, name="pictures"):
    count = len(json.loads((work_dir / "data" / f"{name}.json").read_text()))
    return np.memmap(work_dir / "data" / f"{name}.u8", np.uint8, "r", shape=(count, 3, 128, 128))


def batch_of(pictures, indices, size, device):
    """float32 `[batch, 3, size, size]`, -1 to 1"""
    batch = torch.from_numpy(pictures[np.sort(np.asarray(indices))]).to(device).float()
    return (F.avg_pool2d(batch, 128 // size) if size < 128 else batch) / 127.5 - 1


def chroma(x):
    return x - x.mean(1, keepdim=True)


def picture_loss(made, wanted):
    """absolute and squared error, of edges, of what is large, of chroma apart, and of the four corners: those are where the
    decoder's padding shows most, and in a mean over all pixels they are nothing"""
    difference = made - wanted
    edges = (difference[..., 1:] - difference[..., :-1]).abs().mean() + (difference[:, :, 1:] - difference[:, :, :-1]).abs().mean()
    colour = chroma(difference)
    corners = difference[..., :: difference.shape[-2] - 1, :: difference.shape[-1] - 1]
    return (
        difference.abs().mean()
        + 0.5 * edges
        + 0.5 * F.avg_pool2d(difference, 4).abs().mean()
        + 2.0 * difference.square().mean()
        + 2.0 * colour.abs().mean()
        + 4.0 * colour.square().mean()
        + 0.1 * corners.abs().mean()
    )


@torch.no_grad()
def latents_of(vae, batch):
    return torch.cat([vae.encode(part)[0].float() for part in batch.split(64)])


@torch.no_grad()
def measure(vae, batch):
    """PSNR in dB, mean absolute chroma error (of 255), eigenvalues of the latents' covariance, pictures"""
    latents = latents_of(vae, batch)
    made = torch.cat([vae.decode(part).float() for part in latents.split(64)]).clamp(-1, 1)
    psnr = (10 * torch.log10(4 / (made - batch).square().mean((1, 2, 3)))).mean().item()
    error = (chroma(made - batch).abs().mean() * 127.5).item()
    return psnr, error, torch.linalg.eigvalsh(torch.cov(latents.permute(1, 0, 2, 3).flatten(1))).tolist(), made


@torch.no_grad()
def normalise(vae, batch):
    """Latents get mean 0 per channel and variance 1 over all: written into quant_conv and post_quant_conv."""
    latents = latents_of(vae, batch)
    mean, scale = latents.mean((0, 2, 3)), 1 / latents.sub(latents.mean((0, 2, 3), keepdim=True)).square().mean().sqrt()
    channels = len(mean)
    before, after = vae.quant_conv, vae.post_quant_conv
    after.bias.add_(after.weight[:, :, 0, 0] @ mean)
    after.weight.div_(scale)
    before.weight[:channels].mul_(scale)
    before.bias[:channels].sub_(mean).mul_(scale)
    before.bias[channels:].add_(2 * scale.log())


@torch.no_grad()
def revive(vae, batch):
    """
    Latent directions that carry nothing begin to carry a random mixture of the encoder's last features.

    A direction that the encoder never uses and the decoder therefore ignores gets no gradient from either side.
    """
    latents = latents_of(vae, batch)
    eigenvalues, vectors = torch.linalg.eigh(torch.cov(latents.permute(1, 0, 2, 3).flatten(1)))
    convolution, quant = vae.encoder.conv_out, vae.quant_conv.weight[:, :, 0, 0]
    for value, vector in zip(eigenvalues, vectors.T):
        if value < IDLE * eigenvalues.max():
            kernel = torch.randn_like(convolution.weight[0]) / convolution.weight[0].numel() ** 0.5
            through = torch.linalg.solve(quant, F.pad(vector, (0, len(quant) - len(vector))))
            convolution.weight.add_(through[:, None, None, None] * kernel)


def main():
    args = arguments(__doc__, total=60_000, batch=8, lr=1.5e-3, kl=1e-6, noise=0.08, start="")
    torch.manual_seed(0)
    pictures = load_pictures(args.work_dir)
    vae = AutoencoderKL().to(args.device)
    if args.start:  # a diffusers folder: fewer samples do
        begin_as(vae, load_file(Path(args.start) / "diffusion_pytorch_model.safetensors"), outside=0)
    shown = batch_of(pictures, range(0, len(pictures), len(pictures) // 256), 64, args.device)
    if args.start:
        revive(vae, shown)
    vae.to(memory_format=torch.channels_last)  # faster on CPUs
    optimizer = Muon([vae], args.lr, weight_decay=1e-4)
    folder = args.work_dir / "vae"
    training = Training(folder / "checkpoint.pt", {"vae": vae}, optimizer, args, args.total, decay=0.7, warmup=1000)
    for generator in training.batches(args.batch):
        indices = torch.randint(len(pictures), (args.batch,), generator=generator)
        wanted = batch_of(pictures, indices, 64, args.device)
        with autocast(args.device):
            mean, logvar = vae.encode(wanted)
            # Latents that the U-Net paints are a little off: the decoder learns to bear it.
            deviation = (logvar.float().exp() + (args.noise * mean.detach().std()) ** 2).sqrt()
            made = vae.decode(mean + deviation * torch.randn_like(mean))
        divergence = 0.5 * (mean.float().square() + logvar.float().exp() - 1 - logvar.float()).mean()
        loss = picture_loss(made.float(), wanted)
        training.step(loss + args.kl * divergence)
        training.report(1000, args.batch, loss=loss)
        if training.passes(2_000, args.batch):
            psnr, error, eigenvalues, made = measure(vae, shown)
            print(f"PSNR {psnr:.2f} dB, chroma error {error:.2f}, eigenvalues {[round(v, 3) for v in eigenvalues]}", flush=True)
            save_grid(folder / "grid.png", torch.stack([shown[:40], made[:40]], 1).flatten(0, 1), columns=16)
    if training.samples < args.total:
        return
    many = batch_of(pictures, range(0, len(pictures), 4), 64, args.device)
    normalise(vae, many)
    psnr, error, eigenvalues, made = measure(vae, shown)
    print(f"normalised: PSNR {psnr:.2f} dB, chroma error {error:.2f}, eigenvalues {eigenvalues}")
    save_grid(folder / "grid.png", torch.stack([shown[:40], made[:40]], 1).flatten(0, 1), columns=16)
    if error > 4 or min(eigenvalues) < IDLE * max(eigenvalues):
        sys.exit("train_vae: the hue is lost or a latent channel is idle; the U-Net must not be trained on this")
    torch.save({"modules": {"vae": vae.state_dict()}}, folder / "vae.pt")


if __name__ == "__main__":
    main()
