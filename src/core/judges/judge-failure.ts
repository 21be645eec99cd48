import { GavelError } from '../errors.ts'
import type { FirstTokenLogprobs } from '../ports.ts'

/** That a judge's provider gave no judgment, and what was spent on asking it all the same. */
export class JudgeFailure extends GavelError {
  readonly usage: FirstTokenLogprobs['usage']

  constructor(message: string, usage: FirstTokenLogprobs['usage']) {
    super('judge_unreachable', message)
    this.usage = usage
  }
}
