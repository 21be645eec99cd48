import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeCounts } from '../../../src/service/usage/write-counts.ts'

/** What is written and logged where the ledger or the cache of judgments cannot be written. */
async function written(broken: { ledger?: Error; judgments?: Error }) {
  const done: string[] = []
  const flush = (name: 'ledger' | 'judgments') => async () => {
    done.push(name)
    if (broken[name]) throw broken[name]
  }
  const logged: unknown[][] = []
  const logError = (...told: unknown[]) => void logged.push(told)
  await writeCounts({
    ledger: { flush: flush('ledger') } as never,
    judgments: { flush: flush('judgments') } as never,
    logError,
  })
  return { done, logged }
}

test('both the ledger and what was counted of the cache are written; what fails is logged and harms nobody', async () => {
  const both = ['ledger', 'judgments']
  const full = new Error('the disk is full')
  assert.deepEqual(await written({}), { done: both, logged: [] })
  assert.deepEqual(await written({ ledger: full }), { done: both, logged: [[full, 'ledger']] })
  assert.deepEqual(await written({ judgments: full }), { done: both, logged: [[full, 'ledger']] })
})
