import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GavelError } from '../../../src/core/errors.ts'
import { NOTHING_USED } from '../../../src/core/judges/usage-counts.ts'
import type { Entry } from '../../../src/service/database.ts'
import { takeFromBudget } from '../../../src/service/usage/budget.ts'
import { Ledger } from '../../../src/service/usage/ledger.ts'
import { openDatabase } from '../../helpers/test-app.ts'

const entropy = { bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) }
const payer = { tenant: 't', key: 'key_1' }
const items = (n: number, more = {}) => ({ ...NOTHING_USED, items: n, ...more })

async function ledgerAt(time: string) {
  const clock = { time: Date.parse(time), now: () => clock.time }
  const { database, close } = await openDatabase(':memory:')
  return { clock, database, close, ledger: new Ledger(database.usage, clock, entropy) }
}

describe('the ledger', () => {
  test('adds up in memory, and what is written stays', async () => {
    const { ledger, database, close } = await ledgerAt('2026-11-25T23:59:59Z')
    ledger.add(payer, 'judge_1', items(3, { promptTokens: 10, cost: 0.5 }))
    ledger.add(payer, 'judge_1', items(2, { cached: 2 }))
    ledger.add(payer, 'judge_2', items(1))
    ledger.add(payer, '', items(100))
    ledger.add(payer, '', items(0))
    assert.equal((await ledger.spent(payer, '2026-11-25')).items, 6, 'verification is not spent on judges')
    assert.deepEqual([ledger.totals.judged.items, ledger.totals.verified.items], [6, 100])
    await Promise.all([ledger.flush(), ledger.flush()])
    ledger.add(payer, 'judge_1', items(4))
    assert.equal((await ledger.spent(payer, '2026-11-25')).items, 10)
    await ledger.flush()
    const { rows } = await database.usage.list('t', { limit: 10, from: '2026-11-25', to: '2026-11-25' })
    assert.deepEqual(
      rows.map((row) => [row.judge, row.items, row.cached, row.promptTokens, row.cost]),
      [
        ['', 100, 0, 0, 0],
        ['judge_1', 9, 2, 10, 0.5],
        ['judge_2', 1, 0, 0, 0],
      ],
    )
    close()
  })

  test('keeps what the database refused, for the next time', async () => {
    const { database, clock, close } = await ledgerAt('2026-11-25T12:00:00Z')
    let broken = true
    const table = {
      ...database.usage,
      enter: async (entry: Entry, now: number) => {
        if (broken) throw new Error('disk full')
        await database.usage.enter(entry, now)
      },
    }
    const ledger = new Ledger(table, clock, entropy)
    ledger.add(payer, 'judge_1', items(3))
    await assert.rejects(ledger.flush(), /disk full/)
    ledger.add(payer, 'judge_1', items(4))
    assert.equal((await ledger.spent(payer, '2026-11-25')).items, 7)
    broken = false
    await ledger.flush()
    assert.equal((await database.usage.spent(payer, '2026-11-25')).items, 7)
    close()
  })
})

describe('a ledger whose database fails', () => {
  /** Refuses, or loses its answer, as told. */
  async function failing(fate: (entry: Entry) => Error | 'lost' | null) {
    const { database, clock, close } = await ledgerAt('2026-11-25T12:00:00Z')
    const table = {
      ...database.usage,
      async enter(entry: Entry, now: number) {
        const what = fate(entry)
        if (what instanceof Error) throw what
        await database.usage.enter(entry, now)
        if (what === 'lost') throw new Error('the connection broke')
      },
    }
    const used = async (key: string) => (await database.usage.spent({ tenant: 't', key }, '2026-11-25')).items
    return { ledger: new Ledger(table, clock, entropy), used, database, close }
  }

  test('one line that can never be written keeps back no other, now or later', async () => {
    const { ledger, used, close } = await failing(({ rows }) =>
      rows.some(({ payer: of }) => of === 'bad') ? new Error('NOT NULL constraint failed') : null,
    )
    const keys = ['a', 'bad', 'b', 'c']
    for (let round = 1; round <= 3; round++) {
      for (const key of keys) ledger.add({ tenant: 't', key }, 'judge_1', items(1))
      await assert.rejects(ledger.flush(), /NOT NULL/)
      assert.deepEqual(await Promise.all(keys.map(used)), [round, 0, round, round])
    }
    close()
  })

  test('what was entered and whose answer was lost is entered once, also when it is split', async () => {
    let fates: ('lost' | null)[] = []
    const { ledger, used, database, close } = await failing(() => fates.shift() ?? null)
    for (const some of [['lost'], ['lost', 'lost', 'lost'], ['lost', null, 'lost']] as const) {
      fates = [...some]
      for (const key of ['a', 'b']) ledger.add({ tenant: 't', key }, 'judge_1', items(2))
      ledger.spend('judge_1', { tokens: 1, cost: 1 })
      await ledger.flush().catch(() => {})
      await ledger.flush().catch(() => {})
      await ledger.flush()
    }
    assert.deepEqual([await used('a'), await used('b')], [6, 6])
    assert.deepEqual(await database.judges.spentOn('judge_1'), { tokens: 0, cost: 0 })
    close()
  })

  test('judgments wait in memory, known, and no more is asked for than fits there', async () => {
    let isFull = true
    const full = new GavelError('disk_full', 'full')
    const { ledger, database, close } = await failing(() => (isFull ? full : null))
    const some = (from: number, count: number) =>
      new Map(Array.from({ length: count }, (_, i) => [`k${from + i}`, { probability: 0.5, labelMass: 1 }]))
    await ledger.keep('judge_1', some(0, 10))
    await ledger.keep('judge_1', new Map([['k3', { probability: 0.9, labelMass: 1 }]]))
    assert.deepEqual([...ledger.unwritten(['k3', 'other'])], [['k3', { probability: 0.5, labelMass: 1 }]])
    ledger.refuseWhenFull()
    await ledger.keep('judge_2', some(10, 99_990))
    assert.throws(() => ledger.refuseWhenFull(), full)
    ledger.forget('judge_1')
    assert.equal(ledger.unwritten(['k3']).size, 0)
    isFull = false
    await ledger.flush()
    ledger.refuseWhenFull()
    assert.equal(ledger.unwritten(['k10']).size, 0)
    assert.equal((await database.judgments.summary('judge_2')).entries, 99_990)
    assert.equal((await database.judgments.summary('judge_1')).entries, 0)
    close()
  })
})

describe('budgets', () => {
  test('items are never exceeded, not even by requests at the same time', async () => {
    const { ledger, clock, close } = await ledgerAt('2026-11-25T18:00:00Z')
    const take = (n: number) => takeFromBudget(ledger, payer, { items: 10, per: 'day' }, n, clock.time)
    const release = await take(6)
    await assert.rejects(take(5), (error: { code: string; retryAfter: number }) => {
      assert.deepEqual([error.code, error.retryAfter], ['budget_spent', 6 * 3600])
      return true
    })
    const other = await take(4)
    ledger.add(payer, 'judge_1', items(6))
    release()
    await assert.rejects(take(1), /6 .*|10 are used/)
    other()
    const third = await take(4)
    third()
    clock.time += 6 * 3600_000
    ;(await take(10))()
    close()
  })

  test('what was known from before is not used of a budget', async () => {
    const { ledger, clock, close } = await ledgerAt('2026-11-25T18:00:00Z')
    ledger.add(payer, 'judge_1', items(7, { cached: 4 }))
    const take = (n: number) => takeFromBudget(ledger, payer, { items: 10, per: 'day' }, n, clock.time)
    ;(await take(7))()
    await assert.rejects(take(8), /; 3 are used/)
    close()
  })

  test('a refusal says to whom it speaks: who sent a request, or whose job it is', async () => {
    const { ledger, clock, close } = await ledgerAt('2026-11-25T18:00:00Z')
    const take = (n: number, job?: string) =>
      takeFromBudget(ledger, { ...payer, ...(job && { job }) }, { items: 10, per: 'day' }, n, clock.time)
    ledger.add(payer, 'judge_1', items(8))
    const spent = { code: 'budget_spent' }
    await assert.rejects(take(3), {
      ...spent,
      message: /budget of this key is 10 items a day; 8 are used .* brings 3 /,
    })
    await assert.rejects(take(3, 'job_1'), {
      ...spent,
      message: /key that made this job .*; 8 are used .* resume the job/,
    })
    const beyond = { code: 'too_large', param: 'body' }
    await assert.rejects(take(11), { ...beyond, message: /The request brings 11 items .* can never pass\. Split it / })
    await assert.rejects(take(11, 'job_1'), { ...beyond, message: /The job brings 11 answers .* can never go on/ })
    ;(await take(2))()
    close()
  })

  test('tokens and cost stop what comes after they are used up, until the month is over', async () => {
    const { ledger, clock, close } = await ledgerAt('2026-12-31T00:00:00Z')
    ledger.add(payer, 'judge_1', items(1, { promptTokens: 90, completionTokens: 9, cost: 1.5 }))
    const take = (budget: object) => takeFromBudget(ledger, payer, { per: 'month', ...budget }, 1, clock.time)
    ;(await take({ tokens: 100, cost: 2 }))()
    await assert.rejects(take({ tokens: 99 }), /99 tokens a month; 99 are used/)
    await assert.rejects(take({ cost: 1.5 }), {
      retryAfter: 86_400,
      message: /^The budget of this key is 1\.5 US dollars a month; 1\.5 are used/,
    })
    ;(await takeFromBudget(ledger, { ...payer, key: 'key_2' }, { tokens: 1, per: 'month' }, 1, clock.time))()
    clock.time += 86_400_000
    ;(await take({ tokens: 99 }))()
    close()
  })
})
