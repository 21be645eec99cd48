/** A process that answers calls, for call-process.test.ts. */
import { setTimeout as sleep } from 'node:timers/promises'
import { GavelError } from '../../src/core/errors.ts'
import { answerCalls } from '../../src/gpu-worker/child-process/answer-calls.ts'

export interface EchoProtocol {
  order: { refuse: boolean }
  ready: number
  request: { say: string[]; then: 'return' | 'fail' | 'crash' | 'wait' | 'block' }
  part: string
  result: number
}

answerCalls<EchoProtocol>(async ({ refuse }) => {
  if (refuse) throw new GavelError('corrupt_model', 'not today', { param: 'model' })
  return {
    ready: process.pid,
    async answer({ say, then }, { emit, signal }) {
      for (const word of say) emit(word)
      if (then === 'fail') throw new GavelError('prompt_too_long', 'too long', { param: 'prompt' })
      if (then === 'crash') process.exit(3)
      // As a regular expression that takes for ever does.
      while (then === 'block') emit.length
      if (then === 'wait') await sleep(60_000, undefined, { signal }).catch(() => emit('stopped waiting'))
      return say.length
    },
  }
})
