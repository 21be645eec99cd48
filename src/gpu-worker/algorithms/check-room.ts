import { GavelError } from '../../core/errors.ts'
import { MAX_OBJECTS } from '../../core/schemas/checkpoint.ts'
import type { CheckpointKeep } from '../../core/schemas/training.ts'
import { checkpointSize, type Copies, type Training } from '../checkpoint/training-files.ts'
import type { RunContext } from './run-context.ts'

/** What decides how large a run's checkpoints are, and how many there are at once. */
interface CheckpointPlan {
  steps: number
  checkpointEvery: number
  /** How many are kept, all where it is left out; `hasBest`: whether one of them may be the best. */
  keep: CheckpointKeep | undefined
  hasBest: boolean
  copies: Copies
  /** Whether each of a LoRA run holds the merged model as well. */
  mergeEvery: boolean
}

/**
 * Says what a checkpoint will weigh, before there is anything to lose. Throws `unavailable_here` where the object store
 * does not take what the run is going to commit, and `disk_full`, after which a job is tried again for a while, where it
 * or the worker's disk has no room for it now.
 */
export function checkRoom(training: Training, plan: CheckpointPlan, context: RunContext): void {
  const { storage, resume, shardBytes, event } = context
  if (!storage) return
  const { scratch, store } = storage
  const sizeOf = (merged: boolean) => checkpointSize(training, { merged, copies: plan.copies, shardBytes })
  const [usual, last] = [sizeOf(plan.mergeEvery), sizeOf(true)]
  const more = checkpointsToCome(plan, resume?.step ?? 0)
  const spelt = Object.entries(last.parts).map(([part, bytes]) => `${part} ${size(bytes)}`)
  const weighs = `a checkpoint weighs ${size(last.bytes)} in ${last.files} files (${spelt.join(', ')})`
  event('info', `${weighs}; the object store holds ${more} of them more at once`, { ...last, at_once: more })

  if (last.files > MAX_OBJECTS) {
    const remedy = "raise the worker's GAVEL_SHARD_BYTES"
    throw refused(`${weighs}, but may have ${MAX_OBJECTS} files; ${remedy}`)
  }
  if (last.largest > store.objectBytes) {
    throw refused(`${weighs}, and one of them ${size(last.largest)}, but the object store takes ${size(store.objectBytes)} at most; train adapters alone (lora), or a smaller model`) // prettier-ignore
  }
  if (last.bytes > scratch.freeBytes) {
    throw noRoom(`${weighs}, and the worker's disk has ${size(scratch.freeBytes)} free; make room, or set GAVEL_WORKSPACE to a folder on a larger disk`) // prettier-ignore
  }
  if (store.freeBytes === null) return
  const own = store.volume !== null && store.volume === scratch.volume ? last.bytes : 0
  const needed = (more - 1) * usual.bytes + last.bytes + own
  if (needed <= store.freeBytes) return
  const all = more === 1 ? '' : `, and there are ${more} at once`
  const twice = own ? ', besides the one that the worker writes on the same disk' : ''
  const fewer = more > 1 ? 'lower keep.last or commit more seldom (checkpoint_every), ' : ''
  throw noRoom(`${weighs}${all}${twice}: ${size(needed)}, but the object store has ${size(store.freeBytes)} free; make room, ${fewer}or train adapters alone (lora)`) // prettier-ignore
}

/** How many checkpoints a run adds at most to those that there are, at any one time: one more than are kept. */
export function checkpointsToCome({ steps, checkpointEvery, keep, hasBest }: CheckpointPlan, done: number): number {
  const until = (step: number) => (checkpointEvery > 0 ? Math.floor(step / checkpointEvery) : 0)
  const endsBetween = checkpointEvery === 0 || steps % checkpointEvery !== 0
  const coming = until(steps) - until(done) + (endsBetween ? 1 : 0)
  const kept = keep ? keep.last + (keep.best && hasBest ? 1 : 0) : Infinity
  const there = done > 0 ? Math.min(kept, Math.max(1, until(done))) : 0
  return Math.max(1, Math.min(coming, kept + 1 - there))
}

/** In bytes, MB or GB (10⁹), to three digits. */
const size = (bytes: number): string =>
  bytes < 1e6
    ? `${bytes} bytes`
    : bytes < 1e9
      ? `${(bytes / 1e6).toPrecision(3)} MB`
      : `${(bytes / 1e9).toPrecision(3)} GB`

const noRoom = (message: string) => new GavelError('disk_full', `${message}.`)
const refused = (message: string) => new GavelError('unavailable_here', `${message}.`, { param: 'config' })
