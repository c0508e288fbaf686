"""
Writes the trained model as diffusers lays it out, weights in float16: `EXPORT/model_index.json`, `unet/`, `vae/`,
`text_encoder/`, `tokenizer/`, `scheduler/`; beside them the LoRA of few steps, `few-step.safetensors`.
"""
import json
import shutil

import torch
from safetensors.torch import save_file

from checkpoint import arguments, load_weights
from low_rank import LowRank
from painter import FEW_STEP, Painter

DIFFUSERS = "0.40.0.dev0"
DDIM = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": DIFFUSERS,
    "beta_end": 0.02,
    "beta_schedule": "squaredcos_cap_v2",
    "beta_start": 0.0001,
    "clip_sample": False,
    "clip_sample_range": 1.0,
    "dynamic_thresholding_ratio": 0.995,
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": False,
    "sample_max_value": 1.0,
    "set_alpha_to_one": True,
    "steps_offset": 1,
    "thresholding": False,
    "timestep_spacing": "trailing",
    "trained_betas": None,
    "variance_type": "fixed_small",
}


def main():
    args = arguments(__doc__, checkpoint="unet/checkpoint.pt", out="export")
    painter = Painter(args.work_dir, args.work_dir / args.checkpoint)
    folder = args.work_dir / args.out
    parts = {
        "unet": (painter.unet, "diffusion_pytorch_model.safetensors"),
        "vae": (painter.vae, "diffusion_pytorch_model.safetensors"),
        "text_encoder": (painter.text, "model.safetensors"),
    }
    for name, (module, weights) in parts.items():
        write_weights(folder / name / weights, module.state_dict())
        write_json(folder / name / "config.json", module.config)
    few_step = load_weights(args.work_dir / FEW_STEP, LowRank(painter.unet), "lora")
    write_weights(folder / "few-step.safetensors", few_step.tensors())
    write_json(folder / "scheduler" / "scheduler_config.json", DDIM)
    (folder / "tokenizer").mkdir(exist_ok=True)
    for file in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(args.work_dir / "tokenizer" / file, folder / "tokenizer" / file)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": DIFFUSERS,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", DDIM["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    write_json(folder / "model_index.json", index)


def write_weights(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().to(torch.float16).contiguous() for key, value in tensors.items()}
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            raise SystemExit(f"export: {key} of {path.name} is not finite in float16")
    save_file(tensors, path, metadata={"format": "pt"})
    size = path.stat().st_size
    print(f"{path.parent.name}/{path.name}: {size / 1e6:.1f} MB")
    if size > 30e6:
        raise SystemExit("export: more than 30 MB")


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
