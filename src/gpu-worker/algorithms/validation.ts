import type { EarlyStop } from '../../core/schemas/sft.ts'
import type { Model } from '../models/model.ts'
import type { Weights } from '../models/weights.ts'
import { trainedTokens } from '../training/batch.ts'
import { PolicyScorer } from '../training/policy-scorer.ts'
import { finiteOrStop, REMEDIES } from './finite-or-stop.ts'
import type { MemoryPlan } from './memory-plan.ts'
import type { Prepared } from './prepared-rows.ts'
import type { TrainedRow } from './prompts.ts'
import type { RunContext } from './run-context.ts'

/** Rows that are held in memory at a time, whatever their number. */
const AT_ONCE = 512

/** What a run remembers of its validation; part of its checkpoints. */
export interface ValidationState {
  /** Loss before the first step. */
  before: number
  last: number
  /** The smallest so far, after the first step. */
  best: { step: number; loss: number } | null
  /** How often it has been looked at since it last got better by enough. */
  inVain: number
  /** What the next look has to get below to count as better. */
  bar: number | null
}

interface ValidationOptions {
  role: string
  every: number
  steps: number
  earlyStop: EarlyStop | undefined
  maxTokens: number
}

/** Watches the loss on rows that are not trained on. */
export class Validation {
  readonly #rows: Prepared<TrainedRow>
  readonly #options: ValidationOptions
  readonly #scorer: PolicyScorer
  readonly #plan: MemoryPlan
  #state: ValidationState

  private constructor(
    rows: Prepared<TrainedRow>,
    options: ValidationOptions,
    scorer: PolicyScorer,
    plan: MemoryPlan,
    state: ValidationState,
  ) {
    this.#rows = rows
    this.#options = options
    this.#scorer = scorer
    this.#plan = plan
    this.#state = state
  }

  /** @param saved the {@link state} to go on from */
  static async open(
    rows: Prepared<TrainedRow>,
    options: ValidationOptions,
    run: { model: Model; weights: Weights; plan: MemoryPlan },
    { threads, device }: RunContext,
    saved: unknown,
  ): Promise<Validation> {
    const scorer = await PolicyScorer.create(run, options.maxTokens, { threads, device })
    const state = (saved as ValidationState | undefined) ?? { before: 0, last: 0, best: null, inVain: 0, bar: null }
    return new Validation(rows, options, scorer, run.plan, state)
  }

  get state(): ValidationState {
    return this.#state
  }

  /** Whether early stopping has had enough. */
  get exhausted(): boolean {
    const { earlyStop } = this.#options
    return earlyStop !== undefined && this.#state.inVain >= earlyStop.patience
  }

  /**
   * The loss where a look is due (before the first step, every so often, and at the end), and whether it is the smallest
   * so far. Throws `diverged` where it is no number.
   */
  async look(step: number): Promise<{ loss: number; isBest: boolean } | null> {
    const { every, steps, earlyStop } = this.#options
    if (step % every !== 0 && step !== steps) return null
    const loss = await this.#loss(step)
    if (step === 0) {
      this.#state = { ...this.#state, before: loss, last: loss }
      return { loss, isBest: false }
    }
    const { best, inVain, bar } = this.#state
    const isBest = best === null || loss < best.loss
    const isBetter = bar === null || loss < bar
    this.#state = {
      ...this.#state,
      last: loss,
      best: isBest ? { step, loss } : best,
      inVain: isBetter ? 0 : inVain + 1,
      bar: isBetter ? loss - (earlyStop?.min_delta ?? 0) : bar,
    }
    return { loss, isBest }
  }

  /** Mean cross-entropy over all tokens that would be trained, in nats. */
  async #loss(step: number): Promise<number> {
    const { microBatchTokens } = this.#plan
    const { role } = this.#options
    const rows = this.#rows
    const broken: { role: string; line: number }[] = []
    let [sum, tokens] = [0, 0]
    for (let from = 0; from < rows.length; from += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, rows.length - from) }, (_, i) => rows.at(from + i)!)
      const { logprobs } = await this.#scorer.score(some, { temperature: 1, microBatchTokens })
      logprobs.forEach((row, i) => {
        for (const logprob of row) sum -= logprob
        tokens += trainedTokens(some[i]!)
        if (!row.every(Number.isFinite)) broken.push({ role, line: some[i]!.line })
      })
    }
    const loss = sum / tokens
    finiteOrStop(step, { validation_loss: loss }, REMEDIES.supervised, broken)
    return loss
  }
}
