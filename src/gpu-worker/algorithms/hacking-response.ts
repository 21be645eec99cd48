import type { HackingVerdict } from '../../core/rl/detect-hacking.ts'
import type { RewardRecipe } from '../../core/schemas/reward.ts'
import { BEST_FILE } from '../checkpoint/training-files.ts'
import type { Weights } from '../models/weights.ts'
import type { RunContext, RunState } from './run-context.ts'
import type { startTraining } from './start-training.ts'
import { TrainedCopy } from './trained-copy.ts'

type Run = Awaited<ReturnType<typeof startTraining>>
interface Given {
  reward: RewardRecipe
  fallback_reward?: RewardRecipe | undefined
  config: { on_hacking: 'warn' | 'stop' | 'rollback' }
}

const REMEDY =
  'Harden the judge on what fooled it (`gavel judge harden`), weigh the verifier more (lambda), label more prompts, or name another judge'

/**
 * What becomes of a run whose judge is being fooled: nothing but a warning; it stops; or its policy goes back to what it
 * was at the best look at the canary, with the optimizer's memory forgotten, and either ends there or goes on, once, by
 * the job's `fallback_reward`.
 */
export class HackingResponse {
  private readonly run: Run
  private readonly context: RunContext
  private readonly given: Given
  /** The policy at the best look so far, where a run goes back to it. */
  private readonly best: TrainedCopy | null
  private bestStep: number
  private stoppedAt: number | null
  private readonly rollbacks: { step: number; to: number }[]
  private fellBack: boolean

  constructor(run: Run, context: RunContext, given: Given) {
    this.run = run
    this.context = context
    this.given = given
    const { state } = run
    const { resume } = context
    const goesBack = given.config.on_hacking === 'rollback'
    this.best = !goesBack ? null : resume ? TrainedCopy.saved(run, resume.folder, BEST_FILE) : TrainedCopy.of(run)
    this.bestStep = (state?.best_step ?? 0) as number
    this.stoppedAt = (state?.stopped_at ?? null) as number | null
    this.rollbacks = [...((state?.rollbacks ?? []) as { step: number; to: number }[])]
    this.fellBack = (state?.fell_back ?? false) as boolean
  }

  get stopped(): boolean {
    return this.stoppedAt !== null
  }

  /** By which answers are rewarded now. */
  get recipe(): RewardRecipe {
    return this.fellBack ? this.given.fallback_reward! : this.given.reward
  }

  /** Its surroundings with the judges of that recipe. */
  get asking(): RunContext {
    return this.fellBack ? { ...this.context, ...this.context.fallback } : this.context
  }

  /** The policy of this step is the one to go back to. */
  keepBest(step: number): void {
    this.best?.take()
    this.bestStep = step
  }

  /** @returns whether the run has gone back, and goes on by another recipe */
  answer(step: number, verdict: HackingVerdict): boolean {
    const { event } = this.context
    const { on_hacking } = this.given.config
    event('warning', `step ${step}: ${verdict.reason}. ${REMEDY}`, { ...verdict, remedy: REMEDY })
    if (on_hacking === 'warn') return false
    if (on_hacking === 'stop') {
      event('warning', `stopped at step ${step}: the judge is being fooled and on_hacking is "stop"`)
      this.stoppedAt = step
      return false
    }
    this.best!.giveBack()
    this.run.trainer.restartOptimizer()
    this.rollbacks.push({ step, to: this.bestStep })
    const goesOn = this.given.fallback_reward !== undefined && !this.fellBack
    const then = goesOn ? 'the run goes on by `fallback_reward`' : 'the run ends with it'
    event(
      'warning',
      `step ${step}: back to the policy of step ${this.bestStep}, where the canary stood highest; ${then}`,
    )
    if (goesOn) this.fellBack = true
    else this.stoppedAt = step
    return goesOn
  }

  /** What a checkpoint keeps of it. */
  state(): RunState {
    return {
      ...(this.best && { best_step: this.bestStep, rollbacks: this.rollbacks, fell_back: this.fellBack }),
      ...(this.stopped && { stopped_at: this.stoppedAt }),
    }
  }

  files(): Record<string, Weights> {
    return this.best ? { [BEST_FILE]: this.best.own } : {}
  }

  result(steps: number) {
    return {
      steps: this.stoppedAt ?? steps,
      stopped_by_canary: this.stopped,
      ...(this.best && { rollbacks: this.rollbacks }),
    }
  }
}
