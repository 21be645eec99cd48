import { registerData } from './data.ts'
import { registerEval } from './eval.ts'
import { registerJobs } from './jobs.ts'
import { registerJudge } from './judge.ts'
import { registerKeys } from './keys.ts'
import { registerModels } from './models.ts'
import type { Registration } from './run-program.ts'
import { registerTrain } from './train.ts'
import { registerUsage } from './usage.ts'
import { registerVerify } from './verify.ts'

/** The API from a shell. */
export const API_COMMANDS: readonly Registration[] = [
  registerJudge,
  registerVerify,
  registerData,
  registerModels,
  registerTrain,
  registerJobs,
  registerEval,
  registerKeys,
  registerUsage,
]
