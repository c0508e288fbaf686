"""Training that may be killed at any moment: everything it needs to go on is saved every few minutes."""
import argparse
import math
import os
import signal
import time
from pathlib import Path

import torch
import torch.distributed as distributed


def arguments(description, **defaults):
    """The arguments that all training scripts share, and `defaults` as further ones."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work-dir", type=Path, required=True, help="where data and checkpoints lie; outside the repository")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of each process; the machine's cores shared out unless given")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop (and go on in the next call) after so long")
    parser.add_argument("--save-every", type=float, default=180, help="seconds between checkpoints")
    for name, value in defaults.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=type(value), default=value)
    args = parser.parse_args()
    if "WORLD_SIZE" in os.environ:  # started by torchrun
        distributed.init_process_group("gloo")
    torch.set_num_threads(args.threads or max(1, os.cpu_count() // processes()))
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    return args


def processes():
    """how many processes train together, as `torchrun --nproc-per-node` says; `--batch` is that of each"""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def process():
    """which of them this is"""
    return distributed.get_rank() if distributed.is_initialized() else 0


def autocast(device):
    """bfloat16 where the device computes with it; CPUs without it are faster in float32"""
    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")


class Training:
    """
    Counts samples, saves and loads `modules`, `optimizer` and the moving averages of the modules, and says when to stop.

    `for batch in training.batches(size)` ends when `total` samples are done, the minutes are over, or SIGTERM came.
    The learning rate is constant after a warm-up and falls along a cosine over the last `decay` share of `total`; a later
    call with a larger `total` goes on at the constant rate, from the checkpoint kept at the beginning of the fall.
    """

    def __init__(self, path, modules, optimizer, args, total, decay=0.25, warmup=2000, ema=0.0):
        self.path, self.modules, self.optimizer = Path(path), modules, optimizer
        self.args, self.total, self.decay, self.warmup, self.ema_rate = args, total, decay, warmup, ema
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.samples, self.log, self.falling = 0, [], False
        if processes() > 1:
            for module in modules.values():
                for value in module.state_dict().values():
                    distributed.broadcast(value, 0)
        for candidate in (self.path, self.trunk):
            if candidate.exists():
                state = torch.load(candidate, map_location=args.device, weights_only=True)
                if candidate == self.path and state["falling"] and total > state["total"] and self.trunk.exists():
                    continue
                self._restore(state)
                break
        else:
            if ema:
                self.averages = _copy_all({name: m.state_dict() for name, m in modules.items()})
        self.started, self.saved, self.first = time.time(), time.time(), self.samples
        self.stop = False
        signal.signal(signal.SIGTERM, self._terminate)

    @property
    def trunk(self):
        return self.path.with_suffix(".trunk.pt")

    def _terminate(self, *_):
        self.stop = True

    def _restore(self, state):
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        if "optimizer" in state:  # a published model brings none
            self.optimizer.load_state_dict(state["optimizer"])
        self.samples, self.falling = state["samples"], state["falling"] and state["total"] == self.total
        if self.ema_rate:
            self.averages = state.get("averages") or _copy_all(state["modules"])

    def save(self, path=None):
        self.saved = time.time()
        if process() > 0:
            return
        path = path or self.path
        state = {
            "modules": {name: m.state_dict() for name, m in self.modules.items()},
            "optimizer": self.optimizer.state_dict(),
            "samples": self.samples,
            "total": self.total,
            "falling": self.falling,
        }
        if self.ema_rate:
            state["averages"] = self.averages
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def rate(self):
        """the factor of the learning rate, 0 to 1"""
        begin = self.total * (1 - self.decay)
        fall = max(0.0, (self.samples - begin) / (self.total - begin)) if self.decay else 0.0
        return min(1.0, (self.samples + 1) / self.warmup) * (0.5 + 0.5 * math.cos(math.pi * fall))

    def batches(self, size):
        """yields a generator seeded by the place in the training, so that a resumed run draws what it would have drawn"""
        while self.samples < self.total:
            if self._agree(self.stop or time.time() - self.started > self.args.minutes * 60):
                break
            if self.decay and not self.falling and self.samples >= self.total * (1 - self.decay):
                self.save(self.trunk)
                self.falling = True
            factor = self.rate()
            for group, base in zip(self.optimizer.param_groups, self.rates):
                group["lr"] = base * factor
            yield torch.Generator().manual_seed(self.samples + size * process())
            self.samples += size * processes()
            if time.time() - self.saved > self.args.save_every:
                self.save()
        self.save()

    def _agree(self, stop):
        """whether any of the processes is to stop"""
        if processes() == 1:
            return stop
        flag = torch.tensor(float(stop), device=self.args.device)
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return flag.item() > 0

    def step(self, loss, clip=1.0):
        """one optimizer step; a loss that is not finite is skipped and counted"""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if processes() > 1:
            gradients = [p.grad for p in parameters if p.grad is not None]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            distributed.all_reduce(flat)
            sizes = [gradient.numel() for gradient in gradients]
            mean = [part.view_as(gradient) for part, gradient in zip((flat / processes()).split(sizes), gradients)]
            torch._foreach_copy_(gradients, mean)
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip)
        if not torch.isfinite(norm):
            print(f"{self.samples}: gradient {norm}, step left out", flush=True)
            return
        self.optimizer.step()
        if self.ema_rate:
            steps = self.samples / 16 + 1
            rate = min(self.ema_rate, (1 + steps) / (10 + steps))
            with torch.no_grad():
                for name, module in self.modules.items():
                    state, average = module.state_dict(), self.averages[name]
                    torch._foreach_lerp_([average[key] for key in state], list(state.values()), 1 - rate)

    def passes(self, every, size):
        """how many samples there are after this batch, if it passes a multiple of `every`; in the first process alone"""
        after = self.samples + size * processes()
        return after if process() == 0 and after // every > self.samples // every else 0

    def report(self, every, size, **values):
        """prints the means of `values` every so many samples, those of the first process"""
        if process() > 0:
            return  # nobody would empty its log
        self.log.append({k: torch.as_tensor(v).detach() for k, v in values.items()})
        if after := self.passes(every, size):
            means = {k: torch.stack([entry[k] for entry in self.log]).mean().item() for k in values}
            speed = (after - self.first) / (time.time() - self.started)
            text = " ".join(f"{k} {v:.4f}" for k, v in means.items())
            print(f"{after} of {self.total}: {text} ({speed:.1f} samples/s)", flush=True)
            self.log = []


def _copy(state):
    return {key: value.detach().clone() for key, value in state.items()}


def _copy_all(modules):
    return {name: _copy(state) for name, state in modules.items()}


def load_weights(path, module, name, averaged=True):
    """loads one module's weights (its moving average where there is one) from a checkpoint"""
    state = torch.load(path, map_location="cpu", weights_only=True)
    source = state.get("averages") if averaged else None
    module.load_state_dict((source or state["modules"])[name])
    return module
