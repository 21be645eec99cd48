import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { probabilityOfYes } from '../../src/core/judges/probability.ts'
import type { FirstTokenLogprobs, JudgeClient, JudgeRequest } from '../../src/core/ports.ts'

/**
 * What every {@link JudgeClient} owes its caller, whatever is behind it: a remote provider, a local model, a scripted
 * server. Call it at the top of a test file.
 *
 * @param create gives a client whose judge is up; called once, in the first test
 */
export function judgeClientContract(name: string, create: () => Promise<JudgeClient> | JudgeClient): void {
  const labels = { yes: 'Yes', no: 'No' }
  const asking = (question: string): JudgeRequest => ({
    messages: [{ role: 'user', content: `${question}\nIs the answer correct?\n` }],
    labels: [labels.yes, labels.no],
  })

  describe(`judge client: ${name}`, () => {
    let created: Promise<JudgeClient> | undefined
    const client = () => (created ??= Promise.resolve(create()))

    test('gives a distribution over first tokens: natural logs, no more than all of the mass', async () => {
      const [answer] = await (await client()).firstTokenLogprobs([asking('What is 2+2?\n4')])
      assert.ok(answer && !(answer instanceof Error), String(answer))
      assert.ok(answer.logprobs.length >= 2)
      const mass = answer.logprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)
      assert.ok(mass > 0 && mass < 1.001, `mass ${mass}`)
      assert.ok(answer.logprobs.every(({ token, logprob }) => typeof token === 'string' && logprob <= 1e-3))
      assert.ok(answer.usage.promptTokens > 0)
      assert.notEqual(probabilityOfYes(answer.logprobs, labels, 0).outcome, 'failed')
    })

    test('answers many requests in order', async () => {
      const questions = Array.from({ length: 12 }, (_, i) => asking(`What is ${i}+${i}?\n${2 * i}`))
      const together = await (await client()).firstTokenLogprobs(questions)
      assert.equal(together.length, questions.length)
      for (const i of [0, 5, 11]) {
        const [alone] = await (await client()).firstTokenLogprobs([questions[i]!])
        const judged = (answer: FirstTokenLogprobs | Error) => {
          if (answer instanceof Error) throw answer
          return probabilityOfYes(answer.logprobs, labels, 0)
        }
        const [inBatch, byItself] = [judged(together[i]!), judged(alone!)]
        assert.equal(inBatch.outcome, byItself.outcome)
        if (inBatch.outcome === 'scored' && byItself.outcome === 'scored') {
          // Batched kernels add in another order, so equal to a few digits rather than to the bit.
          assert.ok(Math.abs(inBatch.probability - byItself.probability) < 1e-3)
        }
      }
    })

    test('asked nothing, answers nothing', async () => {
      assert.deepEqual(await (await client()).firstTokenLogprobs([]), [])
    })

    test('an aborted call rejects with the reason of its signal', async () => {
      const reason = new Error('changed my mind')
      const call = (await client()).firstTokenLogprobs([asking('q')], AbortSignal.abort(reason))
      await assert.rejects(call, (error) => error === reason)
    })
  })
}
