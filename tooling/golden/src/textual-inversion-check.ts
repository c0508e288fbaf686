// How recorded embeddings are read here from each file that they are in, and what prompts become with them.
import { readTextualInversion } from '@emulsion/adapters';
import { loadPipeline } from '@emulsion/pipelines';
import type { Device } from '@emulsion/runtime';
import { type Tensor, tensor } from '@emulsion/tensor';
import { openFolderAt } from '@emulsion/testing';
import { loadPromptEncoder, type PromptEmbeddings } from '@emulsion/text-encoder';
import { assertClose } from './assert-close.ts';
import type { GoldenArea, GoldenCase } from './golden-area.ts';
import { type LoadOnce, type PipelineCase, pipelineCheck } from './pipeline-check.ts';
import type { Check } from './test-area.ts';

/** A case with an embedding: the files that it is in by their form, what names it, and what it was asked with. */
export interface EmbeddingCase extends PipelineCase {
  readonly family: string;
  readonly model: string;
  readonly token?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly prompts?: readonly string[];
}

type Golden = GoldenCase<EmbeddingCase>;
type Adapters = GoldenArea<EmbeddingCase>;

/** The embedding from every file of the case, and what the text encoder makes of the prompts with it. */
export async function textualInversionCheck(
  golden: Golden,
  adapters: Adapters,
  loadOnce: LoadOnce,
): Promise<Check | string> {
  const encoder = await loadOnce(await modelOf(golden, adapters), loadPromptEncoder);
  if (typeof encoder === 'string') return encoder;
  const { prompts = [], tolerance } = golden.json;
  return () =>
    withEachFile(golden, adapters, encoder.embeddings, async (form, vectors) => {
      assertClose(`${form}: embedding`, vectors, await golden.array('embedding'), tolerance);
      const recorded = await golden.array('last_hidden_state');
      assertClose(`${form}: hidden states`, await encoder.encode(prompts), recorded, tolerance);
      const ids = await golden.array('input_ids_expanded');
      const { lastHiddenState, pooled } = await encoder.textEncoder.encode({
        inputIds: tensor(Int32Array.from(ids.data, Number), ids.dims),
        learnedVectors: vectors,
      });
      assertClose(`${form}: hidden states of the ids`, lastHiddenState, recorded, tolerance);
      assertClose(`${form}: pooled`, pooled, await golden.array('pooled_argmax'), tolerance);
    });
}

/** The picture that a pipeline paints with the case's embedding, from its first file: all hold the same vectors. */
export async function embeddingPipelineCheck(
  golden: Golden,
  adapters: Adapters,
  loadOnce: LoadOnce,
  device: Device,
): Promise<Check | string> {
  const model = await modelOf(golden, adapters);
  const check = await pipelineCheck(golden, model, loadOnce, device);
  const pipeline = await loadOnce(model, loadPipeline);
  if (typeof check === 'string') return check;
  if (typeof pipeline === 'string') return pipeline;
  const { token = '', files = {} } = golden.json;
  const [path = ''] = Object.values(files);
  return async () => {
    const folder = await openFolderAt(adapters.address('./'));
    await pipeline.adapters.add({ folder, path }, { name: token });
    try {
      await check();
    } finally {
      await pipeline.adapters.remove(token);
    }
  };
}

/** Calls `check` with the vectors of each file while prompts can name them. */
async function withEachFile(
  { json: { token = '', files = {} } }: Golden,
  adapters: Adapters,
  embeddings: PromptEmbeddings,
  check: (form: string, vectors: Tensor) => Promise<void>,
): Promise<void> {
  const folder = await openFolderAt(adapters.address('./'));
  for (const [form, path] of Object.entries(files)) {
    const embedding = await readTextualInversion(folder, path, { name: token });
    embeddings.add(embedding);
    try {
      await check(form, embedding.encoders[0]!.vectors); // one at least, or it would not have been added
    } finally {
      embeddings.remove(token);
    }
  }
}

/** The folder of a case's model. */
function modelOf({ json: { family, model } }: Golden, { index, address }: Adapters) {
  // The format is fixed by the generators.
  const families = index.families as Readonly<Record<string, { readonly dirs: Record<string, string> }>>;
  return openFolderAt(address(`${families[family]!.dirs[model]!}/`));
}
