"""
Distils the U-Net for 1 to 4 steps: latent consistency distillation (Luo et al., 2023) into a LoRA, the guidance in its weights.

The student says at every noise level where the guided teacher's path ends; its target is its own moving average, one
teacher's step further along. The result runs with LCMScheduler and no guidance.
"""
import torch

from checkpoint import Training, arguments, autocast, load_weights
from diffusion import GUIDANCE, TRAIN_STEPS, boundary, coefficients
from latents import load_latents
from low_rank import LowRank
from networks import UNet2DConditionModel
from painter import SHOWN, Painter, load_decoder
from picture_grid import save_grid
from tokenizer import Tokenizer
from train_text import text_encoder

TEACHER_STEPS = 20


def consistency(unet, sample, timesteps, states):
    """where the path through `sample` ends"""
    root, sigma = coefficients(timesteps)
    skip, out = boundary(timesteps)
    return out * (root * sample - sigma * unet(sample, timesteps, states).float()) + skip * sample


def main():
    args = arguments(
        __doc__, teacher="unet/checkpoint.pt", total=100_000, batch=32, lr=1e-4, guidance=GUIDANCE, ema=0.98, grid_every=10_000
    )
    torch.manual_seed(0)
    device, tokenizer = args.device, Tokenizer(args.work_dir / "tokenizer")
    latents, ids = load_latents(args.work_dir, tokenizer)
    checkpoint = args.work_dir / args.teacher
    text = load_weights(checkpoint, text_encoder(tokenizer), "text").to(device).eval().requires_grad_(False)
    unet = load_weights(checkpoint, UNet2DConditionModel(), "unet").to(device).requires_grad_(False)
    student, target = LowRank(unet).to(device), LowRank(unet).to(device).requires_grad_(False)
    optimizer = torch.optim.AdamW(student.parameters(), args.lr, betas=(0.9, 0.98), weight_decay=0.0, foreach=True)
    folder = args.work_dir / "few-step"
    training = Training(
        folder / "checkpoint.pt", {"lora": student}, optimizer, args, args.total, decay=0.5, warmup=2000, ema=args.ema
    )
    painter = Painter(args.work_dir, None, device, load_decoder(args.work_dir))
    painter.text, painter.unet, painter.few_step = text, unet, True
    with torch.no_grad():
        empty = text(torch.from_numpy(tokenizer([""])).to(device))
    stride = TRAIN_STEPS // TEACHER_STEPS
    for generator in training.batches(args.batch):
        chosen = torch.randint(len(latents), (args.batch,), generator=generator)
        steps = torch.randint(0, TEACHER_STEPS, (args.batch,), generator=generator)
        steps[: args.batch // 4] = TEACHER_STEPS - 1  # the first step of every picture
        now = ((steps + 1) * stride - 1).to(device)
        before = (now - stride).clamp(min=0)
        noise = torch.randn(latents[chosen].shape, generator=generator)
        root, sigma = coefficients(now)
        sample = root * latents[chosen].float().to(device) + sigma * noise.to(device)
        target.load_state_dict(training.averages["lora"])
        with autocast(device):
            with torch.no_grad():
                states = text(ids[chosen].to(device))
                both = unet(sample.repeat(2, 1, 1, 1), now.repeat(2), torch.cat([empty.expand_as(states), states])).float()
                unconditional, conditional = both.chunk(2)
                velocity = unconditional + args.guidance * (conditional - unconditional)
                denoised, noise_prediction = root * sample - sigma * velocity, root * velocity + sigma * sample
                root_before, sigma_before = coefficients(before)
                with target.applied():
                    wanted = consistency(unet, root_before * denoised + sigma_before * noise_prediction, before, states)
                wanted = torch.where((steps == 0).to(device)[:, None, None, None], denoised, wanted)
            with student.applied():
                made = consistency(unet, sample, now, states)
        loss = ((made - wanted).square() + 1e-4).sqrt().mean() - 1e-2
        training.step(loss)
        training.report(1000, args.batch, loss=loss)
        if samples := training.passes(args.grid_every, args.batch):
            prompts = [p for p in SHOWN for _ in range(2)]
            with target.applied():
                pictures = painter.paint(prompts, [1, 2] * len(SHOWN), steps=2)
            name = f"grid-{samples // 1000:06d}k.png"
            save_grid(folder / name, pictures, columns=12, captions=prompts, scale=128 // pictures.shape[-1])


if __name__ == "__main__":
    main()
