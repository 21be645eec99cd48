/** That tenants are apart: part of what the database must do. */
import assert from 'node:assert/strict'
import type { Database, ResourceRow } from '../../src/service/database.ts'
import { checkpointOf, jobIn, leased, resource } from './database-rows.ts'

/** What every table of resources has, whatever its bodies are. */
interface AnyTable {
  insert(row: Omit<ResourceRow<unknown>, 'version'>, sha256: string): Promise<ResourceRow<unknown>>
  find(tenant: string, idOrName: string): Promise<ResourceRow<unknown> | null>
  list(tenant: string, page: { limit: number; after?: string }): Promise<{ rows: ResourceRow<unknown>[] }>
  remove(tenant: string, id: string, now: number): Promise<boolean>
}
const KINDS = ['keys', 'judges', 'recipes', 'datasets', 'models'] as const

export function tenantsContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  open: () => Promise<Database>,
): void {
  test('another tenant’s resource is not found by id or name, nor listed or removed', async () => {
    const database = await open()
    for (const kind of KINDS) {
      const table = database[kind] as AnyTable
      const id = `${kind}_theirs`
      await table.insert(resource(id, 'shared', 'other'), `${kind} theirs`)
      assert.deepEqual([await table.find('t', id), await table.find('t', 'shared')], [null, null], kind)
      await table.insert(resource(`${kind}_own`, 'shared'), `${kind} own`)
      await table.insert(resource(`${kind}_newer`, 'shared', 'other'), `${kind} newer`)
      assert.equal((await table.find('t', 'shared'))?.id, `${kind}_own`, kind)
      assert.equal(await table.find('t', id), null, kind)
      assert.equal(await table.remove('t', id, 5), false, kind)
      assert.equal((await table.find('other', id))?.id, id, kind)
      const listed = (await table.list('t', { limit: 9 })).rows.map((row) => row.id)
      assert.deepEqual(listed, [`${kind}_own`], kind)
      await assert.rejects(table.list('t', { limit: 9, after: id }), { code: 'not_found' }, kind)
    }
  })

  test('another tenant’s judge is not changed, and its key has no budget', async () => {
    const { judges, keys } = await open()
    const judge = { ...resource('judge_1', null, 'other'), body: { rubric: 'r' } as never }
    await judges.insert(judge)
    await judges.annotate('t', 'judge_1', { audit: { passed: true } as never })
    await judges.setBudget('t', 'judge_1', { tokens: 1 })
    assert.deepEqual((await judges.find('other', 'judge_1'))?.body, judge.body)
    const budget = { day: { cost: 1 } } as never
    await keys.insert({ ...resource('key_1', null, 'other'), body: { scopes: ['data'], budget } }, 'hash')
    assert.equal(await keys.budgetOf('t', 'key_1'), undefined)
    assert.deepEqual(await keys.budgetOf('other', 'key_1'), budget)
  })

  test('another tenant’s job is not found or listed, nor does it keep anything in use', async () => {
    const database = await open()
    const { jobs } = database
    const own = await jobIn(database, 'job_own')
    const theirs = await jobIn(database, 'job_theirs', 'other')
    assert.equal(await jobs.find('t', theirs.id), null)
    assert.equal((await jobs.find('other', theirs.id))?.id, theirs.id)
    assert.deepEqual(
      (await jobs.list('t', { limit: 9 })).rows.map((row) => row.id),
      [own.id],
    )
    await assert.rejects(jobs.list('t', { limit: 9, after: theirs.id }), { code: 'not_found' })
    assert.deepEqual(await jobs.activeWith('t', 'ds_x'), [own.id])
  })

  test('another tenant’s checkpoint is not found, listed or removed', async () => {
    const database = await open()
    const { checkpoints } = database
    const { id: job, fence } = await leased(database, 'job_theirs', 'other')
    await checkpoints.insert(checkpointOf(job, 'ckpt_theirs', 1, 'other'), { job, fence })
    assert.equal(await checkpoints.find('t', 'ckpt_theirs'), null)
    assert.deepEqual((await checkpoints.list('t', job, { limit: 9 })).rows, [])
    await assert.rejects(checkpoints.list('t', job, { limit: 9, after: 'ckpt_theirs' }), { code: 'not_found' })
    assert.equal(await checkpoints.remove('t', 'ckpt_theirs'), false)
    assert.equal((await checkpoints.find('other', 'ckpt_theirs'))?.id, 'ckpt_theirs')
  })
}
