/** What the database must do, on node:sqlite and on D1 alike. */
import assert from 'node:assert/strict'
import { NOTHING_USED } from '../../src/core/judges/usage-counts.ts'
import { NAME } from '../../src/core/schemas/fields.ts'
import type { CachedJudgment } from '../../src/core/judges/score-items.ts'
import { RESERVATION_MS, type Database, type JudgeBody, type Spent, type UsageRow } from '../../src/service/database.ts'
import { usageId } from '../../src/service/usage/usage-id.ts'
import { checkpointOf, claim, entry, jobIn, leased, resource, spec } from './database-rows.ts'
import { leasesContract } from './leases.ts'
import { rateWindowsContract } from './rate-windows.ts'
import { tenantsContract } from './tenants.ts'

const ids = (rows: { id: string }[]) => rows.map((row) => row.id)

/** @param open a database with all migrations applied, and no rows */
export function databaseContract(
  test: (name: string, run: () => Promise<void>) => unknown,
  open: () => Promise<Database>,
): void {
  test('resources: versions of a name, lookup by id and name, tenants apart', async () => {
    const { models } = await open()
    assert.equal((await models.insert(resource('model_1', 'm'))).version, 1)
    assert.equal((await models.insert(resource('model_2', 'm'))).version, 2)
    assert.equal((await models.insert(resource('model_3', 'm', 'other'))).version, 1)
    assert.equal((await models.find('t', 'm'))!.id, 'model_2')
    assert.equal((await models.find('t', 'model_1'))!.version, 1)
    assert.equal(await models.find('t', 'model_3'), null)
    assert.equal(await models.remove('t', 'model_3', 5), false)
    assert.equal(await models.remove('t', 'model_2', 5), true)
    assert.equal((await models.find('t', 'm'))!.id, 'model_1')
    assert.equal((await models.insert(resource('model_4', 'm'))).version, 3, 'a deleted version is not given out again')
  })

  tenantsContract(test, open)
  leasesContract(test, open)
  rateWindowsContract(test, async () => (await open()).rates)

  test('the ledger: counts are added up, and listed by day, payer and judge', async () => {
    const { usage } = await open()
    const enter = (rows: UsageRow[]) => usage.enter({ ...entry(), rows }, 0)
    const row = (day: string, payer: string, judge: string, items: number, tenant = 't') => ({
      ...NOTHING_USED, tenant, day, payer, judge, job: '', items, promptTokens: 10 * items, cost: items / 4,
    }) // prettier-ignore
    await enter([row('2026-11-24', 'key_1', 'j', 1), row('2026-11-25', 'key_1', 'j', 2)])
    await enter([row('2026-11-25', 'key_1', 'j', 3), row('2026-11-25', 'key_1', '', 50)])
    await enter([row('2026-11-25', '', 'j', 7), row('2026-11-25', 'key_1', 'j', 9, 'other')])
    const spent = await usage.spent({ tenant: 't', key: 'key_1' }, '2026-11-25')
    assert.deepEqual(spent, { ...NOTHING_USED, items: 5, promptTokens: 50, cost: 1.25 })
    assert.equal((await usage.spent({ tenant: 't', key: 'key_1' }, '2026-11-01')).items, 6)
    assert.deepEqual(await usage.spent({ tenant: 't', key: 'nobody' }, '2026-11-01'), NOTHING_USED)
    const days = { from: '2026-11-24', to: '2026-11-25' }
    const first = await usage.list('t', { ...days, limit: 2 })
    assert.deepEqual([first.rows.map(usageId), first.more], [['2026-11-25//j', '2026-11-25/key_1/'], true])
    const second = await usage.list('t', { ...days, limit: 2, after: usageId(first.rows[1]!) })
    assert.deepEqual([second.rows.map(usageId), second.more], [['2026-11-25/key_1/j', '2026-11-24/key_1/j'], false])
    const own = await usage.list('t', { from: '2026-11-25', to: '2026-11-25', payer: 'key_1', limit: 9 })
    assert.deepEqual(
      own.rows.map((r) => r.items),
      [50, 5],
    )
    const byJob = { ...row('2026-11-25', 'key_1', 'j', 4), job: 'job_1' }
    await enter([byJob, { ...byJob, job: 'job_2' }])
    await enter([byJob])
    assert.equal((await usage.spent({ tenant: 't', key: 'key_1' }, '2026-11-25')).items, 17, 'its jobs are its own')
    const after = usageId({ ...byJob, job: '' })
    const jobs = await usage.list('t', { from: '2026-11-25', to: '2026-11-25', limit: 9, after })
    assert.deepEqual(
      jobs.rows.map((r) => [usageId(r), r.items]),
      [
        ['2026-11-25/key_1/j/job_1', 8],
        ['2026-11-25/key_1/j/job_2', 4],
      ],
    )
    assert.equal((await usage.list('t', { ...days, limit: 1, after: usageId(byJob) })).rows[0]!.job, 'job_2')
    await assert.rejects(usage.list('t', { ...days, limit: 2, after: 'x' }), { code: 'not_found' })
  })

  test('the ledger: a report of a lease counts once, and with its fence ends', async () => {
    const database = await open()
    const { judges, usage } = database
    await judges.insert({ ...resource('judge_1', null), body: { budget: { tokens: 100 } } as JudgeBody })
    await jobIn(database, 'job_1')
    const row = {
      ...NOTHING_USED, tenant: 't', day: '2026-11-25', payer: 'key_1', judge: 'judge_1', job: 'job_1', items: 4, promptTokens: 30,
    } // prettier-ignore
    const spent = { tokens: 30, cost: 0.5 }
    const report = (fence: number, number: number, of: Spent | null = spent) =>
      usage.addReport({ job: 'job_1', fence, number }, row, of)
    const counted = async () => [
      (await usage.spent({ tenant: 't', key: 'key_1' }, row.day)).items,
      (await judges.find('t', 'judge_1'))!.body.spent ?? null,
    ]
    assert.equal(await report(1, 1), false, 'no lease yet')
    const { fence } = (await claim(database, 2000))!
    assert.deepEqual(await Promise.all([report(fence, 1), report(fence, 1)]), [true, false])
    assert.equal(await report(fence, 1), false)
    assert.deepEqual(await counted(), [4, spent])
    assert.equal(await report(fence, 2, null), true)
    assert.deepEqual([await report(fence, 1), await report(fence, 2)], [false, false])
    assert.deepEqual(await counted(), [8, spent], 'of a judge without budget nothing is spent')
    const next = (await claim(database, 9000))!
    assert.equal(await report(fence, 3), false, 'the lease is lost')
    assert.deepEqual([await report(next.fence, 1), await report(next.fence, 1)], [true, false])
    assert.deepEqual(await counted(), [12, { tokens: 60, cost: 1 }])
  })

  test('lists go newest first, page by page, and know a bad cursor', async () => {
    const { models } = await open()
    for (let i = 0; i < 5; i++) await models.insert(resource(`model_${i}`, `m${i}`))
    const first = await models.list('t', { limit: 2 })
    assert.deepEqual([ids(first.rows), first.more], [['model_4', 'model_3'], true])
    await models.remove('t', 'model_3', 5)
    const second = await models.list('t', { limit: 2, after: 'model_3' })
    assert.deepEqual([ids(second.rows), second.more], [['model_2', 'model_1'], true])
    const last = await models.list('t', { limit: 2, after: 'model_1' })
    assert.deepEqual([ids(last.rows), last.more], [['model_0'], false])
    await assert.rejects(models.list('other', { limit: 2, after: 'model_1' }), { code: 'not_found' })
  })

  test('keys are found by hash until they are revoked', async () => {
    const { keys } = await open()
    const row = {
      id: 'key_1',
      tenant: 't',
      name: null,
      body: { scopes: ['data' as const] },
      secret: null,
      createdAt: 1,
    }
    await keys.insert(row, 'hash')
    assert.deepEqual((await keys.findByHash('hash'))!.body, { scopes: ['data'] })
    assert.equal(await keys.findByHash('other'), null)
    await keys.remove('t', 'key_1', 2)
    assert.equal(await keys.findByHash('hash'), null)
  })

  test('a claim takes the oldest ready job, and each claim raises the fence', async () => {
    const database = await open()
    for (const id of ['job_a', 'job_b']) await jobIn(database, id)
    const all = await Promise.all([claim(database, 10), claim(database, 10), claim(database, 10)])
    assert.deepEqual(all.map((row) => row?.id).sort(), ['job_a', 'job_b', undefined])
    assert.equal(await claim(database, 110), null, 'the lease still holds at its last millisecond')
    const again = (await claim(database, 111))!
    assert.deepEqual([again.id, again.fence, again.attempt, again.tries], ['job_a', 2, 2, 2])
    assert.equal(await database.jobs.heartbeat({ job: 'job_a', fence: 1 }, 999), null)
    assert.equal((await database.jobs.heartbeat({ job: 'job_a', fence: 2 }, 999))!.leaseExpiresAt, 999)
  })

  test('a claim leaves alone what is not for it', async () => {
    const database = await open()
    const job = await jobIn(database, 'job_a', 'other')
    assert.equal(await claim(database, 10, { tenant: 't' }), null)
    assert.equal(await claim(database, 10, { kinds: ['grpo'] }), null)
    await database.jobs.swap(job, { notBefore: 50 }, 1)
    assert.equal(await claim(database, 49), null)
    for (let tries = 1; tries <= 3; tries++) assert.equal((await claim(database, tries * 1000))!.tries, tries)
    assert.equal(await claim(database, 9000), null, 'tried often enough')
    assert.deepEqual(ids(await database.jobs.expired(9000, 3)), ['job_a'])
  })

  test('what a sweep is to settle is not hidden by any number of jobs that a claim will take', async () => {
    const database = await open()
    const { jobs } = database
    // Each sweep sees a hundred.
    for (let i = 0; i < 101; i++) await leased(database, `job_${i}`)
    assert.deepEqual(await jobs.expired(9000, 2), [])
    const last = (await jobs.get('job_100'))!
    await jobs.swap(last, { pauseRequested: true }, 20)
    assert.deepEqual(ids(await jobs.expired(9000, 2)), ['job_100'])
    assert.equal((await jobs.expired(9000, 1)).length, 100)
    assert.deepEqual(await jobs.expired(100, 1), [], 'no lease has run out')
  })

  test('swap writes only on what was read', async () => {
    const database = await open()
    const job = await jobIn(database, 'job_a')
    assert.equal(await database.jobs.swap(job, { state: 'paused' }, 5), true)
    assert.equal(await database.jobs.swap(job, { state: 'cancelled' }, 6), false)
    assert.equal((await database.jobs.find('t', 'job_a'))!.state, 'paused')
    assert.equal(await database.jobs.find('other', 'job_a'), null)
  })

  test('every change of state leaves an event, numbered in order', async () => {
    const database = await open()
    const job = await jobIn(database, 'job_a')
    await claim(database, 2000)
    const running = (await database.jobs.get('job_a'))!
    const error = { code: 'diverged', message: 'NaN' }
    await database.jobs.swap(running, { state: 'failed', error }, 3000)
    const { rows } = await database.jobs.events(job.id, { limit: 10 })
    assert.deepEqual(
      rows.map((event) => [event.message, event.level, event.created_at]),
      [
        ['job is queued', 'info', 1],
        ['job is running', 'info', 2],
        ['job is failed: NaN', 'error', 3],
      ],
    )
    assert.deepEqual(rows[2]!.data, { state: 'failed', attempt: 1, worker: 'w', error })
    const rest = await database.jobs.events(job.id, { limit: 1, after: rows[0]!.id })
    assert.deepEqual([ids(rest.rows), rest.more], [[rows[1]!.id], true])
  })

  test('the event of a return to the queue says why, and whether it was a mishap', async () => {
    const { jobs } = await open()
    const database = { jobs } as Database
    await jobIn(database, 'job_a')
    const now = async () => (await jobs.get('job_a'))!
    const claimAt = (time: number) => claim(database, time, { maxTries: 9 })
    const error = { code: 'model_download_failed', message: 'The hub answers 503.' }
    await claimAt(2000)
    await jobs.swap(await now(), { state: 'queued', error, notBefore: 8000 }, 3000)
    await claimAt(9000)
    assert.deepEqual((await now()).error, error, 'what its last try ended with is kept until it gets on')
    await jobs.swap(await now(), { state: 'queued', error: null, notBefore: 9500 }, 9500)
    await claimAt(10_000)
    await claimAt(900_000)
    await jobs.swap(await now(), { state: 'paused', error }, 900_001)
    await jobs.swap(await now(), { state: 'queued', error: null }, 900_002)
    const { rows } = await jobs.events('job_a', { limit: 20 })
    assert.deepEqual(
      rows.map(({ message, level }) => `${level} ${message}`),
      [
        'info job is queued',
        'info job is running',
        'warning job is queued, for another try in 5 s: The hub answers 503.',
        'info job is running',
        'info job is queued: its worker gave it back',
        'info job is running',
        'warning job is running again: the worker that had it fell silent',
        'warning job is paused: The hub answers 503.',
        'info job is queued',
      ],
    )
    const errors = rows.map(({ data }) => data!.error ?? null)
    assert.deepEqual(errors.slice(1), [null, error, null, null, null, null, error, null])
  })

  test('events are counted per job, and one of a key is kept once, in one post or in many, under any fence', async () => {
    const database = await open()
    const { jobs } = database
    await jobIn(database, 'job_other')
    const { id: job, fence } = await leased(database, 'job_mine', 'mine')
    const event = (message: string, key?: string) => ({ level: 'info' as const, message, ...(key && { key }) })
    const post = (events: ReturnType<typeof event>[], of = fence) => jobs.postEvents({ job, fence: of }, events, 5)
    assert.equal(await post([event('a', 'k1'), event('b', 'k2'), event('a again', 'k1'), event('free')]), true)
    assert.equal(await post([event('a', 'k1')]), true, 'nothing new, and the lease holds')
    assert.equal(await post([event('a', 'k1')], fence + 1), false)
    assert.equal(await post([event('free'), event('b', 'k2'), event('c', 'k3')]), true)
    await Promise.all(Array.from({ length: 20 }, (_, i) => post([event(`race ${i % 10}`, `race ${i % 10}`)])))
    const next = (await claim(database, 9000, { tenant: 'mine' }))!
    assert.equal(await post([event('c', 'k3'), event('d', 'k4')], next.fence), true)
    const { rows } = await jobs.events(job, { limit: 99 })
    const posted = rows.map(({ message }) => message).filter((message) => !/^(job|race)/.test(message))
    assert.deepEqual(posted, ['a', 'b', 'free', 'free', 'c', 'd'])
    assert.equal(rows.filter(({ message }) => message.startsWith('race')).length, 10)
    const numbers = rows.map(({ id }) => Number(id))
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    )
    assert.ok(numbers[0] === 1 && numbers.at(-1)! < 40)
    assert.deepEqual(
      (await jobs.events('job_other', { limit: 9 })).rows.map(({ id }) => id),
      ['1'],
    )
  })

  test('an idempotency key answers the job that was first, within a tenant', async () => {
    const { jobs } = await open()
    const row = (id: string, tenant: string) => ({
      id,
      tenant,
      key: null,
      name: null,
      type: 'sft' as const,
      spec,
      createdAt: 1,
    })
    const key = { key: 'k', requestSha256: 'a' }
    assert.equal((await jobs.insert(row('job_1', 't'), key)).row.id, 'job_1')
    assert.equal((await jobs.insert(row('job_2', 't'), key)).row.id, 'job_1')
    assert.equal((await jobs.insert(row('job_3', 't'), { ...key, requestSha256: 'b' })).requestSha256, 'a')
    assert.equal((await jobs.insert(row('job_4', 'other'), key)).row.id, 'job_4')
  })

  test('metrics merge by step, samples replace, and a lost lease writes nothing', async () => {
    const database = await open()
    const { jobs } = database
    const { id, fence } = await leased(database)
    const lease = { job: id, fence }
    assert.equal(
      await jobs.postMetrics(lease, [
        { step: 1, values: { a: 1, b: 0.1 } },
        { step: 2, values: { a: 2 } },
      ]),
      true,
    )
    assert.equal(await jobs.postMetrics(lease, [{ step: 1, values: { a: -1.5e-7 } }]), true)
    assert.deepEqual((await jobs.metrics(id, { limit: 10 })).rows, [
      { step: 1, values: { a: -1.5e-7, b: 0.1 } },
      { step: 2, values: { a: 2 } },
    ])
    const sample = {
      step: 1,
      split: 'train' as const,
      index: 0,
      prompt: 'p',
      completion: 'c "quoted" \u0000 ü',
      reward: null,
    }
    assert.equal(await jobs.postSamples(lease, [{ ...sample, completion: 'old' }]), true)
    assert.equal(await jobs.postSamples(lease, [sample]), true)
    const { rows } = await jobs.samples(id, { limit: 10 })
    assert.deepEqual(rows, [{ id: rows[0]!.id, ...sample }])

    const stale = { job: id, fence: fence - 1 }
    assert.equal(await jobs.postMetrics(stale, [{ step: 9, values: { a: 1 } }]), false)
    assert.equal(await jobs.postSamples(stale, [{ ...sample, step: 9 }]), false)
    assert.equal(await jobs.postEvents(stale, [{ level: 'info', message: 'late' }], 1), false)
    await jobs.supersede(stale, 0)
    assert.equal((await jobs.metrics(id, { limit: 10 })).rows.length, 2)
    await jobs.supersede(lease, 1)
    assert.deepEqual(
      (await jobs.metrics(id, { limit: 10 })).rows.map((point) => point.step),
      [1],
    )
    assert.deepEqual(await jobs.lastStep([id, 'job_none']), new Map([[id, 1]]))
  })

  test('samples page in order of step, split and index', async () => {
    const database = await open()
    const { id, fence } = await leased(database)
    const at = (step: number, index: number) => ({
      step,
      split: 'train' as const,
      index,
      prompt: '',
      completion: `${step}/${index}`,
    })
    await database.jobs.postSamples({ job: id, fence }, [at(2, 0), at(1, 1), at(1, 0)])
    const first = await database.jobs.samples(id, { limit: 2 })
    assert.deepEqual(
      first.rows.map((row) => row.completion),
      ['1/0', '1/1'],
    )
    const rest = await database.jobs.samples(id, { limit: 2, after: first.rows[1]!.id })
    assert.deepEqual([rest.rows.map((row) => row.completion), rest.more], [['2/0'], false])
    assert.equal((await database.jobs.samples(id, { limit: 5, step: 1 })).rows.length, 2)
  })

  test('a checkpoint is stored once per step, by whoever holds the lease', async () => {
    const database = await open()
    const { id: job, fence } = await leased(database)
    const row = (id: string, step: number) => checkpointOf(job, id, step)
    const { checkpoints } = database
    assert.equal(await checkpoints.insert(row('ckpt_0', 1), { job, fence: fence + 1 }), null)
    assert.equal((await checkpoints.insert(row('ckpt_1', 1), { job, fence }))!.id, 'ckpt_1')
    assert.equal((await checkpoints.insert(row('ckpt_2', 1), { job, fence }))!.id, 'ckpt_1')
    await checkpoints.insert(row('ckpt_3', 7), { job, fence })
    assert.deepEqual((await checkpoints.newest(job))!.manifest.state, { cursor: 3 })
    assert.equal((await checkpoints.newest(job))!.id, 'ckpt_3')
    assert.deepEqual(ids((await checkpoints.list('t', job, { limit: 1 })).rows), ['ckpt_3'])
    assert.equal(await checkpoints.find('other', 'ckpt_1'), null)
  })

  test('checkpoints are removed but for those that a model or another job names', async () => {
    const database = await open()
    const { checkpoints, models, jobs } = database
    const { fence } = await leased(database)
    const lease = { job: 'job_a', fence }
    const all = [1, 2, 3, 4, 5].map((step) => `ckpt_${step}`)
    for (const id of all) await checkpoints.insert(checkpointOf('job_a', id, Number(id.at(-1))), lease)
    assert.deepEqual(ids(await checkpoints.ofJob('job_a')), all)
    const source = { type: 'checkpoint' as const, checkpoint: 'ckpt_1' }
    await models.insert({ ...resource('model_1', 'm'), body: { source } })
    const naming = { ...spec, model: 'ckpt_3' }
    const made = { tenant: 't', key: '', name: null, type: 'sft' as const, createdAt: 1 }
    await jobs.insert({ ...made, id: 'job_b', spec: naming }, null)
    // Another tenant's, what is in a text, and the own job name nothing.
    await jobs.insert({ ...made, id: 'job_c', tenant: 'other', spec: { ...spec, model: 'ckpt_4' } }, null)
    await jobs.insert({ ...made, id: 'job_d', spec: { ...spec, prompt_template: '"ckpt_4" {prompt}' } }, null)
    assert.deepEqual(ids(await checkpoints.removeUnnamed('job_x', all)), [])
    assert.deepEqual(ids(await checkpoints.removeUnnamed('job_a', ['ckpt_1', 'ckpt_3', 'ckpt_4'])), ['ckpt_4'])
    assert.deepEqual(ids(await checkpoints.ofJob('job_a')), ['ckpt_1', 'ckpt_2', 'ckpt_3', 'ckpt_5'])
    await models.remove('t', 'model_1', 5)
    await jobs.remove((await jobs.get('job_b'))!, 5)
    assert.deepEqual(ids(await checkpoints.removeUnnamed('job_a', all)).sort(), [
      'ckpt_1',
      'ckpt_2',
      'ckpt_3',
      'ckpt_5',
    ])
  })

  test('what was posted of a job is forgotten, of no other, however much it is', async () => {
    const { jobs } = await open().then(async (database) => {
      for (const id of ['job_a', 'job_b']) {
        const { fence } = await leased(database, id)
        const steps = Array.from({ length: 1000 }, (_, step) => step)
        for (let round = 0; round < 6; round++) {
          await database.jobs.postEvents({ job: id, fence }, steps.map((step) => ({ level: 'info', message: `${step}` })), 5) // prettier-ignore
        }
        await database.jobs.postMetrics({ job: id, fence }, steps.map((step) => ({ step, values: { 'canary/gold': step / 1000, 'a"b': 1 } }))) // prettier-ignore
        await database.jobs.postSamples({ job: id, fence }, [{ step: 1, split: 'train', index: 0, prompt: 'p', completion: 'c' }]) // prettier-ignore
      }
      return database
    })
    const history = await jobs.metricHistory('job_a', 'canary/gold')
    assert.deepEqual([history.length, { ...history[7] }], [1000, { step: 7, value: 0.007 }])
    assert.deepEqual(await jobs.metricHistory('job_a', 'canary'), [])
    await jobs.forgetPosts('job_a')
    for (const list of ['events', 'metrics', 'samples'] as const) {
      assert.deepEqual((await jobs[list]('job_a', { limit: 9 })).rows, [], list)
      assert.notEqual((await jobs[list]('job_b', { limit: 9 })).rows.length, 0, list)
    }
  })

  test('a job is due to be collected once it is deleted, or when what it was told to upload is over', async () => {
    const database = await open()
    const { jobs } = database
    const due = async (now: number) => ids(await jobs.collectable(now, 9))
    const job = await jobIn(database, 'job_a')
    assert.deepEqual(await due(1e12), [])
    await jobs.collectLater('job_a', 500)
    await jobs.collectLater('job_a', 300)
    assert.deepEqual([await due(499), await due(500)], [[], ['job_a']])
    await jobs.collected('job_a', 499, null)
    assert.deepEqual(await due(500), ['job_a'], 'it was put off meanwhile')
    await jobs.collected('job_a', 500, null)
    assert.deepEqual(await due(1e12), [])
    await jobs.swap(job, { state: 'cancelled' }, 5)
    const ended = (await jobs.ofCheckpoints('job_a'))!
    assert.deepEqual([ended.deleted, ended.job.state], [false, 'cancelled'])
    await jobs.remove((await jobs.get('job_a'))!, 700)
    assert.deepEqual([await due(699), await due(700)], [[], ['job_a']])
    assert.equal((await jobs.ofCheckpoints('job_a'))!.deleted, true)
    assert.equal(await jobs.ofCheckpoints('job_x'), null)
  })

  test('what is longer than any id or name is not looked for', async () => {
    const database = await open()
    const { models, jobs, checkpoints } = database
    const longest = 'x'.repeat(128)
    const longer = 'x'.repeat(129)
    assert.deepEqual([NAME.test(longest), NAME.test(longer)], [true, false])
    for (const name of [longest, longer]) {
      await models.insert(resource(`model_${name.length}`, name))
      await jobIn(database, name)
      const { id: job, fence } = (await claim(database, 10))!
      await checkpoints.insert(checkpointOf(job, name, 1), { job, fence })
    }
    const found = async (name: string) => [
      (await models.find('t', name))?.id,
      (await jobs.find('t', name))?.id,
      (await jobs.get(name))?.id,
      (await checkpoints.find('t', name))?.id,
    ]
    const nothing = [undefined, undefined, undefined, undefined]
    assert.deepEqual(await found(longest), ['model_128', longest, longest, longest])
    assert.deepEqual(await found(longer), nothing)
    assert.deepEqual(await found('x'.repeat(3_000_000)), nothing, 'more than D1 takes')
  })

  test('active jobs are found by what their spec names', async () => {
    const database = await open()
    const job = await jobIn(database, 'job_a')
    assert.deepEqual(await database.jobs.activeWith('t', 'ds_x'), ['job_a'])
    assert.deepEqual(await database.jobs.activeWith('t', 'ds_'), [])
    assert.deepEqual(await database.jobs.activeWith('other', 'ds_x'), [])
    await database.jobs.swap(job, { state: 'paused' }, 1)
    assert.deepEqual(await database.jobs.activeWith('t', 'ds_x'), ['job_a'])
    await database.jobs.swap((await database.jobs.get('job_a'))!, { state: 'cancelled' }, 2)
    assert.deepEqual(await database.jobs.activeWith('t', 'ds_x'), [])
  })

  test('active jobs are found by what their judges and models are made of', async () => {
    const { judges, jobs, models } = await open()
    await models.insert({
      ...resource('model_1', null),
      body: { source: { type: 'checkpoint', checkpoint: 'ckpt_1' } },
    })
    const madeOf = (provider: object) => ({ provider }) as JudgeBody
    const judge = (id: string, provider: object, tenant = 't') =>
      judges.insert({ ...resource(id, null, tenant), body: madeOf(provider) })
    await judge('judge_1', { type: 'local', model: 'model_1' })
    await judge('judge_2', { type: 'openai', model: 'model_1_of_another_kind' })
    await judge('judge_3', { type: 'ensemble', judges: ['judge_1', 'judge_2'] })
    await judge('judge_4', { type: 'local', model: 'model_1' }, 'other')
    await jobs.insert(
      {
        id: 'job_a',
        tenant: 't',
        key: null,
        name: null,
        type: 'eval',
        spec: { judge: 'judge_3' } as never,
        createdAt: 1,
      },
      null,
    )
    for (const id of ['judge_3', 'judge_2', 'judge_1', 'model_1', 'ckpt_1'])
      assert.deepEqual(await jobs.activeWith('t', id), ['job_a'], id)
    for (const id of ['judge_4', 'model_1_of', 'ckpt_2']) assert.deepEqual(await jobs.activeWith('t', id), [], id)
    assert.deepEqual(await jobs.activeWith('other', 'model_1'), [])
  })

  test('judgments are remembered, thousands at a time', async () => {
    const { judgments, usage } = await open()
    const entries = new Map(
      Array.from({ length: 4096 }, (_, i) => [`key-${i}`, { probability: i / 4096, labelMass: 1 }]),
    )
    const keep = (judge: string, of: ReadonlyMap<string, CachedJudgment>) =>
      usage.enter({ ...entry(), judgments: [...of].map(([key, value]) => ({ key, judge, value })) }, 0)
    await keep('judge_a', entries)
    const late = new Map([
      ['key-7', { probability: 0.9, labelMass: 0.8 }],
      ['key-new', { probability: 0.1 + 0.2, labelMass: 1e-17 }],
    ])
    await keep('judge_late', late)
    const kept = await judgments.getMany('judge_late', [...late.keys()])
    assert.deepEqual(kept.get('key-7'), entries.get('key-7'), 'the first stays')
    assert.deepEqual(kept.get('key-new'), late.get('key-new'), 'to the last digit')
    assert.deepEqual(await judgments.getMany('judge_a', [...entries.keys()]), entries)
    assert.equal((await judgments.getMany('judge_a', ['other'])).size, 0)
    await keep('judge_b', new Map([['key-b', { probability: 0.1, labelMass: 1 }]]))
    const lookups = (hits: number, misses: number) => ({ hits, misses })
    await judgments.addLookups(new Map([['judge_a', lookups(4096, 2)]]))
    await judgments.addLookups(
      new Map([
        ['judge_a', lookups(3, 0)],
        ['judge_b', lookups(0, 1)],
      ]),
    )
    assert.deepEqual(await judgments.summary('judge_a'), { entries: 4096, hits: 4099, misses: 2 })
    await judgments.clear('judge_a')
    assert.deepEqual(await judgments.summary('judge_a'), { entries: 0, hits: 4099, misses: 2 })
    assert.deepEqual(await judgments.summary('judge_b'), { entries: 1, hits: 0, misses: 1 })
    assert.deepEqual(await judgments.summary('judge_c'), { entries: 0, hits: 0, misses: 0 })
  })

  test('books: an entry is entered once, however often it comes, whole or as what it was split into', async () => {
    const { usage, judges, judgments } = await open()
    await judges.insert({ ...resource('judge_1', null), body: {} as JudgeBody })
    const row = { ...NOTHING_USED, tenant: 't', day: '2026-11-25', payer: 'key_1', judge: 'judge_1', job: '', items: 4, uncounted: 1 } // prettier-ignore
    const value = { probability: 0.5, labelMass: 1 }
    const all = {
      ...entry('e1'),
      rows: [row],
      spent: [{ judge: 'judge_1', tokens: 7, cost: 0.25 }],
      judgments: [{ key: 'k', judge: 'judge_1', value }],
    }
    const counted = async () => {
      const { items, uncounted } = await usage.spent({ tenant: 't', key: 'key_1' }, row.day)
      return [items, uncounted, await judges.spentOn('judge_1')]
    }
    await Promise.all([usage.enter(all, 0), usage.enter(all, 0)])
    await usage.enter({ ...all, ids: ['e1-part', 'e1'] }, 0)
    assert.deepEqual(await counted(), [4, 1, { tokens: 7, cost: 0.25 }])
    assert.deepEqual((await judgments.getMany('judge_1', ['k'])).get('k'), value)
    for (const id of ['e2-a', 'e2-b', 'e2-a']) await usage.enter({ ...all, ids: [id, 'e2'] }, 0)
    await usage.enter({ ...all, ids: ['e2'] }, 0)
    assert.deepEqual(await counted(), [12, 3, { tokens: 21, cost: 0.75 }], 'two parts, and no whole after them')
    await assert.rejects(usage.enter({ ...all, ids: ['e4'], rows: [{ ...row, cost: Infinity }] }, 0))
    assert.deepEqual(await counted(), [12, 3, { tokens: 21, cost: 0.75 }], 'all of it or nothing')
  })

  test('books: sums stay whole numbers that can be read, whatever is added', async () => {
    const { usage } = await open()
    const most = Number.MAX_SAFE_INTEGER
    const row = { ...NOTHING_USED, tenant: 't', day: '2026-11-25', payer: 'k', judge: 'j', job: '', promptTokens: most }
    for (const job of ['', 'job_1', 'job_2'])
      for (let i = 0; i < 2; i++) await usage.enter({ ...entry(), rows: [{ ...row, job }] }, 0)
    assert.equal((await usage.spent({ tenant: 't', key: 'k' }, row.day)).promptTokens, most)
    const { rows } = await usage.list('t', { from: row.day, to: row.day, limit: 9 })
    assert.deepEqual(rows.map(({ promptTokens }) => promptTokens), [most, most, most]) // prettier-ignore
  })

  test('budgets: items are reserved where they fit, until they are released or over', async () => {
    const { usage } = await open()
    const payer = { tenant: 't', key: 'key_1' }
    const row = { ...NOTHING_USED, tenant: 't', day: '2026-11-25', payer: 'key_1', judge: 'j', job: '', items: 5, cached: 2, promptTokens: 60, cost: 0.5 } // prettier-ignore
    await usage.enter({ ...entry(), rows: [row, { ...row, day: '2026-11-24', items: 50 }] }, 0)
    const reserve = (id: string, items: number, budget: object, now = 1000) =>
      usage.reserve(
        { id, payer, items, sinceDay: '2026-11-25', unwritten: NOTHING_USED, now },
        { per: 'day', ...budget },
      )
    const tries = ['a', 'b', 'c', 'd'].map((id) => reserve(id, 3, { items: 10 }))
    assert.deepEqual(
      (await Promise.all(tries)).filter(Boolean).length,
      2,
      'three are used, and six of seven left are taken',
    )
    assert.equal(await usage.reserved(payer, 1000), 6)
    const unwritten = { ...NOTHING_USED, items: 3, cached: 2 }
    const last = { id: 'f', payer, items: 1, sinceDay: '2026-11-25', unwritten, now: 1000 }
    assert.equal(await usage.reserve(last, { per: 'day', items: 10 }), false)
    assert.equal(await usage.reserved({ ...payer, tenant: 'other' }, 1000), 0)
    assert.deepEqual([await reserve('e', 2, { items: 10 }), await reserve('e', 1, { items: 10 })], [false, true])
    await usage.enter({ ...entry(), released: ['a', 'b', 'c', 'd'] }, 1000)
    assert.equal(await usage.reserved(payer, 1000), 1)
    const over = 1000 + RESERVATION_MS + 1
    await usage.renew(['e'], 1001)
    assert.deepEqual([await usage.reserved(payer, over), await usage.reserved(payer, over + 1)], [1, 0])
    assert.equal(await usage.reserved(payer, 1000 - 2 * RESERVATION_MS), 0, 'of a clock that ran ahead')
    for (const [budget, fits] of [
      [{ tokens: 61 }, true],
      [{ tokens: 60 }, false],
      [{ cost: 0.75 }, true],
      [{ cost: 0.5 }, false],
      [{ items: 100, tokens: 61, cost: 0.5 }, false],
    ] as const)
      assert.equal(await reserve(JSON.stringify(budget), 1, budget), fits, JSON.stringify(budget))
  })

  test('answers a probe', async () => {
    const database = await open()
    await database.probe()
    await database.probe()
  })
}
