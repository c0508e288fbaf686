"""python -m unittest, in this folder; WORK_DIR names a folder in which `run.ts` has at least rendered and tokenized."""
import argparse
import json
import os
import tempfile
import unittest
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import colour
from checkpoint import Training
from compose import Composer
from diffusion import ALPHAS_CUMPROD, ddim, lcm
from evaluate import components, foreground, halve
from muon import Muon, orthogonalise
from low_rank import LowRank
from networks import AutoencoderKL, BasicTransformerBlock, CLIPTextModel, UNet2DConditionModel, begin_as, published_autoencoder
from tokenizer import LENGTH, PLACES, PLAN, Tokenizer, learn
from train_text import Regression
from train_unet import Reading

HERE = Path(__file__).parent
WORK_DIR = os.environ.get("WORK_DIR")
needs_data = unittest.skipUnless(WORK_DIR, "WORK_DIR is not set")


class Data(unittest.TestCase):
    @needs_data
    def test_a_held_out_combination_never_occurs(self):
        composer = Composer(Path(WORK_DIR) / "data" / "sprites.bin")
        keys = {tuple(key) for key in json.loads((HERE / "held-out.json").read_text())["keys"]}
        self.assertEqual(len(keys), 100)
        for index in range(5000):
            parts = composer.scene(77, index).parts
            noun = parts.get("noun") or parts.get("face")
            nouns, colours = parts.get("nouns", [noun]), parts.get("colours", [parts.get("colour")])
            found = {("colour", c, n) for c, n in zip(colours, nouns)}
            found.add(("count", parts.get("number"), noun))
            found.add(("pair", *sorted(map(str, nouns))))
            found.add(("wears", parts.get("face"), parts.get("accessory")))
            self.assertFalse(found & keys)

    @needs_data
    def test_a_picture_depends_on_seed_and_index_alone(self):
        first, second = (Composer(Path(WORK_DIR) / "data" / "sprites.bin") for _ in range(2))
        second.picture(5, 11)
        a, b = first.picture(5, 12), second.picture(5, 12)
        self.assertEqual(a[1].caption, b[1].caption)
        self.assertTrue(torch.equal(a[0], b[0]))
        self.assertFalse(torch.equal(a[0], first.picture(6, 12)[0]))


    @needs_data
    def test_a_shade_moves_colours_as_far_as_it_says_and_no_shapes(self):
        composer = Composer(Path(WORK_DIR) / "data" / "sprites.bin")
        pixels = composer.sprites.pixels(composer.index["flat", "red apple"])
        same = colour.shade(pixels, 0.0, 1.0, 0.0)
        self.assertLess(abs(same - pixels).max(), 2e-3)
        before = colour.main_colour(pixels)
        after = colour.main_colour(colour.shade(pixels, 0.04, 0.8, 5))
        self.assertAlmostEqual(after[0], before[0] + 0.04, delta=0.01)
        self.assertAlmostEqual(after[1], before[1] * 0.8, delta=0.02)
        self.assertAlmostEqual(after[2], before[2] + 5, delta=5)
        self.assertTrue((colour.shade(pixels, -0.05, 1.1, -9)[3] == pixels[3]).all())

    @needs_data
    def test_plain_pictures_of_one_thing_differ_in_shade_and_recoloured_ones_do_not(self):
        composer = Composer(Path(WORK_DIR) / "data" / "sprites.bin")
        shades = {composer.scene(5, index, "plain").placements[0].shade for index in range(8)}
        self.assertEqual(len(shades), 8)
        self.assertIsNone(composer.scene(5, 1, "colour").placements[0].shade)


class Words(unittest.TestCase):
    def test_merges_are_learned_most_frequent_first(self):
        self.assertEqual(learn({"ab": 5, "abc": 3}, 514 + 2), [("a", "b</w>"), ("b", "c</w>")])

    @needs_data
    def test_ids_begin_and_end_as_clip_has_them_and_are_padded_with_the_end(self):
        tokenizer = Tokenizer(Path(WORK_DIR) / "tokenizer")
        row = tokenizer(["A purple CAT"])[0].tolist()
        end = tokenizer.ids["<|endoftext|>"]
        self.assertEqual(row[0], tokenizer.ids["<|startoftext|>"])
        self.assertEqual(row[1:4], [tokenizer.ids[w + "</w>"] for w in ("a", "purple", "cat")])
        self.assertEqual(set(row[4:]), {end})
        self.assertEqual(tokenizer(["cat " * 100])[0].shape, (len(row),))


class Networks(unittest.TestCase):
    def test_the_published_model_loads_by_its_names(self):
        model = HERE.parents[1] / "packages" / "default-model" / "model"
        config = json.loads((model / "vae" / "config.json").read_text())
        vae = AutoencoderKL(tuple(config["block_out_channels"]), config["latent_channels"])
        vae.load_state_dict(load_file(model / "vae" / "diffusion_pytorch_model.safetensors"))
        config = json.loads((model / "unet" / "config.json").read_text())
        unet = UNet2DConditionModel(
            tuple(config["block_out_channels"]),
            latent_channels=config["in_channels"],
            attention=tuple(kind.startswith("CrossAttn") for kind in config["down_block_types"]),
        )
        unet.load_state_dict(load_file(model / "unet" / "diffusion_pytorch_model.safetensors"))
        config = json.loads((model / "text_encoder" / "config.json").read_text())
        text = CLIPTextModel(
            config["vocab_size"], layers=config["num_hidden_layers"], tokens=config["max_position_embeddings"]
        )
        text.load_state_dict(load_file(model / "text_encoder" / "model.safetensors"))

    def test_an_autoencoder_begins_as_one_with_fewer_levels(self):
        shallow, small, large = AutoencoderKL((24, 48, 96), 4), AutoencoderKL(), published_autoencoder()
        begin_as(small, shallow.state_dict(), outside=0)
        self.assertTrue(torch.equal(small.encoder.conv_in.weight, shallow.encoder.conv_in.weight))
        self.assertTrue(
            torch.equal(small.encoder.down_blocks[1].resnets[0].conv1.weight, shallow.encoder.down_blocks[1].resnets[0].conv1.weight)
        )
        self.assertTrue(
            torch.equal(small.decoder.up_blocks[2].resnets[0].conv1.weight, shallow.decoder.up_blocks[1].resnets[0].conv1.weight)
        )
        self.assertTrue(torch.equal(small.decoder.conv_out.weight, shallow.decoder.conv_out.weight))
        begin_as(large, small.state_dict(), outside=1)
        self.assertTrue(torch.equal(large.decoder.conv_in.weight, small.decoder.conv_in.weight))
        self.assertTrue(torch.equal(large.post_quant_conv.weight, small.post_quant_conv.weight))
        self.assertTrue(
            torch.equal(large.encoder.down_blocks[2].resnets[0].conv1.weight, small.encoder.down_blocks[1].resnets[0].conv1.weight)
        )
        self.assertTrue(
            torch.equal(large.decoder.up_blocks[3].resnets[0].conv1.weight, small.decoder.up_blocks[3].resnets[0].conv1.weight)
        )

    def test_each_state_of_the_plan_tells_one_place_of_the_latents(self):
        regression, states = Regression(32), torch.zeros(1, LENGTH, 32)
        states[0, PLAN + 13] = 1.0  # the second row's sixth
        with torch.no_grad():
            changed = (regression.plan(states) != regression.plan(torch.zeros_like(states)))[0].any(0)
        wanted = torch.zeros(8, 8, dtype=torch.bool)
        wanted[1, 5] = True
        self.assertTrue(torch.equal(changed, wanted))

    def test_a_cross_attention_that_looks_at_its_place_in_the_plan_reads_without_error(self):
        block = BasicTransformerBlock(64, 64, 1)
        reading = Reading(torch.nn.Sequential(block))
        for projection in (block.attn2.to_q, block.attn2.to_k):
            projection.weight.data = 20 * torch.eye(64)
        states = torch.zeros(1, LENGTH, 64)
        states[0, PLAN:, :PLACES] = torch.eye(PLACES)
        for side in (8, 4):  # a place for one of the plan, a place for four
            planned = torch.arange(PLACES).reshape(1, 1, 8, 8).float()
            places = F.interpolate(planned, (side, side)).long().flatten()
            x = F.one_hot(places, PLACES).float()[None]
            block.attn2(x, states)
            self.assertLess(reading.error().item(), 1e-3)
            block.attn2(x.roll(side * 16 // 8, 1), states)
            self.assertGreater(reading.error().item(), 5)

    def test_a_lora_says_the_same_applied_and_merged_and_nothing_at_first(self):
        unet = UNet2DConditionModel().eval()
        inputs = torch.randn(2, 16, 8, 8), torch.tensor([999, 499]), torch.randn(2, LENGTH, 192)
        lora = LowRank(unet, 4)
        with torch.no_grad():
            before = unet(*inputs)
            with lora.applied():
                self.assertTrue(torch.equal(unet(*inputs), before))
            for up in lora.up:
                torch.nn.init.normal_(up.weight, std=0.05)
            with lora.applied():
                applied = unet(*inputs)
            self.assertTrue(torch.equal(unet(*inputs), before))
            self.assertGreater((applied - before).abs().mean().item(), 0.01)
            lora.merge()
            torch.testing.assert_close(unet(*inputs), applied, atol=1e-4, rtol=1e-4)
        self.assertEqual(len(lora.tensors()), 2 * len(lora.layers))

    def test_a_perfect_velocity_brings_any_noise_to_the_picture(self):
        picture = torch.randn(2, 16, 8, 8)

        def perfect(sample, timesteps, states):
            alpha = ALPHAS_CUMPROD[timesteps[0]]
            return (alpha.sqrt() * sample - picture) / (1 - alpha).sqrt()

        noise = torch.randn_like(picture)
        for made in (ddim(perfect, noise, picture, picture, 10, 1), lcm(perfect, noise, picture, 2)):
            torch.testing.assert_close(made, picture, atol=1e-3, rtol=0)


class Optimizing(unittest.TestCase):
    def test_singular_values_come_near_one_and_directions_stay(self):
        for shape in ((2, 16, 16), (2, 16, 100), (2, 100, 16)):
            x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
            made = orthogonalise(x)
            u, _, v = torch.linalg.svd(x, full_matrices=False)
            values = u.mT @ made @ v.mT
            diagonal = values.diagonal(dim1=1, dim2=2)
            self.assertLess((values - torch.diag_embed(diagonal)).abs().max().item(), 1e-3)
            self.assertTrue(((diagonal > 0.3) & (diagonal < 1.3)).all())

    def test_matrices_and_all_else_reach_the_least_squares(self):
        torch.manual_seed(0)
        made, wanted = (torch.nn.Sequential(torch.nn.Linear(40, 40), torch.nn.Linear(40, 3)) for _ in range(2))
        optimizer, x = Muon([made], 0.02), torch.randn(256, 40)
        self.assertEqual([len(group["params"]) for group in optimizer.param_groups], [1, 3])
        losses = []
        for step in range(300):
            optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 0.02 * (1 - step / 300)
            loss = (made(x) - wanted(x)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        self.assertLess(losses[-1], losses[0] / 100)


class Resuming(unittest.TestCase):
    def train(self, path, total, until=None):
        torch.manual_seed(0)
        module = torch.nn.Linear(4, 1)
        optimizer = torch.optim.AdamW(module.parameters(), 0.1)
        args = argparse.Namespace(device="cpu", minutes=1, save_every=1e9)
        training = Training(path, {"m": module}, optimizer, args, total, decay=0.5, warmup=10, ema=0.9)
        for generator in training.batches(2):
            x = torch.randn(2, 4, generator=generator)
            training.step((module(x) - x.sum(1, keepdim=True)).square().mean())
            training.stop = until is not None and training.samples + 2 >= until
        return training

    def test_a_stopped_training_ends_where_an_unbroken_one_does(self):
        with tempfile.TemporaryDirectory() as folder:
            whole = self.train(Path(folder) / "a.pt", 100)
            for until in (30, 60, None):
                broken = self.train(Path(folder) / "b.pt", 100, until)
            self.assertEqual(broken.samples, 100)
            torch.testing.assert_close(broken.modules["m"].weight, whole.modules["m"].weight)
            torch.testing.assert_close(broken.averages["m"]["weight"], whole.averages["m"]["weight"])

    def test_a_published_model_is_gone_on_with(self):
        with tempfile.TemporaryDirectory() as folder:
            published = {"weight": torch.ones(1, 4), "bias": torch.ones(1)}
            state = {"modules": {"m": published}, "samples": 0, "total": 0, "falling": False}
            torch.save(state, Path(folder) / "a.pt")
            begun = self.train(Path(folder) / "a.pt", 100, until=2)
            self.assertEqual(begun.samples, 2)
            torch.testing.assert_close(begun.modules["m"].weight, published["weight"], atol=0.02, rtol=0)
            torch.testing.assert_close(begun.averages["m"]["bias"], published["bias"], atol=0.02, rtol=0)
            self.train(Path(folder) / "a.pt", 100, until=100)

    def test_a_larger_total_goes_on_from_before_the_decay(self):
        with tempfile.TemporaryDirectory() as folder:
            self.train(Path(folder) / "a.pt", 100)
            longer = self.train(Path(folder) / "a.pt", 400, until=52)
            self.assertEqual(longer.samples, 52)
            self.assertEqual(longer.rate(), 1)


class Scoring(unittest.TestCase):
    def test_parts_are_counted_and_halves_are_cut_between_them(self):
        mask = torch.zeros(64, 64, dtype=torch.bool)
        mask[5:20, 5:25] = mask[30:50, 5:25] = mask[5:25, 40:60] = mask[62, 62] = True
        self.assertEqual(len(components(mask)), 3)
        picture = torch.ones(3, 64, 64)
        picture[:, 20:40, 4:28] = picture[:, 20:40, 36:60] = 0.5
        left, right = halve(picture, vertical=False)
        self.assertEqual((left.sum().item(), right.sum().item()), (480, 480))

    def test_lines_belong_to_a_drawing_and_specks_do_not(self):
        picture = torch.ones(3, 128, 128)
        picture[:, 0, 0] = picture[:, 0, 127] = picture[:, 90:92, 5] = 0.5
        drawn = torch.zeros(128, 128, dtype=torch.bool)
        drawn[40:80, 30:70] = drawn[60, 70:100] = True
        picture[:, drawn] = 0.5
        left_out = drawn & ~foreground(picture)
        self.assertEqual(left_out.nonzero().tolist(), [[60, 99]])  # the very end of the line
        self.assertFalse((foreground(picture) & ~drawn).any())


if __name__ == "__main__":
    unittest.main()
