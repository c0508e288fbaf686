"""
A LoRA (Hu et al., 2021) on the U-Net's layers that LCM-LoRA (Luo et al., 2023) adapts, named as diffusers names it: the
trained file is one that every program with LoRAs reads.
"""
from contextlib import contextmanager

import torch
from torch import nn

RANK = 32
_ADAPTED = (
    "to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2",
    "conv1", "conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv",
)  # fmt: skip


class LowRank(nn.Module):
    """`down` and `up` for every adapted layer of a U-Net; `up` begins at zero, which changes nothing"""

    def __init__(self, unet, rank=RANK):
        super().__init__()
        self.layers = {name: layer for name, layer in unet.named_modules() if name.endswith(_ADAPTED)}
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for layer in self.layers.values():
            if isinstance(layer, nn.Conv2d):
                down = nn.Conv2d(layer.in_channels, rank, layer.kernel_size, layer.stride, layer.padding, bias=False)
                up = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
            else:
                down, up = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features, bias=False)
            nn.init.zeros_(up.weight)
            self.down.append(down)
            self.up.append(up)

    @contextmanager
    def applied(self):
        """the U-Net with it, for as long as the context lasts"""
        hooks = [
            layer.register_forward_hook(lambda _, inputs, made, down=down, up=up: made + up(down(inputs[0])))
            for layer, down, up in zip(self.layers.values(), self.down, self.up)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def merge(self):
        """into the weights of the U-Net"""
        for layer, down, up in zip(self.layers.values(), self.down, self.up):
            layer.weight += (up.weight.flatten(1) @ down.weight.flatten(1)).view_as(layer.weight)

    def tensors(self):
        """as a LoRA file of diffusers has them"""
        tensors = {}
        for name, down, up in zip(self.layers, self.down, self.up):
            tensors[f"unet.{name}.lora_A.weight"] = down.weight
            tensors[f"unet.{name}.lora_B.weight"] = up.weight
        return tensors
