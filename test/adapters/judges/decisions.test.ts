/** Judges behind endpoints that answer with probabilities: OpenAI's decisions and System One. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { remoteJudgeClient } from '../../../src/adapters/judges/remote-judge-client.ts'
import { probabilityOfYes } from '../../../src/core/judges/probability.ts'
import { judgeClientContract } from '../../contracts/judge-client.ts'
import { startProviderServer } from './provider-server.ts'

const server = await startProviderServer()
after(() => server.close())

for (const type of ['decisions', 'systemone'] as const) {
  const client = () =>
    remoteJudgeClient(
      {
        provider: { type, base_url: `${server.url}/v1/`, model: 'm', has_api_key: true },
        timeout_ms: 2000,
        concurrency: 4,
      },
      'sk-secret',
      { backoffMs: 2, rng: { uniform: () => 0.5 } },
    )
  const ask = async (text: string) => {
    const request = { messages: [{ role: 'user' as const, content: text }], labels: ['Yes', 'No'] }
    const [answer] = await client().firstTokenLogprobs([request])
    if (answer instanceof Error) return { outcome: 'failed', reason: answer.message } as const
    return probabilityOfYes(answer!.logprobs, { yes: 'Yes', no: 'No' })
  }

  judgeClientContract(type, client)

  describe(`${type}: a server that misbehaves`, () => {
    test('gives the probability of the choice, also where that is certain', async () => {
      for (const p of [0.25, 0, 1]) {
        const judgment = await ask(`p=${p}`)
        assert.ok(judgment.outcome === 'scored' && Math.abs(judgment.probability - p) < 1e-12, `${p}`)
        assert.ok(Math.abs(judgment.labelMass - 1) < 1e-12)
      }
    })

    test('asks for a choice between the labels, the prompt being the material', async () => {
      await ask(`p=0.5 ${type}`)
      const { path, body, headers } = server.received.find(({ text }) => text === `p=0.5 ${type}`)!
      assert.deepEqual([path, headers.authorization, body.model], [`/v1/${type}`, 'Bearer sk-secret', 'm'])
      assert.ok(JSON.stringify(body.questions).includes('"Yes"') && JSON.stringify(body.questions).includes('"No"'))
    })

    test('a refusal is an abstention that says so; garbage and silence are failures', async () => {
      const refused = await ask('refuses')
      assert.equal(refused.outcome, 'abstained')
      assert.match('reason' in refused ? refused.reason : '', /refusal/)
      const failures = {
        'forgets-a-label': /no probability for "No"/,
        'more-than-all': /labels' probabilities sum to 1\.8/,
        'negative-probability': /probabilit/,
        'not-json': /not JSON/,
        'other-shape': /is no (decision: answers|System One answer: the body)/,
        'fails-always': /in 4 tries: it answered 500/,
        unauthorized: /401 \(check the api_key/,
      }
      for (const [text, reason] of Object.entries(failures)) {
        const judgment = await ask(text)
        assert.equal(judgment.outcome, 'failed', text)
        assert.match('reason' in judgment ? judgment.reason : '', reason, text)
      }
    })
  })
}
