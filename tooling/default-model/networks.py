"""
The three networks, with the parameter names of diffusers (AutoencoderKL, UNet2DConditionModel) and transformers
(CLIPTextModel), so that a state dict is a checkpoint of theirs. Only what the default model uses is here.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


class ResnetBlock(nn.Module):
    def __init__(self, channels_in, channels_out, groups, time_channels=None, eps=1e-5):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels_in, eps)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        if time_channels:
            self.time_emb_proj = nn.Linear(time_channels, channels_out)
        self.norm2 = nn.GroupNorm(groups, channels_out, eps)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        if channels_in != channels_out:
            self.conv_shortcut = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x, time=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if time is not None:
            h = h + self.time_emb_proj(F.silu(time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x)


class Downsample(nn.Module):
    def __init__(self, channels, padding):
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x):
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Stage(nn.Module):
    """A down or up block: `resnets`, perhaps `attentions`, perhaps a `downsamplers` or `upsamplers` list of one."""

    def __init__(self, resnets, attentions=None, downsampler=None, upsampler=None):
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        if attentions:
            self.attentions = nn.ModuleList(attentions)
        if downsampler:
            self.downsamplers = nn.ModuleList([downsampler])
        if upsampler:
            self.upsamplers = nn.ModuleList([upsampler])


# ---- AutoencoderKL ----


class Encoder(nn.Module):
    def __init__(self, channels, latent_channels, layers, groups):
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for i, c in enumerate(channels):
            before = channels[max(i - 1, 0)]
            resnets = [ResnetBlock(c if j else before, c, groups, eps=1e-6) for j in range(layers)]
            self.down_blocks.append(Stage(resnets, downsampler=Downsample(c, 0) if i + 1 < len(channels) else None))
        last = channels[-1]
        self.mid_block = Stage([ResnetBlock(last, last, groups, eps=1e-6) for _ in range(2)])
        self.conv_norm_out = nn.GroupNorm(groups, last, 1e-6)
        self.conv_out = nn.Conv2d(last, 2 * latent_channels, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            for resnet in block.resnets:
                x = resnet(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
        for resnet in self.mid_block.resnets:
            x = resnet(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class Decoder(nn.Module):
    def __init__(self, channels, latent_channels, layers, groups):
        super().__init__()
        channels = channels[::-1]
        first = channels[0]
        self.conv_in = nn.Conv2d(latent_channels, first, 3, padding=1)
        self.mid_block = Stage([ResnetBlock(first, first, groups, eps=1e-6) for _ in range(2)])
        self.up_blocks = nn.ModuleList()
        for i, c in enumerate(channels):
            before = channels[max(i - 1, 0)]
            resnets = [ResnetBlock(c if j else before, c, groups, eps=1e-6) for j in range(layers + 1)]
            self.up_blocks.append(Stage(resnets, upsampler=Upsample(c) if i + 1 < len(channels) else None))
        self.conv_norm_out = nn.GroupNorm(groups, channels[-1], 1e-6)
        self.conv_out = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, z):
        x = self.conv_in(z)
        for resnet in self.mid_block.resnets:
            x = resnet(x)
        for block in self.up_blocks:
            for resnet in block.resnets:
                x = resnet(x)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class AutoencoderKL(nn.Module):
    """Pictures `[batch, 3, h, w]`, -1 to 1, to latents and back; latents are scaled inside `quant_conv`."""

    def __init__(self, channels=(24, 48, 96, 96), latent_channels=16, layers=1, groups=8, sample_size=64):
        super().__init__()
        self.encoder = Encoder(channels, latent_channels, layers, groups)
        self.decoder = Decoder(channels, latent_channels, layers, groups)
        self.quant_conv = nn.Conv2d(2 * latent_channels, 2 * latent_channels, 1)
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, 1)
        self.config = {
            "_class_name": "AutoencoderKL",
            "_diffusers_version": "0.40.0.dev0",
            "act_fn": "silu",
            "block_out_channels": list(channels),
            "down_block_types": ["DownEncoderBlock2D"] * len(channels),
            "force_upcast": True,
            "in_channels": 3,
            "latent_channels": latent_channels,
            "latents_mean": None,
            "latents_std": None,
            "layers_per_block": layers,
            "mid_block_add_attention": False,
            "norm_num_groups": groups,
            "out_channels": 3,
            "sample_size": sample_size,
            "scaling_factor": 1.0,
            "shift_factor": None,
            "up_block_types": ["UpDecoderBlock2D"] * len(channels),
            "use_post_quant_conv": True,
            "use_quant_conv": True,
        }

    def encode(self, x):
        """mean and log variance of the latents"""
        mean, logvar = self.quant_conv(self.encoder(x)).chunk(2, 1)
        return mean, logvar.clamp(-30, 20)

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z))


def published_autoencoder():
    """the small one with a level more outside: pictures of 128×128, the same latents"""
    return AutoencoderKL((16, 24, 48, 96, 96), sample_size=128)


def begin_as(autoencoder, weights, outside):
    """
    Takes over what fits of another autoencoder's weights, one with as many levels or fewer: `outside` of its own ones that
    this one has more at the side of the pictures, the others at the side of the latents.
    """
    wanted, taken = autoencoder.state_dict(), 0
    levels = len(autoencoder.encoder.down_blocks)
    inside = levels - 1 - outside - max(int(key.split(".")[2]) for key in weights if key.startswith("encoder.down_blocks."))
    for key, value in weights.items():
        parts = key.split(".")
        if parts[1] in ("down_blocks", "up_blocks"):
            parts[2] = str(int(parts[2]) + (outside if parts[1] == "down_blocks" else inside))
        elif outside and parts[1] == ("conv_in" if parts[0] == "encoder" else "conv_out"):
            continue
        elif inside and parts[1] in ("conv_in", "conv_out") and (parts[0] == "decoder") == (parts[1] == "conv_in"):
            continue
        key = ".".join(parts)
        if key in wanted and wanted[key].shape == value.shape:
            wanted[key] = value
            taken += 1
    autoencoder.load_state_dict(wanted)
    print(f"{taken} of {len(wanted)} tensors taken over", flush=True)


# ---- UNet2DConditionModel ----


class Attention(nn.Module):
    def __init__(self, width, context_width, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width, width, bias=False)
        self.to_v = nn.Linear(context_width, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, context):
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, -1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.ModuleList([GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class BasicTransformerBlock(nn.Module):
    def __init__(self, width, context_width, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1 = Attention(width, width, heads)
        self.attn2 = Attention(width, context_width, heads)
        self.ff = FeedForward(width)

    def forward(self, x, context):
        normed = self.norm1(x)
        x = x + self.attn1(normed, normed)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer2D(nn.Module):
    def __init__(self, width, context_width, heads, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, 1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([BasicTransformerBlock(width, context_width, heads)])
        self.proj_out = nn.Linear(width, width)

    def forward(self, x, context):
        h = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        h = self.proj_out(self.transformer_blocks[0](h, context))
        return x + h.transpose(1, 2).unflatten(2, x.shape[2:])


class TimeEmbedding(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.channels = channels
        self.linear_1 = nn.Linear(channels, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, timesteps):
        half = self.channels // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=timesteps.device) / half)
        angles = timesteps[:, None].float() * frequencies
        waves = torch.cat([angles.cos(), angles.sin()], -1)
        return self.linear_2(F.silu(self.linear_1(waves)))


class AttentionPooling(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(1, width) / width**0.5)
        self.k_proj, self.q_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x):
        token = x.mean(1, keepdim=True) + self.positional_embedding
        x = torch.cat([token, x], 1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.q_proj(token), self.k_proj(x), self.v_proj(x)))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(1)


class TextTimeEmbedding(nn.Module):
    def __init__(self, text_width, time_width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(text_width)
        self.pool = AttentionPooling(text_width, heads)
        self.proj = nn.Linear(text_width, time_width)
        self.norm2 = nn.LayerNorm(time_width)

    def forward(self, states):
        return self.norm2(self.proj(self.pool(self.norm1(states))))


class UNet2DConditionModel(nn.Module):
    """
    `sample` `[batch, 16, 8, 8]`, `timesteps` `[batch]`, text states `[batch, tokens, context_width]` → the velocity.
    `attention[i]`: whether level i attends to the text.
    """

    def __init__(self, channels=(192, 192), context_width=192, latent_channels=16, layers=1, head_width=64,
                 groups=32, attention=(True, False), sample_size=8):
        super().__init__()
        time_width, levels = 4 * channels[0], len(channels)
        heads = [max(1, c // head_width) for c in channels]

        def transformer(i):
            return Transformer2D(channels[i], context_width, heads[i], groups)

        self.conv_in = nn.Conv2d(latent_channels, channels[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(channels[0], time_width)
        self.add_embedding = TextTimeEmbedding(context_width, time_width, 4)
        self.down_blocks, skips = nn.ModuleList(), [channels[0]]
        for i, c in enumerate(channels):
            resnets = [ResnetBlock(channels[max(i - 1, 0)] if j == 0 else c, c, groups, time_width) for j in range(layers)]
            last = i + 1 == levels
            attentions = [transformer(i) for _ in range(layers)] if attention[i] else None
            self.down_blocks.append(Stage(resnets, attentions, downsampler=None if last else Downsample(c, 1)))
            skips += [c] * (layers if last else layers + 1)
        last = channels[-1]
        self.mid_block = Stage([ResnetBlock(last, last, groups, time_width) for _ in range(2)], [transformer(levels - 1)])
        self.up_blocks, width = nn.ModuleList(), last
        for i in reversed(range(levels)):
            resnets = []
            for _ in range(layers + 1):
                resnets.append(ResnetBlock(width + skips.pop(), channels[i], groups, time_width))
                width = channels[i]
            attentions = [transformer(i) for _ in range(layers + 1)] if attention[i] else None
            self.up_blocks.append(Stage(resnets, attentions, upsampler=Upsample(width) if i else None))
        self.conv_norm_out = nn.GroupNorm(groups, channels[0], 1e-5)
        self.conv_out = nn.Conv2d(channels[0], latent_channels, 3, padding=1)
        self.config = {
            "_class_name": "UNet2DConditionModel",
            "_diffusers_version": "0.40.0.dev0",
            "act_fn": "silu",
            "addition_embed_type": "text",
            "addition_embed_type_num_heads": 4,
            "addition_time_embed_dim": None,
            "attention_head_dim": heads,
            "attention_type": "default",
            "block_out_channels": list(channels),
            "center_input_sample": False,
            "class_embed_type": None,
            "class_embeddings_concat": False,
            "conv_in_kernel": 3,
            "conv_out_kernel": 3,
            "cross_attention_dim": context_width,
            "cross_attention_norm": None,
            "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attention],
            "downsample_padding": 1,
            "dropout": 0.0,
            "dual_cross_attention": False,
            "encoder_hid_dim": None,
            "encoder_hid_dim_type": None,
            "flip_sin_to_cos": True,
            "freq_shift": 0,
            "in_channels": latent_channels,
            "layers_per_block": layers,
            "mid_block_only_cross_attention": None,
            "mid_block_scale_factor": 1,
            "mid_block_type": "UNetMidBlock2DCrossAttn",
            "norm_eps": 1e-05,
            "norm_num_groups": groups,
            "num_attention_heads": None,
            "num_class_embeds": None,
            "only_cross_attention": False,
            "out_channels": latent_channels,
            "projection_class_embeddings_input_dim": None,
            "resnet_out_scale_factor": 1.0,
            "resnet_skip_time_act": False,
            "resnet_time_scale_shift": "default",
            "reverse_transformer_layers_per_block": None,
            "sample_size": sample_size,
            "time_cond_proj_dim": None,
            "time_embedding_act_fn": None,
            "time_embedding_dim": None,
            "time_embedding_type": "positional",
            "timestep_post_act": None,
            "transformer_layers_per_block": 1,
            "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)],
            "upcast_attention": False,
            "use_linear_projection": True,
        }

    def forward(self, sample, timesteps, states):
        time = self.time_embedding(timesteps) + self.add_embedding(states)
        x = self.conv_in(sample)
        skips = [x]
        for block in self.down_blocks:
            for j, resnet in enumerate(block.resnets):
                x = resnet(x, time)
                if hasattr(block, "attentions"):
                    x = block.attentions[j](x, states)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block.resnets[0](x, time)
        x = self.mid_block.attentions[0](x, states)
        x = self.mid_block.resnets[1](x, time)
        for block in self.up_blocks:
            for j, resnet in enumerate(block.resnets):
                x = resnet(torch.cat([x, skips.pop()], 1), time)
                if hasattr(block, "attentions"):
                    x = block.attentions[j](x, states)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


# ---- CLIPTextModel ----


class CLIPAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        q, k, v = (p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class CLIPLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.self_attn = CLIPAttention(width, heads)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        h = self.mlp["fc1"](self.layer_norm2(x))
        return x + self.mlp["fc2"](h * torch.sigmoid(1.702 * h))


class CLIPTextModel(nn.Module):
    """Token ids `[batch, tokens]` → text states `[batch, tokens, width]` after the last layer's norm."""

    def __init__(self, vocabulary_size, width=192, layers=5, heads=3, tokens=92):
        super().__init__()
        embeddings = {"token_embedding": nn.Embedding(vocabulary_size, width), "position_embedding": nn.Embedding(tokens, width)}
        for embedding in embeddings.values():
            nn.init.normal_(embedding.weight, std=0.02)
        self.text_model = nn.ModuleDict(
            {
                "embeddings": nn.ModuleDict(embeddings),
                "encoder": nn.ModuleDict({"layers": nn.ModuleList([CLIPLayer(width, heads) for _ in range(layers)])}),
                "final_layer_norm": nn.LayerNorm(width),
            }
        )
        self.config = {
            "architectures": ["CLIPTextModel"],
            "attention_dropout": 0.0,
            "bos_token_id": vocabulary_size - 2,
            "dtype": "float16",
            "eos_token_id": vocabulary_size - 1,
            "hidden_act": "quick_gelu",
            "hidden_size": width,
            "initializer_factor": 1.0,
            "initializer_range": 0.02,
            "intermediate_size": 4 * width,
            "layer_norm_eps": 1e-05,
            "max_position_embeddings": tokens,
            "model_type": "clip_text_model",
            "num_attention_heads": heads,
            "num_hidden_layers": layers,
            "pad_token_id": vocabulary_size - 1,
            "projection_dim": width,
            "transformers_version": "5.18.0",
            "vocab_size": vocabulary_size,
        }

    def forward(self, ids):
        return self.text_model["final_layer_norm"](self.hidden_states(ids)[-1])

    def hidden_states(self, ids, layers=None):
        """`[batch, tokens, width]` after each of the first `layers` layers, all of them unless given"""
        parts, states = self.text_model, []
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = parts["embeddings"]["token_embedding"](ids) + parts["embeddings"]["position_embedding"](positions)
        for layer in parts["encoder"]["layers"][:layers]:
            x = layer(x)
            states.append(x)
        return states
