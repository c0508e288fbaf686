import { type Folder, openDiffusersFolder, openOnnx } from '@emulsion/checkpoints';
import type { Device } from '@emulsion/runtime';
import { type Tensor, tensor } from '@emulsion/tensor';
import { createTestDevice, openFolderAt } from '@emulsion/testing';
import { loadTextEncoder } from '@emulsion/text-encoder';
import { loadUnet, loadUnet2d } from '@emulsion/unet';
import { loadVae } from '@emulsion/vae';
import { afterAll, beforeAll } from 'vitest';
import { assertClose, type Tolerance } from './assert-close.ts';
import type { CaseJson, GoldenCase } from './golden-area.ts';
import { testArea } from './test-area.ts';

interface OnnxCase extends CaseJson {
  readonly kind: string;
  readonly family: string;
  /** The folder of the model, and the file of the graph, relative to the area's. */
  readonly model: string;
  readonly onnx: string;
  readonly arrays: Readonly<Record<string, unknown>>;
  readonly tolerance: Tolerance;
}

type Golden = GoldenCase<OnnxCase>;
type Outputs = Readonly<Record<string, Tensor | undefined>>;

let device: Device;
beforeAll(async () => {
  device = await createTestDevice();
});
afterAll(() => device.dispose());

await testArea<OnnxCase>('onnx', {
  traits: ({ kind, family }) => [{ kind, family }],
  check: (golden, area) => async () => {
    const folder = await openFolderAt(area.address(`${golden.json.model}/`));
    assertOutputs(golden, await runGraph(golden, folder), await recordedOutputs(golden));
    const component = components[golden.json.id.replace(/\.\d+$/, '')];
    if (!component) throw new Error(`golden: no component is called "${golden.json.id}".`);
    const model = await openDiffusersFolder(folder);
    assertOutputs(golden, await component(golden, model.folder), await recordedOutputs(golden));
  },
});

const arrayNames = ({ json }: Golden, prefix: string) =>
  Object.keys(json.arrays)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));

async function recordedOutputs(golden: Golden): Promise<Outputs> {
  const outputs: Record<string, Tensor> = {};
  for (const name of arrayNames(golden, 'out.')) outputs[name] = await golden.tensor(`out.${name}`);
  return outputs;
}

function assertOutputs({ json }: Golden, actual: Outputs, expected: Outputs): void {
  for (const [name, value] of Object.entries(expected)) {
    const given = actual[name];
    if (!given) throw new Error(`golden: the graph gives no "${name}".`);
    assertClose(name, given, value!, json.tolerance);
  }
}

const idsOf = async (golden: Golden): Promise<Tensor<'int32'>> => {
  const { data, dims } = await golden.array('in.input_ids');
  return tensor(Int32Array.from(data, Number), dims);
};

/** The graph by itself. */
async function runGraph(golden: Golden, folder: Folder): Promise<Outputs> {
  const path = golden.json.onnx.slice(golden.json.model.length + 1);
  const session = await device.createSession(await openOnnx(folder, path));
  const feeds: Record<string, Tensor | Tensor<'int32'>> = {};
  for (const name of arrayNames(golden, 'in.')) {
    feeds[name] = name === 'input_ids' ? await idsOf(golden) : await golden.tensor(`in.${name}`);
  }
  const outputs = await session.run(feeds);
  await session.dispose();
  return outputs;
}

/** The graph as a component of a model. */
const components: Readonly<Record<string, (golden: Golden, model: Folder) => Promise<Outputs>>> = {
  text_encoder: (golden, model) => encodeText(golden, model.subfolder('text_encoder')),
  text_encoder_2: (golden, model) => encodeText(golden, model.subfolder('text_encoder_2')),
  async unet(golden, model) {
    const folder = model.subfolder('unet');
    const sample = await golden.tensor('in.sample');
    const timestep = (await golden.tensor('in.timestep')).data[0]!;
    if (!(await golden.has('in.encoder_hidden_states'))) {
      const unet = await loadUnet2d(folder, { device });
      const predicted = await unet.predict({ sample, timestep });
      await unet.dispose();
      return { out_sample: predicted };
    }
    const unet = await loadUnet(folder, { device });
    const added = (await golden.has('in.time_ids')) && {
      addedConditions: {
        textEmbeds: await golden.tensor('in.text_embeds'),
        timeIds: await golden.tensor('in.time_ids'),
      },
    };
    const predicted = await unet.predict({
      sample,
      timestep,
      encoderHiddenStates: await golden.tensor('in.encoder_hidden_states'),
      ...added,
    });
    await unet.dispose();
    return { out_sample: predicted };
  },
  async vae_encoder(golden, model) {
    const vae = await loadVae(model.subfolder('vae'), { device });
    const { mean, logvar } = await vae.encode(await golden.tensor('in.sample'));
    await vae.dispose();
    // One sample, whose channels lie one behind the other.
    const [batch = 1, channels = 0, ...space] = mean.dims;
    const parameters = Float32Array.from([...mean.data, ...logvar.data]);
    return { latent_parameters: tensor(parameters, [batch, 2 * channels, ...space]) };
  },
  async vae_decoder(golden, model) {
    const vae = await loadVae(model.subfolder('vae'), { device });
    const sample = await vae.decode(await golden.tensor('in.latent_sample'));
    await vae.dispose();
    return { sample };
  },
};

async function encodeText(golden: Golden, folder: Folder): Promise<Outputs> {
  const encoder = await loadTextEncoder(folder, { device });
  const inputIds = await idsOf(golden);
  const { lastHiddenState, pooled, textEmbeds } = await encoder.encode({ inputIds });
  const { hiddenState } = await encoder.encode({ inputIds, clipSkip: 1 });
  await encoder.dispose();
  return {
    last_hidden_state: lastHiddenState,
    pooler_output: pooled,
    text_embeds: textEmbeds,
    'hidden_states.2': hiddenState,
  };
}
