"""
Muon (Jordan et al., 2024) for matrices and convolutions, AdamW for all else, as one optimizer.

A matrix moves by its momentum with all singular values brought to about one (Newton and Schulz's iteration, five times), at
0.2 √max(rows, columns) of the rate, so that the step is as large as AdamW's (Liu et al., 2025). Where several processes
train together, each does its share of the matrices.
"""
import math

import torch
import torch.distributed as distributed

from checkpoint import process, processes


class Muon(torch.optim.Optimizer):
    """`modules` have their matrices moved by Muon; what is in `others` is AdamW's altogether"""

    def __init__(self, modules, lr, others=(), momentum=0.95, betas=(0.9, 0.98), weight_decay=0.01):
        matrices, others = [], [p for module in others for p in module.parameters()]
        for module in modules:
            embeddings = {p for m in module.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
            for p in module.parameters():
                # What begins or ends a network, a few channels wide, has no directions to even out.
                narrow = p.dim() < 2 or min(p.shape[0], p[0].numel()) < 32
                (others if narrow or p in embeddings else matrices).append(p)
        groups = [dict(params=matrices, matrices=True), dict(params=others, matrices=False)]
        super().__init__(groups, dict(lr=lr, momentum=momentum, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (self._matrices if group["matrices"] else self._others)(group)

    def _matrices(self, group):
        lr, momentum, parameters = group["lr"], group["momentum"], group["params"]
        for p in parameters:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p, memory_format=torch.contiguous_format)
        gradients = [p.grad for p in parameters]
        momenta = [self.state[p]["momentum"] for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)
        # Those of one shape are done at once; the dearest first, in turn, to the process that has least to do.
        shapes, load, made = {}, [0.0] * processes(), [None] * len(parameters)
        for i, p in enumerate(parameters):
            shapes.setdefault((p.shape[0], p[0].numel()), []).append(i)
        for (rows, columns), members in sorted(shapes.items(), key=lambda item: -min(item[0]) ** 2 * max(item[0])):
            mine = []
            for i in members:
                owner = load.index(min(load))
                load[owner] += min(rows, columns) ** 2 * max(rows, columns)
                if owner == process():
                    mine.append(i)
            if mine:
                looked = [torch.lerp(gradients[i], momenta[i], momentum).reshape(rows, columns) for i in mine]
                for i, update in zip(mine, orthogonalise(torch.stack(looked))):
                    made[i] = update * (0.2 * math.sqrt(max(rows, columns)))
        if processes() > 1:
            flat = torch.cat([torch.zeros(p.numel(), device=p.device) if u is None else u.flatten() for u, p in zip(made, parameters)])
            distributed.all_reduce(flat)
            made = flat.split([p.numel() for p in parameters])
        torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
        torch._foreach_add_(parameters, [u.reshape(p.shape) for u, p in zip(made, parameters)], alpha=-lr)

    def _others(self, group):
        lr, (beta1, beta2) = group["lr"], group["betas"]
        for p in group["params"]:
            state = self.state[p]
            if not state:
                state["step"], state["mean"], state["square"] = 0, torch.zeros_like(p), torch.zeros_like(p)
            state["step"] += 1
            state["mean"].lerp_(p.grad, 1 - beta1)
            state["square"].lerp_(p.grad.square(), 1 - beta2)
            mean = state["mean"] / (1 - beta1 ** state["step"])
            root = (state["square"] / (1 - beta2 ** state["step"])).sqrt()
            p.mul_(1 - lr * group["weight_decay"]).addcdiv_(mean, root + 1e-8, value=-lr)


def orthogonalise(x):
    """`[n, rows, columns]`: singular values near one, the directions kept"""
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    # The iteration's polynomials in x xᵀ are gathered in one square matrix: long matrices are multiplied twice, not ten times.
    square = x @ x.mT
    identity = torch.eye(x.shape[1], device=x.device)
    gathered = identity
    for _ in range(5):
        polynomial = 3.4445 * identity - 4.7750 * square + 2.0315 * (square @ square)
        gathered, square = polynomial @ gathered, polynomial @ square @ polynomial
    x = gathered @ x
    return x.mT if tall else x
