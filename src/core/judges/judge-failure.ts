import { GavelError } from '../errors.ts'
import type { TokenUsage } from '../ports.ts'

/** That a judge's provider gave no judgment, and what was spent on asking it all the same. */
export class JudgeFailure extends GavelError {
  readonly usage: TokenUsage

  constructor(message: string, usage: TokenUsage) {
    super('judge_unreachable', message)
    this.usage = usage
  }
}
