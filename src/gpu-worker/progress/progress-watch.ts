import { closeSync, openSync, readSync } from 'node:fs'
import { LONG_PHASES, MARK_BYTES, PHASES, type Phase } from './progress-mark.ts'

/** What takes long of itself, and is never heard of in between, may take so many times as long as all else. */
const LONG = 12

const AT: Record<Phase, (row: number) => string> = {
  starting: () => 'was starting',
  opening: () => 'opened a model or its tokenizer',
  row: (row) => `worked on row ${row} of its data`,
  'own work': () => 'worked on its rows and their texts',
  computing: () => 'ran the model',
  writing: () => 'wrote a checkpoint',
}

/** A process that has not got on for too long. */
export interface Stall {
  /** What it was at, to follow “while it”. */
  at: string
  seconds: number
}

/** Watches what another process tells of its progress (progress-mark.ts), for one that does not get on any more. */
export class ProgressWatch {
  readonly #path: string
  readonly #limitMs: number
  #count = -1
  #stillMs = 0
  #looked: number | null = null

  /** @param limitSeconds how long it may be silent at anything but a run of the engine or a checkpoint: those have 12 times as long */
  constructor(path: string, limitSeconds: number) {
    this.#path = path
    this.#limitMs = limitSeconds * 1000
  }

  /**
   * To be called every `everyMs`. Where this process itself was held up, no more than twice that is counted: the other may
   * have been held up with it.
   * @param limitMs a shorter limit than usual
   */
  look(now: number, everyMs: number, limitMs = this.#limitMs): Stall | null {
    const [count = 0, phaseNumber = 0, row = 0] = this.#read()
    const since = this.#looked === null ? 0 : Math.min(now - this.#looked, 2 * everyMs)
    this.#looked = now
    this.#stillMs = count === this.#count ? this.#stillMs + since : 0
    this.#count = count
    const phase = PHASES[phaseNumber]!
    const limit = LONG_PHASES.has(phase) ? LONG * this.#limitMs : limitMs
    return this.#stillMs > limit ? { at: AT[phase](row), seconds: Math.round(this.#stillMs / 1000) } : null
  }

  #read(): Float64Array {
    const mark = new Uint8Array(MARK_BYTES)
    try {
      const file = openSync(this.#path, 'r')
      readSync(file, mark, 0, MARK_BYTES, 0)
      closeSync(file)
    } catch {
      // It has not begun to tell.
    }
    return new Float64Array(mark.buffer)
  }
}
