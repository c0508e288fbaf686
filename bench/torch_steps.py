"""The tensor operations of diffusers' samplers outside the network, in torch, one evaluation after another.

Each sampler does what the class's `scale_model_input` and `step` do to tensors: the same operations in the same order,
scalars as zero-dimensional tensors where diffusers has them so. Lookups, checks and output objects, which cost diffusers
more, are left out.

torch_steps.py HEIGHT THREADS: for each line that comes, the name of a sampler, runs it and says how long an evaluation took.
"""
import json
import sys
import time

import torch

size, threads = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
steps = 20
generator = torch.Generator().manual_seed(0)
shape = (1, 4, size, size)
outputs = [torch.randn(shape, generator=generator) for _ in range(8)]
noises = [torch.randn(shape, generator=generator) for _ in range(8)]
betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
alphas_cumprod = torch.cumprod(1 - betas, 0)
timesteps = torch.linspace(999, 0, steps).round().long()
sigmas = torch.cat([((1 - alphas_cumprod) / alphas_cumprod)[timesteps] ** 0.5, torch.zeros(1)])


def randn():
    return torch.randn(shape, generator=generator)


def scaled(sample, sigma):
    return sample / ((sigma**2 + 1) ** 0.5)


def euler(sample):
    for i in range(steps):
        sigma = sigmas[i]
        scaled(sample, sigma)
        out = outputs[i % 8]
        denoised = sample - sigma * out
        derivative = (sample - denoised) / sigma
        sample = sample + derivative * (sigmas[i + 1] - sigma)
    return steps


def euler_ancestral(sample):
    for i in range(steps):
        sigma, to = sigmas[i], sigmas[i + 1]
        scaled(sample, sigma)
        denoised = sample - sigma * outputs[i % 8]
        up = (to**2 * (sigma**2 - to**2) / sigma**2) ** 0.5
        down = (to**2 - up**2) ** 0.5
        derivative = (sample - denoised) / sigma
        sample = sample + derivative * (down - sigma)
        sample = sample + noises[i % 8] * up
    return steps


def heun(sample):
    for i in range(steps):
        sigma, to = sigmas[i], sigmas[i + 1]
        scaled(sample, sigma)
        denoised = sample - sigma * outputs[i % 8]
        first = (sample - denoised) / sigma
        dt = to - sigma
        start, sample = sample, sample + first * dt
        if i == steps - 1:
            break
        scaled(sample, to)
        denoised = sample - to * outputs[(i + 4) % 8]
        second = (sample - denoised) / to
        sample = start + (first + second) / 2 * dt
    return 2 * steps - 1


def lms(sample):
    history = []
    for i in range(steps):
        sigma = sigmas[i]
        scaled(sample, sigma)
        denoised = sample - sigma * outputs[i % 8]
        history.append((sample - denoised) / sigma)
        history = history[-4:]
        weights = [0.4, -0.3, 0.2, -0.1]
        sample = sample + sum(weight * d for weight, d in zip(weights, reversed(history)))
    return steps


def ddim(sample):
    for i in range(steps):
        out = outputs[i % 8]
        alpha = alphas_cumprod[timesteps[i]]
        prev = alphas_cumprod[timesteps[i + 1]] if i + 1 < steps else torch.tensor(1.0)
        beta = 1 - alpha
        denoised = (sample - beta**0.5 * out) / alpha**0.5
        variance = (1 - prev) / beta * (1 - alpha / prev)
        deviation = 0.0 * variance**0.5
        sample = prev**0.5 * denoised + (1 - prev - deviation**2) ** 0.5 * out
    return steps


def ddpm(sample):
    for i in range(steps):
        out = outputs[i % 8]
        alpha = alphas_cumprod[timesteps[i]]
        prev = alphas_cumprod[timesteps[i + 1]] if i + 1 < steps else torch.tensor(1.0)
        current = alpha / prev
        beta, beta_prev = 1 - alpha, 1 - prev
        denoised = (sample - beta**0.5 * out) / alpha**0.5
        mean = prev**0.5 * (1 - current) / beta * denoised + current**0.5 * beta_prev / beta * sample
        if i + 1 < steps:
            noise = noises[i % 8]
            variance = torch.clamp((1 - prev) / (1 - alpha) * (1 - current), min=1e-20) ** 0.5
            mean = mean + variance * noise
        sample = mean
    return steps


def level(sigma):
    alpha = 1 / ((sigma**2 + 1) ** 0.5)
    return alpha, sigma * alpha


def dpm_multistep(sample, stochastic):
    last = None
    for i in range(steps):
        alpha, sigma = level(sigmas[i])
        denoised = (sample - sigma * outputs[i % 8]) / alpha
        alpha_to, sigma_to = level(sigmas[i + 1])
        lambda_to, lambda_from = torch.log(alpha_to) - torch.log(sigma_to), torch.log(alpha) - torch.log(sigma)
        h = lambda_to - lambda_from
        noise = noises[i % 8] if stochastic else None
        if stochastic:
            new = (sigma_to / sigma * torch.exp(-h)) * sample + (alpha_to * (1 - torch.exp(-2.0 * h))) * denoised
        else:
            new = (sigma_to / sigma) * sample - (alpha_to * (torch.exp(-h) - 1.0)) * denoised
        if last is not None and i + 1 < steps:
            lambda_last = torch.log(last[1]) - torch.log(last[2])
            d1 = (1.0 / ((lambda_from - lambda_last) / h)) * (denoised - last[0])
            if stochastic:
                new = new + 0.5 * (alpha_to * (1 - torch.exp(-2.0 * h))) * d1
            else:
                new = new - 0.5 * (alpha_to * (torch.exp(-h) - 1.0)) * d1
        if stochastic:
            new = new + sigma_to * torch.sqrt(1.0 - torch.exp(-2 * h)) * noise
        last = (denoised, alpha, sigma)
        sample = new
    return steps


def pndm(sample):
    history = []
    for i in range(steps):
        history = [*history[-3:], outputs[i % 8]]
        if len(history) == 1:
            out = history[-1]
        elif len(history) == 2:
            out = (3 * history[-1] - history[-2]) / 2
        elif len(history) == 3:
            out = (23 * history[-1] - 16 * history[-2] + 5 * history[-3]) / 12
        else:
            out = (1 / 24) * (55 * history[-1] - 59 * history[-2] + 37 * history[-3] - 9 * history[-4])
        alpha = alphas_cumprod[timesteps[i]]
        prev = alphas_cumprod[timesteps[i + 1]] if i + 1 < steps else torch.tensor(1.0)
        coefficient = (prev / alpha) ** 0.5
        denominator = alpha * (1 - prev) ** 0.5 + (alpha * (1 - alpha) * prev) ** 0.5
        sample = coefficient * sample - (prev - alpha) * out / denominator
    return steps


def noise(sample):
    randn()
    return 1


samplers = {
    "EulerDiscreteScheduler": euler,
    "EulerAncestralDiscreteScheduler": euler_ancestral,
    "HeunDiscreteScheduler": heun,
    "LMSDiscreteScheduler": lms,
    "DDIMScheduler": ddim,
    "DDPMScheduler": ddpm,
    "DPMSolverMultistepScheduler": lambda sample: dpm_multistep(sample, False),
    "DPMSolverMultistepScheduler, sde": lambda sample: dpm_multistep(sample, True),
    "PNDMScheduler": pndm,
    "noise": noise,
}

first = randn()
with torch.no_grad():
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        run = samplers[line.strip()]
        start = time.perf_counter()
        evaluations = sum(run(first) for _ in range(10))
        print(json.dumps({"seconds": (time.perf_counter() - start) / evaluations}), flush=True)
