"""The noise schedule and the samplers, with the numbers of diffusers' DDIMScheduler and LCMScheduler."""
import math

import torch

TRAIN_STEPS = 1000
# What the model paints best with, and what is distilled into its few steps.
GUIDANCE = 3.0


def _alphas_cumprod():
    """squared cosine (Nichol and Dhariwal, 2021): at the last step nothing of the picture is left"""

    def alpha_bar(t):
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - alpha_bar((i + 1) / TRAIN_STEPS) / alpha_bar(i / TRAIN_STEPS), 0.999) for i in range(TRAIN_STEPS)]
    return torch.cumprod(1 - torch.tensor(betas, dtype=torch.float32), 0)


ALPHAS_CUMPROD = _alphas_cumprod()


def coefficients(timesteps):
    """sqrt(ᾱ) and sqrt(1 - ᾱ), `[batch, 1, 1, 1]`"""
    alpha = ALPHAS_CUMPROD.to(timesteps.device)[timesteps][:, None, None, None]
    return alpha.sqrt(), (1 - alpha).sqrt()


def initial_noise(seeds, shape=(16, 8, 8)):
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def guided(unet, sample, timestep, states, empty, guidance):
    """the velocity, with classifier-free guidance where `guidance` is not 1"""
    batch = torch.full((len(sample),), timestep, device=sample.device)
    if guidance == 1:
        return unet(sample, batch, states)
    both = unet(torch.cat([sample, sample]), batch.repeat(2), torch.cat([empty.expand_as(states), states]))
    unconditional, conditional = both.chunk(2)
    return unconditional + guidance * (conditional - unconditional)


def ddim(unet, noise, states, empty, steps=20, guidance=GUIDANCE):
    """DDIM (Song et al., 2021), trailing spacing, velocity prediction"""
    sample = noise
    for i in range(steps):
        timestep = round(TRAIN_STEPS - i * TRAIN_STEPS / steps) - 1
        before = timestep - TRAIN_STEPS // steps
        velocity = guided(unet, sample, timestep, states, empty, guidance)
        alpha = ALPHAS_CUMPROD[timestep]
        alpha_before = ALPHAS_CUMPROD[before] if before >= 0 else torch.tensor(1.0)
        denoised = alpha.sqrt() * sample - (1 - alpha).sqrt() * velocity
        noise_prediction = alpha.sqrt() * velocity + (1 - alpha).sqrt() * sample
        sample = alpha_before.sqrt() * denoised + (1 - alpha_before).sqrt() * noise_prediction
    return sample


ORIGINAL_STEPS = 50  # that the steps are chosen from: what LCMScheduler takes unless told
SIGMA_DATA, TIMESTEP_SCALING = 0.5, 10.0


def boundary(timesteps):
    """c_skip and c_out of a consistency model (Song et al., 2023), as the LCMScheduler has them"""
    scaled = timesteps.float() * TIMESTEP_SCALING
    square = scaled**2 + SIGMA_DATA**2
    return (SIGMA_DATA**2 / square)[:, None, None, None], (scaled / square.sqrt())[:, None, None, None]


def lcm(unet, noise, states, steps=2, seed=0):
    """Multistep consistency sampling (Luo et al., 2023); the guidance is in the weights."""
    stride = TRAIN_STEPS // ORIGINAL_STEPS
    origin = [(i + 1) * stride - 1 for i in range(ORIGINAL_STEPS)][::-1]
    timesteps = [origin[math.floor(i * ORIGINAL_STEPS / steps)] for i in range(steps)]
    generator = torch.Generator().manual_seed(seed + 1_000_003)
    sample = noise
    for i, timestep in enumerate(timesteps):
        batch = torch.full((len(sample),), timestep, device=sample.device)
        root, sigma = coefficients(batch)
        skip, out = boundary(batch)
        denoised = out * (root * sample - sigma * unet(sample, batch, states)) + skip * sample
        if i + 1 == steps:
            return denoised
        root, sigma = coefficients(torch.full_like(batch, timesteps[i + 1]))
        fresh = torch.randn(sample.shape, generator=generator).to(sample.device)
        sample = root * denoised + sigma * fresh
