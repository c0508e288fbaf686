"""
Writes the trained model as diffusers lays it out, weights in float16: `EXPORT/model_index.json`, `unet/`, `vae/`,
`text_encoder/`, `tokenizer/`, `scheduler/`. With `--few 1` it is the U-Net of few steps and the LCMScheduler.
"""
import json
import shutil

import torch
from safetensors.torch import save_file

from checkpoint import arguments
from diffusion import ORIGINAL_STEPS
from painter import Painter

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
LCM = {key: value for key, value in DDIM.items() if key != "variance_type"} | {
    "_class_name": "LCMScheduler",
    "original_inference_steps": ORIGINAL_STEPS,
    "steps_offset": 0,
    "timestep_scaling": 10.0,
    "timestep_spacing": "leading",
}


def main():
    args = arguments(__doc__, checkpoint="unet/checkpoint.pt", out="export", few=0)
    if args.few and args.checkpoint == "unet/checkpoint.pt":
        args.checkpoint = "few-step/checkpoint.pt"
    painter = Painter(args.work_dir, args.work_dir / args.checkpoint)
    folder = args.work_dir / args.out
    parts = {
        "unet": (painter.unet, "diffusion_pytorch_model.safetensors"),
        "vae": (painter.vae, "diffusion_pytorch_model.safetensors"),
        "text_encoder": (painter.text, "model.safetensors"),
    }
    for name, (module, weights) in parts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        tensors = {key: value.to(torch.float16).contiguous() for key, value in module.state_dict().items()}
        for key, value in tensors.items():
            if not torch.isfinite(value).all():
                raise SystemExit(f"export: {name} {key} is not finite in float16")
        save_file(tensors, folder / name / weights, metadata={"format": "pt"})
        write_json(folder / name / "config.json", module.config)
        size = (folder / name / weights).stat().st_size
        print(f"{name}: {size / 1e6:.1f} MB")
        if size > 30e6:
            raise SystemExit("export: more than 30 MB")
    scheduler = LCM if args.few else DDIM
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
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
        "scheduler": ["diffusers", scheduler["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    write_json(folder / "model_index.json", index)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
