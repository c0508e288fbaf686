"""diffusers' schedulers without a network: what `scale_model_input` and `step` cost, one evaluation after another.

The noise of stochastic samplers lies ready: `randn_tensor` is replaced where a scheduler's module has imported it.

diffusers_steps.py SIZE THREADS: for each line that comes, the JSON of a scheduler_config.json, or `noise`, runs it and
says how long an evaluation took.
"""
import json
import sys
import time

import diffusers
import torch

size, threads = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
steps = 20
repeats = 12
generator = torch.Generator().manual_seed(0)
shape = (1, 4, size, size)
outputs = [torch.randn(shape, generator=generator) for _ in range(8)]
noises = [torch.randn(shape, generator=generator) for _ in range(8)]
first = torch.randn(shape, generator=generator)
draws = 0


def ready_noise(*_, **__):
    global draws
    draws += 1
    return noises[draws % 8]


def create(config):
    scheduler = getattr(diffusers, config["_class_name"]).from_config(config)
    module = sys.modules[type(scheduler).__module__]
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = ready_noise
    return scheduler


def sample(scheduler):
    """Seconds and evaluations of one sampling; choosing the timesteps is not part of it."""
    scheduler.set_timesteps(steps)
    latents = first
    start = time.perf_counter()
    for i, timestep in enumerate(scheduler.timesteps):
        if hasattr(scheduler, "scale_model_input"):
            scheduler.scale_model_input(latents, timestep)
        latents = scheduler.step(outputs[i % 8], timestep, latents).prev_sample
    return time.perf_counter() - start, len(scheduler.timesteps)


def draw_noise():
    start = time.perf_counter()
    torch.randn(shape, generator=generator)
    return time.perf_counter() - start, 1


ready = {}
with torch.no_grad():
    print(json.dumps({"torch": torch.__version__, "diffusers": diffusers.__version__}), flush=True)
    for line in sys.stdin:
        line = line.strip()
        if line != "noise" and line not in ready:
            ready[line] = create(json.loads(line))
        runs = [draw_noise() if line == "noise" else sample(ready[line]) for _ in range(repeats)]
        print(json.dumps({"seconds": sum(run[0] for run in runs) / sum(run[1] for run in runs)}), flush=True)
