import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { checkWeights } from '../models/load-folder.ts'
import { trainedParameters, type Model } from '../models/model.ts'
import { openFolder, saveFolder, type ModelFolder } from '../models/source.ts'
import type { Weights } from '../models/weights.ts'
import type { OptimizerState } from '../training/adamw.ts'
import { initialAdapter, mergedWeights, withLora, type LoraSettings } from '../training/lora.ts'
import { initialValueHead, VALUE_HEAD, valueHeadParameters, withValueHead } from '../training/value-head.ts'
import { readShards, SHARD_BYTES, shardSizes, writeShards } from '../weights/weight-files.ts'
import { readAdapter, writeAdapter } from './adapter-file.ts'
import { OPTIMIZER_FILE, optimizerShapes, readOptimizer, writeOptimizer } from './optimizer-file.ts'

/** Its name in a checkpoint. */
const VALUE_HEAD_FILE = 'value_head.safetensors'
/** The reference's trained parameters, in the checkpoints of a run that resets it. */
export const REFERENCE_FILE = 'reference.safetensors'
/** The same of the policy that a run may go back to. */
export const BEST_FILE = 'best.safetensors'

/** What a run trains: a model with, for LoRA, adapters on it. */
export interface Training {
  /** The model as it was opened, or as the checkpoint holds it; for LoRA, what the adapters sit on. */
  folder: ModelFolder
  model: Model
  /** Parameters of `model`, adapters included; they change as it is trained. */
  weights: Weights
  /** AdamW's memory, of a run that goes on. */
  optimizer: OptimizerState | undefined
  /** SHA-256 of what LoRA leaves as it is, and no checkpoint holds; null without LoRA. */
  base: string | null
}

/** Where a run goes on: a committed checkpoint's files, the `base` that was noted with it, and its updates so far. */
interface Point {
  folder: string
  base: unknown
  updates: number
}

/**
 * Opens what a run begins with, or goes on from.
 * Throws `corrupt_model` where a LoRA run's model is not the one that the run began with.
 */
export async function openTraining(
  openModel: () => Promise<ModelFolder>,
  { lora, seed, valueHead }: { lora?: LoraSettings | undefined; seed: number; valueHead: boolean },
  point: Point | null,
): Promise<Training> {
  const folder = point && !lora ? openFolder(point.folder) : await openModel()
  const policy = lora ? withLora(folder.model, lora) : folder.model
  const model = valueHead ? withValueHead(policy) : policy
  const base = lora ? fingerprint(folder.weights) : null
  if (point && lora && point.base !== base) {
    throw new GavelError(
      'corrupt_model',
      `${folder.describe} is not the model that this run began with: its weights have changed since. Give the job that model again, by revision perhaps, or start a new job.`,
    )
  }
  const adapter = !lora ? [] : point ? readAdapter(point.folder, model) : initialAdapter(model, seed)
  const head = !valueHead ? [] : point ? readValueHead(point.folder, model) : initialValueHead(model)
  return {
    folder,
    model,
    weights: new Map([...folder.weights, ...adapter, ...head]),
    optimizer: point ? readOptimizer(join(point.folder, OPTIMIZER_FILE), model, point.updates) : undefined,
    base,
  }
}

interface FileOptions {
  /** Of a LoRA run: whether the whole model is written as well. */
  merged: boolean
  /** Most bytes of a file of tensors. */
  shardBytes?: number | undefined
}

/**
 * What writes a checkpoint's files: the model whole or, of a LoRA run, the adapter as PEFT has it (and, with
 * `merged`, the whole model without adapters as well), the value head where there is one, more `files` of tensors, the
 * tokenizer, and the optimizer's memory.
 */
export async function trainingFiles(
  { folder, model, weights, base }: Training,
  optimizer: OptimizerState,
  { merged, files, shardBytes }: FileOptions & { files: Record<string, Weights> },
): Promise<(target: string) => void> {
  const { head, policy } = apart(weights)
  const whole = !base || merged ? await mergedWeights(model, policy) : null
  return (target) => {
    saveFolder(target, { ...folder, weights: whole, dtype: 'F32', shardBytes })
    if (base) writeAdapter(target, model, weights, folder.hubId ?? null)
    if (model.valueHead) writeShards(join(target, VALUE_HEAD_FILE), head, { shardBytes })
    for (const [name, tensors] of Object.entries(files)) writeShards(join(target, name), tensors, { shardBytes })
    writeOptimizer(join(target, OPTIMIZER_FILE), optimizer, shardBytes)
  }
}

/** Which copies of what is trained a checkpoint holds besides. */
export interface Copies {
  reference?: boolean
  best?: boolean
}

/** Bytes of the tensors of a checkpoint that is to come, by what they are for; how many files, and bytes of the largest. */
export function checkpointSize(
  { folder, model, weights, base }: Pick<Training, 'folder' | 'model' | 'weights' | 'base'>,
  { merged, copies, shardBytes = SHARD_BYTES }: FileOptions & { copies: Copies },
) {
  const { head, policy } = apart(weights)
  const parts = {
    weights: !base ? policy : merged ? folder.weights : NO_TENSORS,
    adapter: model.adapter ? shapesOf(model.adapter.parameters) : NO_TENSORS,
    value_head: head,
    reference: copies.reference ? shapesOf(trainedParameters(model)) : NO_TENSORS,
    best: copies.best ? shapesOf(trainedParameters(model)) : NO_TENSORS,
    optimizer: optimizerShapes(model),
  }
  const sizes = Object.entries(parts).flatMap(([part, tensors]) => {
    // PEFT knows no shards.
    const files = shardSizes(tensors, 'F32', part === 'adapter' ? Infinity : shardBytes)
    return files.length > 0 ? [{ part, files }] : []
  })
  const files = sizes.flatMap((size) => size.files)
  return {
    parts: Object.fromEntries(sizes.map((size) => [size.part, sum(size.files)])),
    bytes: sum(files),
    files: files.length,
    largest: Math.max(...files),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, x) => total + x, 0)
type Shapes = ReadonlyMap<string, { shape: readonly number[] }>
const NO_TENSORS: Shapes = new Map()
const shapesOf = (parameters: Model['parameters']): Shapes =>
  new Map([...parameters].map(([name, shape]) => [name, { shape }]))

/** The head in a file of its own: nobody but the run has a use for it. */
function apart(weights: Weights): { head: Weights; policy: Weights } {
  const isHead = (name: string) => name.startsWith(`${VALUE_HEAD}.`)
  const only = (wanted: boolean) => new Map([...weights].filter(([name]) => isHead(name) === wanted))
  return { head: only(true), policy: only(false) }
}

function readValueHead(folder: string, model: Model): Weights {
  const path = join(folder, VALUE_HEAD_FILE)
  return checkWeights({ parameters: valueHeadParameters(model) }, readShards(path), path)
}

function fingerprint(weights: Weights): string {
  const hash = createHash('sha256')
  for (const [name, { data }] of weights) {
    hash.update(name)
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return hash.digest('hex')
}
