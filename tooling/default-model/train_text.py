"""
Pre-trains the text encoder alone: its states regress the picture's latents. A U-Net that starts with an untrained text
encoder takes very long to listen to it; this costs a fraction of that.

The states at the tokens behind the prompt see the whole prompt, and are trained as a plan of the picture for the U-Net to
look at. That takes two steps. What things look like is learned fast where one linear map leads from few states to all
latents at once: `--part memory`, three layers. The layers behind them spread that over 64 states, one for each place of
the latents and all in one language: `--part plan`, in which the memory stays as it is.
"""
import torch
from torch import nn

from checkpoint import Training, arguments, autocast, load_weights
from latents import load_latents
from muon import Muon
from networks import CLIPTextModel
from tokenizer import LENGTH, MEMORY, PLACES, PLAN, PROMPT, Tokenizer

TEXT = {"width": 192, "layers": 5, "heads": 3, "tokens": LENGTH}
MEMORY_LAYERS = 3


def text_encoder(tokenizer):
    text = CLIPTextModel(len(tokenizer.ids), **TEXT)
    positions = text.text_model["embeddings"]["position_embedding"].weight
    nn.init.normal_(positions[PROMPT:PLAN], std=0.15)
    # The plan's stay as they are, and have to be told apart after the memory's layers, where states are 300 long.
    nn.init.normal_(positions[PLAN:], std=6)
    return text


class Regression(nn.Module):
    """latents `[batch, 16, 8, 8]` from the text encoder's states"""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.memory_out = nn.Linear(MEMORY * width, 1024)
        self.plan_out = nn.Linear(width, 1024 // PLACES)

    def memory(self, hidden):
        """from the states after `MEMORY_LAYERS` layers"""
        behind = self.norm(hidden[:, PROMPT:PLAN])
        return self.memory_out(behind.flatten(1)).unflatten(1, (16, 8, 8))

    def plan(self, states):
        """from the last states; each knows one place"""
        return self.plan_out(states[:, PLAN:]).transpose(1, 2).unflatten(2, (8, 8))


def main():
    args = arguments(__doc__, part="memory", total=900_000, batch=64, lr=3e-3)
    if args.part not in ("memory", "plan"):
        raise SystemExit(f'train_text: no part "{args.part}"; there are memory and plan')
    if args.part == "plan" and not (args.work_dir / "text" / "memory.pt").exists():
        raise SystemExit("train_text: no text/memory.pt yet; train --part memory first")
    torch.manual_seed(0)
    tokenizer = Tokenizer(args.work_dir / "tokenizer")
    latents, ids = load_latents(args.work_dir, tokenizer)
    text, regression = text_encoder(tokenizer).to(args.device), Regression(TEXT["width"]).to(args.device)
    modules, folder = {"text": text, "regression": regression}, args.work_dir / "text"
    layers = text.text_model["encoder"]["layers"]
    if args.part == "memory":
        trained = [text.text_model["embeddings"], *layers[:MEMORY_LAYERS]]
        readouts = [regression.norm, regression.memory_out]
        ids = ids[:, :PLAN]
    else:
        for name, module in modules.items():
            load_weights(folder / "memory.pt", module, name)
        trained = [*layers[MEMORY_LAYERS:], text.text_model["final_layer_norm"]]
        readouts = [regression.plan_out]
    for module in modules.values():
        module.requires_grad_(False)
    for module in trained + readouts:
        module.requires_grad_(True)
    optimizer = Muon(trained, args.lr, others=readouts)
    training = Training(folder / f"{args.part}.pt", modules, optimizer, args, args.total, decay=0.25, warmup=100 * args.batch)
    for generator in training.batches(args.batch):
        chosen = torch.randint(len(latents), (args.batch,), generator=generator)
        tokens, wanted = ids[chosen].to(args.device), latents[chosen].float().to(args.device)
        with autocast(args.device):
            if args.part == "memory":
                made = regression.memory(text.hidden_states(tokens, MEMORY_LAYERS)[-1])
            else:
                made = regression.plan(text(tokens))
        error = (made.float() - wanted).square().mean()
        training.step(error)
        training.report(5_000, args.batch, error=error)


if __name__ == "__main__":
    main()
