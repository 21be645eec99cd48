/**
 * A run that is killed in the middle of a step, when its answers are judged or being judged, ends with the bytes of one
 * that nothing happened to: whatever it learned from, it is told again.
 */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { all, type Client, type NewJob } from '../../src/client.ts'
import { startService } from './service.ts'
import { bringData, grpoJob, inState, remains, until } from './training-jobs.ts'

/** Answers of a step; two steps are in the checkpoint when the third is being judged. */
const A_STEP = 16
const IN_THE_THIRD_STEP = 2 * A_STEP + A_STEP / 2

const spec = (judge: string): NewJob =>
  grpoJob({ steps: 4, canary_every: 0, checkpoint_every: 2 }, {
    data: { labelled: 'labelled', unlabelled: 'unlabelled' },
    reward: { lambda: 0.2, mu: 0.8, judge, verifier: 'math', gate: false },
  } as Partial<NewJob>)

/** A judge that says something else each time it is asked the same. */
class FickleJudge {
  readonly asked = new Map<string, number>()
  onAsked: (count: number) => void = () => {}
  #count = 0
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const times = (this.asked.get(text) ?? 0) + 1
      this.asked.set(text, times)
      this.onAsked(++this.#count)
      const yes = 0.1 + ([...text].reduce((sum, c) => (31 * sum + c.charCodeAt(0)) % 997, 7) / 997) * 0.5 + 0.1 * times
      const top_logprobs = Object.entries({ Yes: yes, No: 1 - yes }).map(([token, p]) => ({
        token,
        logprob: Math.log(p),
      }))
      const content = [{ ...top_logprobs[0], top_logprobs }]
      const choices = [{ index: 0, message: { role: 'assistant', content: 'Yes' }, logprobs: { content } }]
      response.setHeader('content-type', 'application/json')
      // In a while, so that the others of the step are still on their way.
      const body = JSON.stringify({ choices, usage: { prompt_tokens: 9, completion_tokens: 1 } })
      setTimeout(() => response.end(body), 20)
    })
  })

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

/** Items that a job has put before judges so far. */
const judgedOf = async (api: Client, id: string) =>
  (await all(api.usage())).filter(({ job }) => job === id).reduce((sum, { items }) => sum + items, 0)

/** @param killed whether the job's process is killed in its third step */
async function run(judge: 'remote' | 'judge', killed: boolean) {
  const service = await startService()
  const fickle = new FickleJudge()
  try {
    const { api } = service
    await bringData(api)
    const provider = { type: 'openai', base_url: await fickle.listen(), model: 'fickle' } as const
    await api.judges.create({ name: 'remote', provider, concurrency: 4 })
    const worker = service.startWorker()
    const inThirdStep = new Promise<void>((resolve) => {
      fickle.onAsked = (count) => {
        if (count === IN_THE_THIRD_STEP) resolve()
      }
    })
    const { id } = await api.jobs.create(spec(judge))
    if (killed) {
      if (judge === 'remote') await inThirdStep
      else await until('the third step is judged', async () => (await judgedOf(api, id)) > 2 * A_STEP)
      process.kill(worker.jobProcess(), 'SIGKILL')
      await inState(api, id, 'queued')
    }
    const left = await remains(api, id)
    const { attempt } = await api.jobs.get(id)
    return { left, attempt, asked: fickle.asked, judged: await judgedOf(api, id) }
  } finally {
    fickle.close()
    await service.close()
  }
}

describe('killed in the middle of a step that is judged', { concurrency: true, timeout: 300_000 }, () => {
  test('a judge that never says the same twice is asked once', async () => {
    const [undisturbed, taken] = [await run('remote', false), await run('remote', true)]
    assert.deepEqual([undisturbed.attempt, taken.attempt], [1, 2])
    assert.deepEqual(taken.left, undisturbed.left)
    assert.deepEqual(taken.asked, undisturbed.asked, 'the same questions')
    assert.ok(taken.asked.size > IN_THE_THIRD_STEP && [...taken.asked.values()].every((times) => times === 1))
  })

  test('a local judge sees the same answers together again', async () => {
    const [undisturbed, taken] = [await run('judge', false), await run('judge', true)]
    assert.deepEqual([undisturbed.attempt, taken.attempt], [1, 2])
    assert.deepEqual(taken.left, undisturbed.left)
    assert.ok(taken.judged > undisturbed.judged, 'what it saw twice is counted twice')
  })
})
