/** The largest batch of rewards, in which some items fail: each by itself, with its reason. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countingJudge } from '../contracts/api.ts'
import { testApp } from '../helpers/test-app.ts'

const SIZE = 4096
const BAD = { gold: 17, silent: 400, broken: 4095 }

test('4,096 items in one request: what fails is its own, and one more item is too many', async () => {
  const { judgeClient } = countingJudge()
  const app = await testApp({ judgeClient })
  const provider = { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' }
  await app.json('/v1/judges', { json: { name: 'j', provider } })
  const items = Array.from({ length: SIZE }, (_, i) => ({
    prompt: `What is ${i} + 5?`,
    completion: `#### ${i + 5}`,
    ...(i % 2 === 1 && { answer: String(i + 5) }),
  }))
  items[BAD.gold] = { ...items[BAD.gold]!, answer: '' }
  items[BAD.silent]!.completion = 'nothing'
  items[BAD.broken]!.completion = 'boom'
  const reward = { lambda: 1, mu: 1, verifier: 'math', judge: 'j', gate: false }
  const { data } = await app.json('/v1/rewards', { json: { reward, items } })
  assert.equal(data.length, SIZE)
  const outcomes = data.map(({ outcome }: { outcome: string }) => outcome)
  assert.deepEqual([outcomes[BAD.gold], outcomes[BAD.silent], outcomes[BAD.broken]], ['failed', 'abstained', 'failed'])
  for (const i of Object.values(BAD)) {
    assert.equal(data[i].reward, null)
    assert.ok(data[i].reason.length > 10, data[i].reason)
  }
  assert.match(data[BAD.gold].reason, /items\[17\]\.answer/)
  assert.equal(outcomes.filter((outcome: string) => outcome === 'scored').length, SIZE - 3)
  const { error } = await app.json('/v1/rewards', { json: { reward, items: [...items, items[0]] } }, 400)
  assert.match(error.message, /`items` .*4096/)
  app.close()
})
