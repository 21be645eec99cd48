/** What goes wrong ends in a state and a message that say what, where, and what to do; and nothing is lost by it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { all, ApiError, type NewJob } from '../../src/client.ts'
import { openFolder, saveFolder } from '../../src/gpu-worker/models/source.ts'
import { freePort } from '../helpers/free-port.ts'
import { LocalHub, REPO } from '../helpers/local-hub.ts'
import { startService, type Service } from './service.ts'
import { bringData, grpoJob, inState, MODELS, progressOf, sftJob, until } from './training-jobs.ts'

async function service(t: TestContext, options: Parameters<typeof startService>[0] = {}): Promise<Service> {
  const started = await startService(options)
  t.after(() => started.close())
  return started
}

/** A job's error, once it has one: it has failed, or waits for another try. */
const errorOf = ({ api }: Service, id: string) =>
  until(`${id} has an error`, async () => (await api.jobs.get(id)).error)

/** The error of a job that no other try would help. */
async function failureOf(here: Service, spec: NewJob) {
  const { id } = await here.api.jobs.create(spec)
  return (await inState(here.api, id, 'failed')).error!
}

/** A file system of `megabytes`; null where this machine does not let us have one. */
function smallDisk(t: TestContext, megabytes: number): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-small-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder])
  t.after(() => {
    if (mounted.status === 0) spawnSync('umount', ['-l', folder])
    rmdirSync(folder)
  })
  return mounted.status === 0 ? folder : null
}
const NO_DISK = 'no small disk to be had: mounting a tmpfs needs root'

describe('faults', { concurrency: true }, () => {
  test('what a job names and cannot be used', async (t) => {
    const here = await service(t)
    const { api } = here
    await bringData(api)
    here.startWorker({ GAVEL_MODEL_ROOTS: [MODELS, here.folder].join(':') })
    const model = (name: string, path: string) => api.models.create({ name, source: { type: 'local', path } })

    // A path outside of what the operator allows.
    await model('elsewhere', '/etc')
    const outside = await failureOf(here, sftJob({}, { model: 'elsewhere' }))
    assert.equal(outside.code, 'unavailable_here')
    assert.match(
      outside.message,
      /local model \/etc is outside .* start it with --models \(GAVEL_MODEL_ROOTS\) naming one that holds it/,
    )

    // Weights with a number that is none.
    const broken = join(here.folder, 'broken')
    cpSync(join(MODELS, 'student'), broken, { recursive: true })
    const folder = openFolder(broken)
    folder.weights.get('model.norm.weight')!.data[7] = NaN
    saveFolder(broken, { ...folder, dtype: 'F32' })
    await model('broken', broken)
    const nan = await failureOf(here, sftJob({}, { model: 'broken' }))
    assert.equal(nan.code, 'corrupt_model')
    assert.match(nan.message, /tensor model\.norm\.weight holds NaN at element 7/)

    // Files that do not hold together.
    const spoilt = (name: string, spoil: (folder: string) => void) => {
      const path = join(here.folder, name)
      cpSync(join(MODELS, 'student'), path, { recursive: true })
      spoil(path)
      return model(name, path)
    }
    await spoilt('cut', (path) => truncateSync(join(path, 'model.safetensors'), 500_000))
    await spoilt('other-tokens', (path) => {
      const file = join(path, 'tokenizer.json')
      writeFileSync(file, readFileSync(file, 'utf8').replace(/"vocab": ?\{/, '"vocab":{"zz":70,'))
    })
    await spoilt('adapter-alone', (path) => {
      rmSync(join(path, 'model.safetensors'))
      writeFileSync(join(path, 'adapter_config.json'), '{}')
    })
    const said: Record<string, RegExp> = {
      cut: /model\.safetensors: tensor \S+ reaches past the end of the file/,
      'other-tokens': /its tokenizer cannot be used: "zz" and ".*" have one id, 70/,
      'adapter-alone': /holds a LoRA adapter without its model/,
    }
    for (const [name, message] of Object.entries(said)) {
      const { code, message: why } = await failureOf(here, sftJob({}, { model: name }))
      assert.match(code, /^(corrupt|unsupported)_model$/)
      assert.match(why, message)
    }

    // A judge whose label is no token.
    await api.judges.create({
      name: 'wordy',
      provider: { type: 'local', model: 'judge-model' },
      labels: { yes: 'Undoubtedly', no: 'No' },
    })
    const reward = { lambda: 0.5, mu: 0.5, judge: 'wordy', verifier: 'math' } as const
    const labels = await failureOf(here, grpoJob({}, { reward } as Partial<NewJob>))
    assert.equal(labels.code, 'judge_labels_not_single_token')
    assert.match(labels.message, /labels\.yes 'Undoubtedly' is not a single token .* Choose a shorter label/)
  })

  test('rows that cannot be used are named by dataset and line', async (t) => {
    const here = await service(t)
    const { api } = here
    await bringData(api)
    here.startWorker()
    const rows = (...list: object[]) => list.map((row) => JSON.stringify(row)).join('\n\n')

    const fine = { prompt: 'What is 2 + 3?', answer: '5' }
    await api.datasets.create(rows(fine, { prompt: 'and 1 '.repeat(200), answer: '200' }), { name: 'long' })
    const data = (labelled: string) => ({ data: { labelled } }) as Partial<NewJob>
    const long = await failureOf(here, grpoJob({}, data('long')))
    assert.equal(long.code, 'prompt_too_long')
    assert.match(
      long.message,
      /labelled, line 3: the prompt has \d+ tokens, more than the 96 allowed; 1 of 2 rows .* room for 472 beside 40 new ones/,
    )
    const evaluation = {
      type: 'eval',
      model: 'student',
      dataset: 'long',
      verifier: 'math',
      config: { max_new_tokens: 505, limit: 1 },
    } as const
    const context = await failureOf(here, evaluation)
    assert.equal(context.code, 'prompt_too_long')
    assert.match(
      context.message,
      /line 1: the prompt has \d+ tokens, more than the 7 allowed; .* room for 7 beside 505 new ones/,
    )

    // Gold that nothing can be compared with: refused when the job is made or when it begins.
    await api.datasets.create(rows(fine, fine, { prompt: 'Why?', answer: 'because it is so' }), { name: 'odd' })
    const gold = await failureOf(here, grpoJob({}, data('odd'))).catch((error: unknown) => error as ApiError)
    assert.match(gold.message, /line 5.*because it is so.*Give a number/s)
    const canary = { data: { labelled: 'labelled', canary: 'odd' } } as Partial<NewJob>
    const watched = await failureOf(here, grpoJob({}, canary)).catch((error: unknown) => error as ApiError)
    assert.match(watched.message, /canary.*line 5/s)
  })

  test('a rate that is far too high ends as diverged, with the last checkpoint whole', async (t) => {
    const here = await service(t)
    await bringData(here.api)
    here.startWorker()
    // The decay takes away a hundred times what there is: weights grow until they overflow.
    const wild = { learning_rate: 10, weight_decay: 10, warmup_steps: 0, schedule: 'constant', steps: 60 } as const
    for (const spec of [sftJob({ ...wild, checkpoint_every: 1 }), grpoJob({ ...wild, checkpoint_every: 1 })]) {
      const { id } = await here.api.jobs.create(spec)
      const { error } = await inState(here.api, id, 'failed')
      assert.equal(error!.code, 'diverged', error!.message)
      const step = Number(/^step (\d+): /.exec(error!.message)?.[1])
      assert.match(
        error!.message,
        /start a job from the last checkpoint, or from the model, with .*lower learning_rate/,
      )
      const [last] = await all(here.api.jobs.checkpoints(id))
      assert.equal(last?.step ?? 0, step - 1)
      if (spec.type === 'sft') assert.ok(last, 'nothing was committed before')
      for (const { name, sha256 } of last?.files ?? []) {
        const bytes = new Uint8Array(await (await here.api.checkpoints.file(last!.id, name)).arrayBuffer())
        assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256, name)
      }
    }
  })

  test('an object of a checkpoint that was tampered with is refused by name', async (t) => {
    const here = await service(t)
    const { api } = here
    await bringData(api)
    here.startWorker()
    const first = await api.jobs.create(sftJob({ steps: 2, checkpoint_every: 1 }))
    await inState(api, first.id, 'succeeded')
    const [checkpoint] = await all(api.jobs.checkpoints(first.id))
    const [path] = globSync(join(here.objects, `**/${first.id}/checkpoints/2/*/model.safetensors`))
    const bytes = readFileSync(path!)
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(path!, bytes)
    const error = await failureOf(here, sftJob({}, { model: checkpoint!.id }))
    assert.equal(error.code, 'corrupt_model')
    assert.match(
      error.message,
      /^model\.safetensors: the stored bytes .* are not those that were committed .* Restore it/,
    )
  })

  test('a model that the hub does not have, or not for us, fails its job at the first try, and says why', async (t) => {
    const here = await service(t)
    const { api } = here
    await bringData(api)
    const hub = new LocalHub()
    const endpoint = await hub.start()
    t.after(() => hub.close())
    here.startWorker({ HF_ENDPOINT: endpoint, HF_HOME: join(here.folder, 'hub') })
    const attempt = async (name: string, repo: string, message: RegExp) => {
      await api.models.create({ name, source: { type: 'hub', repo } })
      const { id } = await api.jobs.create(sftJob({}, { model: name }))
      const error = await errorOf(here, id)
      assert.equal(error.code, 'model_inaccessible')
      assert.match(error.message, message)
      const { state, attempt } = await api.jobs.get(id)
      assert.deepEqual([state, attempt], ['failed', 1])
    }
    await attempt('missing', 'No/Such', /No\/Such .* no such model or revision: check the name/)
    hub.gated = true
    await attempt('gated', REPO, /give a token in HF_TOKEN/)
  })

  test('a hub that cannot be reached is tried again, and says so meanwhile', async (t) => {
    const here = await service(t)
    const { api } = here
    await bringData(api)
    here.startWorker({ HF_ENDPOINT: 'http://127.0.0.1:9', HF_HOME: join(here.folder, 'hub') })
    await api.models.create({ name: 'nowhere', source: { type: 'hub', repo: 'nobody/no-such-model' } })
    const { id } = await api.jobs.create(sftJob({}, { model: 'nowhere' }))
    const error = await errorOf(here, id)
    assert.equal(error.code, 'model_download_failed')
    assert.match(
      error.message,
      /nobody\/no-such-model .* check that http:\/\/127\.0\.0\.1:9 can be reached \(HF_ENDPOINT\)/,
    )
    await api.jobs.cancel(id)
  })

  test('a judge that cannot be reached: tried again, then failed; resumed once it is there, it succeeds', async (t) => {
    const here = await service(t)
    const { api } = here
    await bringData(api)
    here.startWorker()
    const port = await freePort()
    const provider = { type: 'openai', base_url: `http://127.0.0.1:${port}/v1`, model: 'judge' } as const
    await api.judges.create({ name: 'remote', provider, concurrency: 64 })
    const reward = { lambda: 0, mu: 1, judge: 'remote', gate: false }
    const small = { steps: 2, prompts_per_step: 2, group_size: 2 }
    const { id } = await api.jobs.create(
      grpoJob(small, { reward, data: { unlabelled: 'unlabelled' } } as Partial<NewJob>),
    )
    const error = await errorOf(here, id)
    assert.equal(error.code, 'judge_unreachable')
    assert.match(error.message, /step 1: none of 4 answers got a score: .*ECONNREFUSED.* Mend it, then resume the job/)

    const failed = await inState(api, id, 'failed')
    assert.deepEqual([failed.error!.code, failed.attempt], ['judge_unreachable', 5])
    const judge = createServer((_request, response) => {
      const top_logprobs = [
        { token: 'Yes', logprob: Math.log(0.75) },
        { token: 'No', logprob: Math.log(0.25) },
      ]
      const content = [{ ...top_logprobs[0]!, top_logprobs }]
      const choices = [{ index: 0, message: { role: 'assistant', content: 'Yes' }, logprobs: { content } }]
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ choices, usage: { prompt_tokens: 9, completion_tokens: 1 } }))
    }).listen(port, '127.0.0.1')
    t.after(() => {
      judge.closeAllConnections()
      judge.close()
    })
    await api.jobs.resume(id)
    const { error: none } = await inState(api, id, 'succeeded')
    assert.equal(none, null)
    const [step] = await all(api.jobs.metrics(id, { limit: 1 }))
    assert.ok(Math.abs(step!.values['reward/judge']! - 0.75) < 1e-6)
  })

  test("a worker's full disk: the job says so, and goes on where there is room", async (t) => {
    const here = await service(t)
    const disk = smallDisk(t, 4)
    if (!disk) return t.skip(NO_DISK)
    await bringData(here.api)
    const cramped = here.startWorker({ GAVEL_WORKSPACE: disk })
    const { id } = await here.api.jobs.create(sftJob({ steps: 4, checkpoint_every: 2 }))
    const error = await errorOf(here, id)
    assert.equal(error.code, 'disk_full')
    assert.match(
      error.message,
      /a checkpoint weighs .*, and the worker's disk has .* free; make room, or set GAVEL_WORKSPACE/,
    )
    cramped.signal('SIGTERM')
    await cramped.ended
    here.startWorker()
    await inState(here.api, id, 'succeeded')
  })

  test("the API's full disk: requests are refused as such, jobs go on when there is room", async (t) => {
    const disk = smallDisk(t, 64)
    if (!disk) return t.skip(NO_DISK)
    const here = await service(t, { dataDir: join(disk, 'server') })
    await bringData(here.api)
    const filler = join(disk, 'filler')
    fillUp(filler)
    const refused = await here.api.datasets
      .create(
        Array<string>(200)
          .fill(JSON.stringify({ prompt: 'x'.repeat(5000) }))
          .join('\n'),
      )
      .catch((error: unknown) => error as ApiError)
    assert.ok(refused instanceof ApiError)
    assert.deepEqual([refused.status, refused.code], [507, 'disk_full'])
    assert.match(refused.message, /disk .* is full; make room and send the request again/)

    // What is there can be read all the same, and readiness knows that nothing can be written.
    const headers = { authorization: 'Bearer gvl_key-of-the-operator' }
    const get = (path: string) => fetch(here.url + path, { headers })
    // The connection that was refused in the middle of its body may be closed as it is taken again.
    const statusOf = async (path: string) => (await get(path).catch(() => get(path))).status
    assert.deepEqual(
      [await statusOf('/readyz'), await statusOf('/livez'), await statusOf('/v1/usage')],
      [507, 200, 200],
    )
    assert.ok((await all(here.api.datasets.list())).length > 0)
    assert.equal((await all(here.api.jobs.list())).length, 0)

    // Room for the database, none for a checkpoint.
    truncateSync(filler, statSync(filler).size - 3_000_000)
    here.startWorker()
    const { id } = await here.api.jobs.create(sftJob({ steps: 3, checkpoint_every: 1 }))
    const error = await errorOf(here, id)
    assert.equal(error.code, 'disk_full')
    assert.match(error.message, /a checkpoint weighs .*, but the object store has .* free; make room/)
    truncateSync(filler, 0)
    await inState(here.api, id, 'succeeded')
    assert.deepEqual((await progressOf(here.api, id)).checkpoints, [1, 2, 3])
  })
})

/** Writes until nothing more fits. */
function fillUp(path: string): void {
  const piece = Buffer.alloc(65_536)
  try {
    for (;;) writeFileSync(path, piece, { flag: 'a' })
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  }
}
