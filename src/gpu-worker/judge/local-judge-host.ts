import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import type { BlobStore, JudgeClient } from '../../core/ports.ts'
import type { JudgeInput } from '../../core/schemas/worker.ts'
import { fetchModel } from '../checkpoint/fetch-objects.ts'
import { CallProcess } from '../child-process/call-process.ts'
import { unpackError } from '../../core/packed-error.ts'
import type { SourceOptions } from '../models/source.ts'
import type { JudgeModel, JudgeProtocol } from './judge-process.ts'
import type { LocalJudgeOptions } from './local-judge-client.ts'

/** A judge that nobody asks for so long gives its memory back; asked again, it is loaded again. */
const IDLE_MS = 5 * 60_000
/** A text or a model that takes a judge so long without a run of the engine takes for ever. */
const STALL_SECONDS = 300

/**
 * A local judge in a process of its own, for a server that must stay responsive; started when first asked.
 * Asking rejects with what kept the model from being opened, and with `judge_unreachable` where the process dies.
 * @param engine `environment`: all that the process gets of one; by default this process's
 * @param blobs where the objects of a checkpoint are read, by the key in `url`
 */
export function localJudgeHost(
  judge: JudgeInput,
  blobs: BlobStore,
  {
    environment,
    ...engine
  }: SourceOptions & Pick<LocalJudgeOptions, 'threads' | 'device'> & { environment?: NodeJS.ProcessEnv },
): JudgeClient {
  const process = new CallProcess<JudgeProtocol>({
    script: new URL(`./judge-process${import.meta.url.slice(-3)}`, import.meta.url),
    environment,
    idleMs: IDLE_MS,
    stallSeconds: STALL_SECONDS,
    died: (how) => new GavelError('judge_unreachable', `the process of the local judge ${how}; try again`),
    async prepare() {
      const { model, cleanUp } = await modelOf(judge, blobs)
      const order = { model, engine: judge.engine ?? 'gavel', options: { ...engine, labels: judge.labels } }
      return { order, cleanUp }
    },
  })
  return {
    async firstTokenLogprobs(requests, signal) {
      const answers = await process.call(requests, { signal })
      return answers.map((answer) => ('error' in answer ? unpackError(answer.error) : answer))
    },
    labelTokens: () => process.ready(),
  }
}

/** What the process is to open, a checkpoint's objects fetched into a folder that `cleanUp` removes. */
async function modelOf(judge: JudgeInput, blobs: BlobStore): Promise<{ model: JudgeModel; cleanUp: () => void }> {
  if (!judge.model) throw new GavelError('unavailable_here', `judge ${judge.id} is not a local one`, { param: 'judge' })
  if (judge.model.type !== 'checkpoint') return { model: judge.model, cleanUp: () => {} }
  const path = mkdtempSync(join(tmpdir(), 'gavel-judge-'))
  const cleanUp = () => rmSync(path, { recursive: true, force: true })
  try {
    const download = async ({ url }: { url: string }) => new Response((await blobs.stream(url))?.body ?? null)
    await fetchModel({ download }, judge.model.objects, path)
    return { model: { type: 'fetched', path }, cleanUp }
  } catch (error) {
    cleanUp()
    throw error
  }
}
