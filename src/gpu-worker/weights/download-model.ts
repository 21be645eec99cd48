import { HUB_URL, HubApiError, listFiles, modelInfo, type ListFileEntry } from '@huggingface/hub'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import type { ModelSource } from '../../core/schemas/model.ts'
import { fetchFile, fileHash, FileRefused } from './fetch-file.ts'
import { ggufParts } from './gguf.ts'
import { shardNames } from './weight-files.ts'

export type HubSource = Extract<ModelSource, { type: 'hub' }>

export interface HubOptions {
  /** The cache that Python's huggingface_hub uses too, by its rules `~/.cache/huggingface/hub`. */
  cacheFolder: string
  /** `HF_ENDPOINT`; by default the hub itself. */
  endpoint?: string | undefined
  /** `HF_TOKEN`, for gated and private models. */
  token?: string | undefined
  /** `HF_HUB_OFFLINE`: only what the cache holds. */
  offline?: boolean | undefined
  onProgress?: ((progress: DownloadProgress) => void) | undefined
  /** Breaks the download off; rejects with its reason. What has come is left for the next time. */
  signal?: AbortSignal | undefined
}

export interface DownloadProgress {
  file: string
  /** Bytes so far and in all. */
  done: number
  total: number
}

/** What a model folder needs beside its weights; only the first has to be there. */
const SMALL_FILES = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'generation_config.json',
  'special_tokens_map.json',
]
const WEIGHTS = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
const COMMIT = /^[0-9a-f]{40}$/

/**
 * The files of a hub model that the engine reads, from the cache or downloaded into it. Answers the folder that
 * holds them, or with `file` the path of that one GGUF file, beside which its other parts lie.
 * Files lie as Python's huggingface_hub lays them, so that neither fetches what the other has. A transfer that breaks is
 * gone on with; without a network, what an earlier download left is used. Throws `model_download_failed`, which may be over
 * the next time; and what will not: `model_inaccessible`, `unsupported_model`, and `unavailable_here` where the worker is offline.
 */
export async function downloadModel(source: HubSource, options: HubOptions): Promise<string> {
  const revision = source.revision ?? 'main'
  const describe = `${source.repo} (revision ${revision})`
  for (const [what, path] of Object.entries({ repo: source.repo, revision, file: source.file ?? 'x' })) {
    if (path.split('/').every((part) => /^(?!\.+$)[\w.-]+$/.test(part))) continue
    throw new GavelError('invalid_request', `${what} ${JSON.stringify(path)} is not a name the hub could have`, {
      param: what,
    })
  }
  const storage = join(options.cacheFolder, `models--${source.repo.replaceAll('/', '--')}`)
  try {
    if (options.offline) throw new OfflineError('HF_HUB_OFFLINE is set, and the cache does not hold it')
    return await fetchModel(source, revision, storage, options)
  } catch (error) {
    options.signal?.throwIfAborted()
    const cached = isOffline(error) ? cachedModel(source, revision, storage) : null
    if (cached) return cached
    throw error instanceof GavelError ? error : downloadFailed(describe, error, options)
  }
}

async function fetchModel(source: HubSource, revision: string, storage: string, options: HubOptions): Promise<string> {
  const { signal } = options
  const access = {
    ...(signal && { fetch: (input: string | URL | Request, init?: RequestInit) => fetch(input, { ...init, signal }) }),
    ...(options.endpoint ? { hubUrl: options.endpoint.replace(/\/+$/, '') } : {}),
    ...(options.token ? { accessToken: options.token } : {}),
  }
  const { sha } = await modelInfo({ name: source.repo, revision, additionalFields: ['sha'], ...access })
  if (!COMMIT.test(sha)) throw new Error(`the hub names commit ${JSON.stringify(sha)}, which is none`)
  const entries = new Map<string, ListFileEntry>()
  for await (const entry of listFiles({ repo: source.repo, revision: sha, recursive: true, ...access }))
    if (entry.type === 'file') entries.set(entry.path, entry)

  const snapshot = join(storage, 'snapshots', sha)
  const get = async (name: string) => {
    const path = join(snapshot, name)
    if (existsSync(path)) return path
    const entry = entries.get(name)
    if (!entry) throw new GavelError('model_inaccessible', `${source.repo} has no file ${name} at ${revision}`)
    const headers: Record<string, string> = options.token ? { authorization: `Bearer ${options.token}` } : {}
    const url = `${access.hubUrl ?? HUB_URL}/${source.repo}/resolve/${sha}/${name}`
    await store(url, headers, entry, storage, path, options)
    return path
  }

  if (source.file) for (const part of partsOf(source.file)) await get(part)
  else {
    const names = [...entries.keys()]
    const whole = entries.has(WEIGHTS)
    if (!whole && !entries.has(INDEX)) throw noSafetensors(source.repo, names)
    for (const name of SMALL_FILES) if (entries.has(name)) await get(name)
    for (const name of whole ? [WEIGHTS] : shardNames(await get(INDEX))) await get(name)
  }
  rememberCommit(storage, revision, sha)
  return source.file ? join(snapshot, source.file) : snapshot
}

/** Puts a file's bytes under their hash and a link to them in the snapshot, whole or not at all. */
async function store(
  url: string,
  headers: Record<string, string>,
  { path: file, size, lfs, oid }: ListFileEntry,
  storage: string,
  path: string,
  { onProgress, signal }: HubOptions,
): Promise<void> {
  const id = lfs?.oid ?? oid
  if (!id || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(id)) throw new Error(`the hub gives no hash for ${file}`)
  const target = join(storage, 'blobs', id)
  mkdirSync(dirname(target), { recursive: true })
  mkdirSync(dirname(path), { recursive: true })
  if (!existsSync(target)) {
    const partial = `${target}.gavel.incomplete`
    const tell = (done: number) => onProgress?.({ file, done, total: size })
    await fetchFile(url, partial, { headers, size, onProgress: tell, signal })
    if ((await fileHash(partial, id)) !== id) {
      rmSync(partial, { force: true })
      throw new Error(`${file} arrived damaged`)
    }
    renameSync(partial, target)
  }
  rmSync(path, { force: true })
  symlinkSync(relative(dirname(path), target), path)
}

function rememberCommit(storage: string, revision: string, sha: string): void {
  if (revision === sha) return
  const ref = join(storage, 'refs', revision)
  mkdirSync(dirname(ref), { recursive: true })
  writeFileSync(ref, sha)
}

/** The snapshot that a revision last stood for, where it holds what is wanted. */
function cachedModel(source: HubSource, revision: string, storage: string): string | null {
  const ref = join(storage, 'refs', revision)
  const sha = COMMIT.test(revision) ? revision : existsSync(ref) ? readFileSync(ref, 'utf8').trim() : ''
  if (!COMMIT.test(sha)) return null
  const snapshot = join(storage, 'snapshots', sha)
  if (source.file) {
    const here = partsOf(source.file).every((part) => existsSync(join(snapshot, part)))
    return here ? join(snapshot, source.file) : null
  }
  const complete = ['config.json', 'tokenizer.json'].every((name) => existsSync(join(snapshot, name)))
  const index = join(snapshot, INDEX)
  const weights = existsSync(index) ? shardNames(index) : [WEIGHTS]
  const weighed = [weights, [WEIGHTS]].some((names) => names.every((name) => existsSync(join(snapshot, name))))
  return complete && weighed ? snapshot : null
}

/** A GGUF file, and the other parts where its name says that it is the first of some. */
function partsOf(file: string): string[] {
  const [, count] = /-00001-of-(\d{5})\.gguf$/.exec(file) ?? []
  return count ? ggufParts(file, Number(count)).map((part) => posix.join(posix.dirname(file), part)) : [file]
}

class OfflineError extends Error {}

/** The hub's answer where it gave one. */
const statusOf = (error: unknown): number | null =>
  error instanceof HubApiError ? error.statusCode : error instanceof FileRefused ? error.status : null

/** The hub was not reached, or was out of order: nothing was said about the model. */
const isOffline = (error: unknown) =>
  error instanceof OfflineError ||
  (error instanceof TypeError && (error.message === 'fetch failed' || error.message === 'terminated')) ||
  (statusOf(error) ?? 0) >= 500

function noSafetensors(repo: string, names: readonly string[]): GavelError {
  const gguf = names.filter((name) => name.endsWith('.gguf'))
  const remedy = gguf.length
    ? `name one of its GGUF files in \`file\`: ${gguf.join(', ')}`
    : 'choose a model with safetensors, or convert it with transformers: save_pretrained(folder)'
  return new GavelError('unsupported_model', `${repo} has no ${WEIGHTS}; ${remedy}`, { param: 'repo' })
}

function downloadFailed(describe: string, error: unknown, { endpoint = 'the hub', token }: HubOptions): GavelError {
  const status = statusOf(error)
  const remedy =
    status === 401 || status === 403
      ? token
        ? 'the token (HF_TOKEN) has no access: accept the licence on the model page, or use a token that has'
        : 'it is gated, private or does not exist: check the name, and give a token in HF_TOKEN'
      : status === 404
        ? 'no such model or revision: check the name'
        : `${status === null ? '' : `it answers ${status}: `}check that ${endpoint} can be reached (HF_ENDPOINT), or download the model elsewhere and use its folder`
  const reason = [error, (error as Error).cause].map((e) => (e instanceof Error ? e.message : '')).filter(Boolean)
  const isRefusal = status !== null && status >= 400 && status < 500 && status !== 408 && status !== 429
  return new GavelError(
    isRefusal ? 'model_inaccessible' : error instanceof OfflineError ? 'unavailable_here' : 'model_download_failed',
    `${describe} could not be downloaded: ${remedy}. (${reason.join(': ')})`,
    {
      param: 'repo',
      cause: error,
    },
  )
}
