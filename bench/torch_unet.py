"""The U-Net of Stable Diffusion 1.5 in torch, with the weights' names in diffusers, to measure against.

    torch_unet.py run MODEL INPUTS OUTPUT THREADS   a line "step" on stdin is one evaluation; its seconds come back
    torch_unet.py export MODEL INPUTS ONNX          writes it as torch.onnx.export does

MODEL is a folder with config.json and the weights; INPUTS a safetensors file with sample, timestep and
encoder_hidden_states; OUTPUT is written with the result of the first evaluation, as raw float32.
"""

import json
import math
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class TimestepEmbedding(nn.Module):
    def __init__(self, features, channels):
        super().__init__()
        self.linear_1 = nn.Linear(features, channels)
        self.linear_2 = nn.Linear(channels, channels)

    def forward(self, features):
        return self.linear_2(F.silu(self.linear_1(features)))


class ResnetBlock(nn.Module):
    def __init__(self, channels_in, channels_out, time_channels, groups, eps):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels_in, eps)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_channels, channels_out)
        self.norm2 = nn.GroupNorm(groups, channels_out, eps)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        if channels_in != channels_out:
            self.conv_shortcut = nn.Conv2d(channels_in, channels_out, 1)
        else:
            self.conv_shortcut = None

    def forward(self, x, time_embedding):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time_emb_proj(F.silu(time_embedding))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + h


class Attention(nn.Module):
    def __init__(self, channels, context_channels, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_channels, channels, bias=False)
        self.to_v = nn.Linear(context_channels, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x, context):
        batch, _, channels = x.shape

        def split(h):
            return h.view(batch, -1, self.heads, channels // self.heads).transpose(1, 2)

        mixed = F.scaled_dot_product_attention(
            split(self.to_q(x)), split(self.to_k(context)), split(self.to_v(context))
        )
        return self.to_out[0](mixed.transpose(1, 2).reshape(batch, -1, channels))


class GEGLU(nn.Module):
    def __init__(self, channels, inner):
        super().__init__()
        self.proj = nn.Linear(channels, 2 * inner)

    def forward(self, x):
        hidden, gate = self.proj(x).chunk(2, dim=-1)
        return hidden * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.net = nn.Sequential(GEGLU(channels, 4 * channels), nn.Identity(), nn.Linear(4 * channels, channels))

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, channels, context_channels, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, context_channels, heads)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, x, context):
        h = self.norm1(x)
        x = self.attn1(h, h) + x
        x = self.attn2(self.norm2(x), context) + x
        return self.ff(self.norm3(x)) + x


class Transformer(nn.Module):
    def __init__(self, channels, context_channels, heads, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, 1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, context_channels, heads)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x, context):
        batch, channels, height, width = x.shape
        h = self.proj_in(self.norm(x)).permute(0, 2, 3, 1).reshape(batch, height * width, channels)
        for block in self.transformer_blocks:
            h = block(h, context)
        h = h.reshape(batch, height, width, channels).permute(0, 3, 1, 2).contiguous()
        return self.proj_out(h) + x


class Resampler(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1)

    def forward(self, x):
        return self.conv(x)


class Block(nn.Module):
    """Residual blocks, each followed by a transformer if there are any, on the way down, up, or between."""

    def __init__(self, channels, resnets, attention, resampler):
        super().__init__()
        channels_out, context_channels, heads, time_channels, groups, eps = channels
        self.resnets = nn.ModuleList(
            ResnetBlock(width, channels_out, time_channels, groups, eps) for width in resnets
        )
        if attention:
            self.attentions = nn.ModuleList(
                Transformer(channels_out, context_channels, heads, groups) for _ in range(attention)
            )
        if resampler:
            name, stride = resampler
            self.add_module(name, nn.ModuleList([Resampler(channels_out, stride)]))


class UNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths = config["block_out_channels"]
        time_channels = 4 * widths[0]
        heads, groups, eps = config["attention_head_dim"], config["norm_num_groups"], config["norm_eps"]

        def shape(width):
            return width, config["cross_attention_dim"], heads, time_channels, groups, eps

        last = len(widths) - 1
        self.features = widths[0]
        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], time_channels)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        skips, channels = [widths[0]], widths[0]
        for i, width in enumerate(widths):
            attention = 2 if config["down_block_types"][i] == "CrossAttnDownBlock2D" else 0
            resampler = ("downsamplers", 2) if i < last else None
            self.down_blocks.append(Block(shape(width), [channels, width], attention, resampler))
            skips += [width] * (3 if resampler else 2)
            channels = width
        self.mid_block = Block(shape(channels), [channels, channels], 1, None)
        for i, width in enumerate(reversed(widths)):
            attention = 3 if config["up_block_types"][i] == "CrossAttnUpBlock2D" else 0
            resampler = ("upsamplers", 1) if i < last else None
            resnets = [before + skips.pop() for before in (channels, width, width)]
            self.up_blocks.append(Block(shape(width), resnets, attention, resampler))
            channels = width
        self.conv_norm_out = nn.GroupNorm(groups, channels, eps)
        self.conv_out = nn.Conv2d(channels, config["out_channels"], 3, padding=1)

    def forward(self, sample, timestep, encoder_hidden_states):
        half = self.features // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
        angles = timestep.expand(sample.shape[0])[:, None] * frequencies[None]
        time_embedding = self.time_embedding(torch.cat([angles.cos(), angles.sin()], dim=-1))
        x = self.conv_in(sample)
        skips = [x]
        for block in self.down_blocks:
            for i, resnet in enumerate(block.resnets):
                x = resnet(x, time_embedding)
                if hasattr(block, "attentions"):
                    x = block.attentions[i](x, encoder_hidden_states)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block.resnets[0](x, time_embedding)
        x = self.mid_block.attentions[0](x, encoder_hidden_states)
        x = self.mid_block.resnets[1](x, time_embedding)
        for block in self.up_blocks:
            for i, resnet in enumerate(block.resnets):
                x = resnet(torch.cat([x, skips.pop()], dim=1), time_embedding)
                if hasattr(block, "attentions"):
                    x = block.attentions[i](x, encoder_hidden_states)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(x)))


def load(folder):
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    with torch.device("meta"):
        unet = UNet(config)
    unet.load_state_dict(load_file(f"{folder}/diffusion_pytorch_model.safetensors"), assign=True)
    return unet.eval()


def say(message):
    print(json.dumps(message), flush=True)


@torch.no_grad()
def run(folder, inputs_file, output_file, threads):
    torch.set_num_threads(int(threads))
    started = time.perf_counter()
    unet = load(folder)
    inputs = load_file(inputs_file)
    say({"loadSeconds": time.perf_counter() - started, "version": torch.__version__})
    for count, _ in enumerate(sys.stdin):
        started = time.perf_counter()
        output = unet(**inputs)
        seconds = time.perf_counter() - started
        if count == 0:
            output.numpy().tofile(output_file)
        say({"seconds": seconds})


@torch.no_grad()
def export(folder, inputs_file, onnx_file):
    inputs = load_file(inputs_file)
    names = ["sample", "timestep", "encoder_hidden_states"]
    torch.onnx.export(
        load(folder),
        tuple(inputs[name] for name in names),
        onnx_file,
        opset_version=17,
        dynamo=False,
        input_names=names,
        output_names=["out_sample"],
        dynamic_axes={
            "sample": {0: "batch_size", 2: "height", 3: "width"},
            "encoder_hidden_states": {0: "batch_size", 1: "sequence_length"},
        },
    )


if __name__ == "__main__":
    {"run": run, "export": export}[sys.argv[1]](*sys.argv[2:])
