"""
Pre-trains the text encoder alone: 64 learned positions attend to its states and regress the picture's latents.

A U-Net that starts with an untrained text encoder takes very long to listen to it; this costs a fraction of that.
"""
import torch
import torch.nn.functional as F
from torch import nn

from checkpoint import Training, arguments, autocast
from latents import load_latents
from networks import CLIPTextModel
from tokenizer import Tokenizer

TEXT = {"width": 192, "layers": 3, "heads": 3}


def text_encoder(tokenizer):
    return CLIPTextModel(len(tokenizer.ids), **TEXT)


class LatentHead(nn.Module):
    """text states → latents in 2×2 patches `[batch, 64, 16]`"""

    def __init__(self, width):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(64, width) * 0.3)
        layer = dict(nhead=4, dim_feedforward=2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.layers = nn.ModuleList([nn.TransformerDecoderLayer(width, **layer) for _ in range(2)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 16)

    def forward(self, states):
        x = self.queries.expand(len(states), -1, -1)
        for layer in self.layers:
            x = layer(x, states)
        return self.out(self.norm(x))


def regression_loss(made, latents):
    return (made.float() - F.pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2)).square().mean()


def main():
    args = arguments(__doc__, total=1_500_000, batch=64, lr=1.5e-3)
    torch.manual_seed(0)
    tokenizer = Tokenizer(args.work_dir / "tokenizer")
    latents, ids = load_latents(args.work_dir, tokenizer)
    text, head = text_encoder(tokenizer).to(args.device), LatentHead(TEXT["width"]).to(args.device)
    parameters = [*text.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, args.lr, betas=(0.9, 0.98), weight_decay=0.01, foreach=True)
    modules = {"text": text, "head": head}
    training = Training(
        args.work_dir / "text" / "checkpoint.pt", modules, optimizer, args, args.total, decay=0.5, warmup=100 * args.batch
    )
    for generator in training.batches(args.batch):
        chosen = torch.randint(len(latents), (args.batch,), generator=generator)
        with autocast(args.device):
            made = head(text(ids[chosen].to(args.device)))
        loss = regression_loss(made, latents[chosen].float().to(args.device))
        training.step(loss)
        training.report(10_000, args.batch, loss=loss)


if __name__ == "__main__":
    main()
