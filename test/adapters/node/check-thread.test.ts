import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { checkThread } from '../../../src/adapters/node/check-thread.ts'
import { assessRows } from '../../../src/core/rewards/reward-rows.ts'
import { rewardRecipe, type RewardItem } from '../../../src/core/schemas/reward.ts'
import { parse } from '../../../src/core/schemas/parse.ts'
import { verifierOf } from '../../../src/core/verifiers/index.ts'
import { verifyItems } from '../../../src/core/verifiers/verify-items.ts'
import { unlimited } from '../../../src/core/work-budget.ts'

const checks = checkThread()
after(() => checks.close())

test('the thread gives what would be found here', async () => {
  const items = [
    { text: 'It is \\boxed{1/2}.', gold: '0.5' },
    { text: 'It is 7.', gold: '8' },
    { text: '', gold: '8' },
  ]
  assert.deepEqual(await checks.verify('math', items, 't'), await verifyItems(verifierOf('math'), items, unlimited()))
  const recipe = parse(rewardRecipe, { lambda: 1, verifier: 'math', pseudo_labels: {} })
  const said = (completion: string, answer?: string): RewardItem => ({ prompt: 'q', completion, answer, finish_reason: 'stop' }) // prettier-ignore
  const rows = [
    said('So it is 5.'),
    said('It is 5.0, then.'),
    said('I get 6.', '7'),
    said('No idea'),
    said('5', 'no\u0000'),
  ]
  const [there, here] = [await checks.assess(recipe, rows, 't'), await assessRows(recipe, rows)]
  assert.deepEqual(there.map((row) => ({ ...row, invalid: row.invalid?.toBody() })), here.map((row) => ({ ...row, invalid: row.invalid?.toBody() }))) // prettier-ignore
})

test('what is wrong comes back as the error that it is', async () => {
  await assert.rejects(checks.verify('exact', [{ text: 'a', gold: '' }], 't'), {
    name: 'GavelError',
    code: 'unprocessable',
    param: 'items[0].gold',
  })
})

test('while the thread computes, this process goes on', async () => {
  const text = '$5 '.repeat(60_000)
  const items = Array.from({ length: 20 }, () => ({ text, gold: '1' }))
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  await checks.verify('math', items, 't')
  clearInterval(timer)
  assert.ok(longest < 500, `${longest}`)
})
