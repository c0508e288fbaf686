"""
Trains the published autoencoder, of 128×128 pictures, with the latents of the small one: the U-Net stays as it is.

It begins as the small one with a level more outside. The decoder learns to draw at 128×128 from the latents of the halved
picture, the encoder to give those latents from the whole picture.
"""
import torch
import torch.nn.functional as F

from checkpoint import Training, arguments, autocast, load_weights
from muon import Muon
from networks import AutoencoderKL, begin_as, published_autoencoder
from picture_grid import save_grid
from train_vae import batch_of, load_pictures, picture_loss


def main():
    args = arguments(__doc__, total=40_000, batch=8, lr=1e-3, noise=0.1)
    torch.manual_seed(0)
    pictures = load_pictures(args.work_dir)
    small = load_weights(args.work_dir / "vae" / "vae.pt", AutoencoderKL(), "vae").to(args.device).eval().requires_grad_(False)
    large = published_autoencoder()
    begin_as(large, small.state_dict(), outside=1)
    large.to(args.device)
    optimizer = Muon([large], args.lr, weight_decay=1e-4)
    folder = args.work_dir / "vae128"
    training = Training(folder / "checkpoint.pt", {"vae": large}, optimizer, args, args.total, decay=0.6, warmup=1000)
    encoded = max(1, args.batch // 4)  # it is the decoder that paints
    shown = batch_of(pictures, range(0, len(pictures), len(pictures) // 24), 128, args.device)[:24]
    for generator in training.batches(args.batch):
        indices = torch.randint(len(pictures), (args.batch,), generator=generator)
        wanted = batch_of(pictures, indices, 128, args.device)
        with torch.no_grad():
            mean, logvar = small.encode(F.avg_pool2d(wanted, 2))
        with autocast(args.device):
            made = large.decode(mean + args.noise * torch.randn_like(mean))
            own_mean, own_logvar = large.encode(wanted[:encoded])
        encoding = (own_mean.float() - mean[:encoded]).square().mean()
        encoding = encoding + 0.01 * (own_logvar.float() - logvar[:encoded]).square().mean()
        drawing = picture_loss(made.float(), wanted)
        training.step(drawing + encoding)
        training.report(1000, args.batch, drawing=drawing, encoding=encoding)
        if training.passes(4000, args.batch):
            show(folder, small, large, shown)
    if training.samples >= args.total:
        show(folder, small, large, shown)
        torch.save({"modules": {"vae": large.state_dict()}}, folder / "vae.pt")


@torch.no_grad()
def show(folder, small, large, wanted):
    latents = small.encode(F.avg_pool2d(wanted, 2))[0]
    made = large.decode(latents).clamp(-1, 1)
    enlarged = F.interpolate(small.decode(latents).clamp(-1, 1), scale_factor=2, mode="bicubic").clamp(-1, 1)
    psnr = [(10 * torch.log10(4 / (x - wanted).square().mean((1, 2, 3)))).mean().item() for x in (made, enlarged)]
    print(f"PSNR at 128×128: {psnr[0]:.2f} dB, of the small one enlarged {psnr[1]:.2f} dB", flush=True)
    save_grid(folder / "grid.png", torch.stack([wanted, enlarged, made], 1).flatten(0, 1), columns=12)


if __name__ == "__main__":
    main()
