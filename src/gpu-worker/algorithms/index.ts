import type { JobType, LeasedSpec } from '../../core/schemas/job.ts'
import { auditJudge } from './audit-judge.ts'
import { calibrateJudge } from './calibrate-judge.ts'
import { evaluate } from './evaluate.ts'
import { grpo } from './grpo.ts'
import { ppo } from './ppo.ts'
import type { RunContext } from './run-context.ts'
import { sft } from './sft.ts'

type Algorithm<T extends JobType> = (spec: LeasedSpec<T>, context: RunContext) => Promise<Record<string, unknown>>

/** What runs each type of job; its answer becomes the job's result. */
const ALGORITHMS: { [T in JobType]: Algorithm<T> } = {
  sft,
  grpo,
  ppo,
  eval: evaluate,
  'judge.calibrate': calibrateJudge,
  'judge.audit': auditJudge,
}

export function runAlgorithm(spec: LeasedSpec, context: RunContext): Promise<Record<string, unknown>> {
  return (ALGORITHMS[spec.type] as Algorithm<JobType>)(spec, context)
}
