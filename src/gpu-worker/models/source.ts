import { existsSync, mkdirSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import type { ModelSource } from '../../core/schemas/model.ts'
import { readTokenizerFiles } from '../text/read-tokenizer-files.ts'
import { TextCodec, type TokenizerFiles } from '../text/text-codec.ts'
import { downloadModel, type HubOptions } from '../weights/download-model.ts'
import type { StoredType } from '../weights/safetensors.ts'
import { hasWeights, writeShards } from '../weights/weight-files.ts'
import { configText } from './config-json.ts'
import { loadFolder, type LoadedModel } from './load-folder.ts'
import { loadGguf } from './load-gguf.ts'
import type { Weights } from './weights.ts'

/** A model, its tokenizer, and where they came from. */
export interface ModelFolder extends LoadedModel {
  tokenizer: TokenizerFiles
  codec: TextCodec
  /** For messages: the path or hub id. */
  describe: string
  /** Its id on the hub, where it is there in a form that transformers loads. */
  hubId?: string
}

export interface SourceOptions {
  /** Folders that local models may lie in; the operator's choice. */
  roots: readonly string[]
  hub: HubOptions
  /** A tenant from whom the operator's folders and token are withheld, for the messages. */
  stranger?: string | undefined
}

/** A source outside the API's own store. */
export type OutsideSource = Exclude<ModelSource, { type: 'checkpoint' }>

/**
 * What a tenant may use of the operator's: the folders, the token and the cache that was filled with it, or none of them.
 * A stranger's hub models have a cache of their own, in which is only what anyone may have.
 */
export function sourcesFor(
  { tenant, trusted }: { tenant: string; trusted: boolean },
  own: SourceOptions,
): SourceOptions {
  if (trusted) return own
  return {
    roots: [],
    hub: { ...own.hub, token: undefined, cacheFolder: `${own.hub.cacheFolder}-public` },
    stranger: tenant,
  }
}

/** The tenants of a list that is separated by commas, as an operator sets it. */
export const tenantsIn = (list: string | undefined): string[] =>
  (list ?? '').split(',').flatMap((tenant) => tenant.trim() || [])

/**
 * Where a model from the hub or from this machine lies, downloaded where it must be. Throws as `downloadModel`, and
 * `unavailable_here` for a local path outside the operator's roots.
 */
export async function fetchSource(source: OutsideSource, { roots, hub, stranger }: SourceOptions): Promise<string> {
  try {
    return source.type === 'local' ? allowedPath(source.path, roots) : await downloadModel(source, hub)
  } catch (error) {
    const withheld =
      error instanceof GavelError && (error.code === 'unavailable_here' || error.code === 'model_inaccessible')
    if (stranger === undefined || !withheld) throw error
    const message = `${error.message}. This worker's folders and its token for the hub are not for the tenant ${stranger}; its operator can name it in GAVEL_TRUSTED_TENANTS`
    throw new GavelError(error.code, message, { cause: error, ...(error.param !== null && { param: error.param }) })
  }
}

/** Opens what {@link fetchSource} has fetched. Throws `not_found`, `corrupt_model` and `unsupported_model`. */
export function openFetched(source: OutsideSource, path: string): ModelFolder {
  const opened = openPath(path)
  if (source.type === 'local') return opened
  if (source.file) return { ...opened, describe: `hf:${source.repo}/${source.file}` }
  return { ...opened, describe: `hf:${source.repo}`, hubId: source.repo }
}

/** Fetches and opens a model from the hub or from this machine. */
export const openModel = async (source: OutsideSource, options: SourceOptions): Promise<ModelFolder> =>
  openFetched(source, await fetchSource(source, options))

/** A GGUF file, or a folder. */
export function openPath(path: string): ModelFolder {
  if (!existsSync(path)) throw new GavelError('not_found', `there is no model at ${path}; check the path`)
  if (statSync(path).isDirectory()) return openFolder(path)
  if (path.endsWith('.gguf')) return withCodec(loadGguf(path), path)
  throw new GavelError('unsupported_model', `${path} is neither a folder nor a .gguf file`)
}

/** A folder with `config.json`, weights and tokenizer, as transformers or {@link saveFolder} writes it. */
export function openFolder(folder: string): ModelFolder {
  if (existsSync(join(folder, ADAPTER_CONFIG)) && !hasWeights(folder)) {
    throw new GavelError(
      'unsupported_model',
      `${folder} holds a LoRA adapter without its model. Merge it into its model first, with PEFT: PeftModel.from_pretrained(model, folder).merge_and_unload().save_pretrained(…). If it is a checkpoint of Gavel's, use the last one of its job, which holds the model merged, or have every checkpoint do so with lora.merge "every".`,
    )
  }
  return withCodec({ ...loadFolder(folder), tokenizer: readTokenizerFiles(folder) }, folder)
}

function withCodec(loaded: LoadedModel & { tokenizer: TokenizerFiles }, describe: string): ModelFolder {
  const { tokenizer, config, model } = loaded
  try {
    return { ...loaded, describe, codec: new TextCodec(tokenizer, { config, vocabularySize: model.vocabularySize }) }
  } catch (cause) {
    throw new GavelError('corrupt_model', `${describe}: its tokenizer cannot be used: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** A local path, where the operator allows it. @throws GavelError `unavailable_here` */
export function allowedPath(path: string, roots: readonly string[]): string {
  const inside = (real: string) => roots.some((root) => existsSync(root) && isInside(real, realpathSync(root)))
  const wanted = resolve(path)
  const real = existsSync(wanted) ? realpathSync(wanted) : wanted
  if (inside(real)) return real
  throw new GavelError(
    'unavailable_here',
    `local model ${path} is outside the folders that this worker's operator allows; start it with --models (GAVEL_MODEL_ROOTS) naming one that holds it`,
    { param: 'path' },
  )
}

const isInside = (path: string, root: string) =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep)

/** PEFT's name for what describes an adapter. */
export const ADAPTER_CONFIG = 'adapter_config.json'

/** Names of PyTorch's types in `config.json`. */
const TORCH_TYPES = { F32: 'float32', F16: 'float16' } satisfies Record<StoredType, string>

/**
 * Writes what {@link openFolder}, and transformers, load: config, weights and tokenizer.
 * @param model its `weights` are left out where they are null: what is in the folder goes with an adapter;
 *   `shardBytes`: most bytes of one file of them
 */
export function saveFolder(
  folder: string,
  {
    config,
    floats,
    weights,
    tokenizer,
    dtype,
    shardBytes,
  }: Pick<ModelFolder, 'config' | 'floats' | 'tokenizer'> & {
    weights: Weights | null
    dtype: StoredType
    shardBytes?: number | undefined
  },
): void {
  const { dtype: _, ...rest } = config
  const json = (name: string, value: object) => writeFileSync(join(folder, name), `${JSON.stringify(value, null, 2)}\n`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), `${configText({ ...rest, torch_dtype: TORCH_TYPES[dtype] }, floats)}\n`)
  json('tokenizer.json', tokenizer.tokenizer)
  json('tokenizer_config.json', tokenizer.config)
  if (tokenizer.generation) json('generation_config.json', tokenizer.generation)
  if (tokenizer.specialTokens) json('special_tokens_map.json', tokenizer.specialTokens)
  if (weights) writeShards(join(folder, 'model.safetensors'), weights, { dtype, shardBytes })
}
