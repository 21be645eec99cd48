import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JudgmentTable } from '../../../src/service/database.ts'
import { CountedCache } from '../../../src/service/usage/counted-cache.ts'
import { Ledger } from '../../../src/service/usage/ledger.ts'
import { openDatabase } from '../../helpers/test-app.ts'

const judgment = { probability: 0.25, labelMass: 1 }

test('lookups are written by flush alone, a statement for all judges, and none is lost when a write fails', async () => {
  const { database, close } = await openDatabase(':memory:')
  const keys = Array.from({ length: 2500 }, (_, i) => `key-${i}`)
  const ledger = new Ledger(database.usage, Date, { bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) })
  await ledger.keep('judge_1', new Map(keys.map((key) => [key, judgment])))
  let writes = 0
  let failing = false
  const table: JudgmentTable = {
    ...database.judgments,
    async addLookups(byJudge) {
      if (failing) throw new Error('the disk is full')
      writes++
      await database.judgments.addLookups(byJudge)
    },
  }
  const counted = new CountedCache(table, ledger)
  const cache = counted.paidBy(() => {})
  const summary = (judge: string) => database.judgments.summary(judge)

  assert.deepEqual((await cache.getMany('judge_1', ['key-1', 'other'])).get('key-1'), judgment)
  await cache.getMany('judge_1', keys)
  await cache.getMany('judge_2', ['unknown'])
  assert.equal(writes, 0)
  assert.deepEqual(await summary('judge_1'), { entries: 2500, hits: 0, misses: 0 })
  assert.deepEqual(counted.totals, { hits: 2501, misses: 2 })

  failing = true
  const failed = assert.rejects(counted.flush(), /disk is full/)
  await cache.getMany('judge_1', ['key-2'])
  await failed
  failing = false
  await Promise.all([counted.flush(), counted.flush()])
  assert.equal(writes, 1)
  assert.deepEqual(await summary('judge_1'), { entries: 2500, hits: 2502, misses: 1 })
  assert.deepEqual(await summary('judge_2'), { entries: 0, hits: 0, misses: 1 })
  close()
})
