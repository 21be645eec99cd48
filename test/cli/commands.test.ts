import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startProviderServer } from '../adapters/judges/provider-server.ts'
import { startCliServer } from './cli-server.ts'

const server = await startCliServer()
const { file, ok, json, fails } = server
const provider = await startProviderServer()
after(async () => {
  await server.close()
  await provider.close()
})

describe('exit codes', () => {
  test('2 where the command is wrong', async () => {
    assert.match(await fails(2, 'data shwo'), /unknown command 'shwo' .*`gavel data --help`/)
    assert.match(await fails(2, 'data list --limit 0'), /--limit .*whole number from 1.*`gavel data list --help`/)
    assert.match(
      await fails(2, 'data upload', join(server.folder, 'none.jsonl')),
      /cannot be read .*ENOENT.*Check the path/,
    )
    assert.match(await fails(2, 'data list --url frob'), /The URL of the API, frob, is none/)
    assert.equal((await server.gavel(['jobs'])).code, 2)
  })

  test('2 without a key, 1 with a wrong one', async () => {
    const keyless = await server.gavel(['data', 'list'], { env: { GAVEL_URL: server.url } })
    assert.deepEqual([keyless.code, keyless.out], [2, ''])
    assert.match(keyless.err, /^gavel: There is no API key\. Set GAVEL_API_KEY or give --api-key/)
    assert.match(await fails(1, 'data list --api-key gvl_wrong'), /The API key is unknown or revoked/)
  })

  test('3 where no API answers', async () => {
    assert.match(await fails(3, 'jobs list --url http://127.0.0.1:1'), /cannot be reached/)
  })

  test('0 for help and version', async () => {
    assert.match(await ok('--help'), /Usage: gavel/)
    assert.match(await ok('train grpo --help'), /--lambda <x>/)
    assert.match(await ok('--version'), /^\d+\.\d+\.\d+\n$/)
  })
})

test('data: upload, list, show, delete', async () => {
  const rows = file('sums.jsonl', '{"prompt": "2 + 3?", "answer": "5"}\n\n{"prompt": "7 - 4?\\u001b[31m"}\n')
  const created = await json('data upload --name sums', rows)
  assert.deepEqual([created.rows, created.labelled, created.version], [2, 1, 1])
  assert.match(
    await ok('data upload --name sums', rows),
    /^sums\.jsonl is ds_\w+ sums \(version 2\): 2 rows, 1 labelled/,
  )

  const list = await json('data list')
  assert.deepEqual(
    list.map((d: { version: number }) => d.version),
    [2, 1],
  )
  assert.match(await ok('data list'), /^id +name +version +rows .*\nds_\w+ +sums +2 +2 +1 /)
  const short = await server.gavel(['data', 'list', '--limit', '1', '--json'])
  assert.equal(JSON.parse(short.out).length, 1)
  assert.match(short.err, /There are more than 1; --limit N shows N/)

  const shown = await json('data show sums --rows 1')
  assert.deepEqual(shown.first_rows, [{ line: 1, row: { prompt: '2 + 3?', answer: '5' } }])
  // What a dataset holds must not steer the terminal.
  assert.doesNotMatch(await ok('data show sums'), /\u001b/)

  assert.match(await ok('data delete', created.id), /is deleted/)
  assert.match(await fails(1, 'data show', created.id), /there is no dataset/)
})

test('data upload names the bad line, and stores nothing', async () => {
  const before = (await json('data list')).length
  const message = await fails(1, 'data upload', file('bad.jsonl', '{"prompt": "a"}\n{"prompt": 3}\n'))
  assert.match(message, /Line 2: `prompt` must be string/)
  assert.equal((await json('data list')).length, before)
})

test('judge: create, score, list, delete', async () => {
  const flags = `judge create --name sums-judge --provider openai --base-url ${provider.url}/v1 --model m`
  assert.match(await ok(flags), /^judge_\w+ sums-judge \(version 1\)\n$/)
  assert.match(await ok('judge list'), /sums-judge +1 +openai +m +answer-correctness +Yes\/No/)

  const asked = await json('judge score --judge sums-judge --question q --answer', 'p=0.25')
  assert.equal(asked.outcome, 'scored')
  assert.ok(Math.abs(asked.reward - 0.25) < 1e-6)
  assert.match(await ok('judge score --judge sums-judge --question q --answer', 'p=0.25'), /^0\.2500 .*cached\n$/)

  const items = file('items.jsonl', '{"question":"q","answer":"p=0.75","more":1}\n{"question":"r","answer":"p=0.5"}\n')
  const lines = (await ok('judge score --json --judge sums-judge', items)).trim().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).reward.toFixed(3)),
    ['0.750', '0.500'],
  )
  assert.match(await fails(2, 'judge score --judge sums-judge --question q'), /Give either --question and --answer/)
  assert.match(await ok('judge delete sums-judge'), /is deleted/)
})

test('judge create: a file, flags on top of it, the secret from the environment', async () => {
  const body = { provider: { type: 'openai', base_url: `${provider.url}/v1`, model: 'a' }, labels: { yes: 'A' } }
  const args = [
    'judge',
    'create',
    '--json',
    '--file',
    file('judge.json', JSON.stringify(body)),
    '--model',
    'b',
    '--no',
    'B',
  ]
  const env = { GAVEL_URL: server.url, GAVEL_API_KEY: 'gvl_key-of-the-operator', GAVEL_PROVIDER_API_KEY: 'secret-1' }
  const { out } = await server.gavel(args, { env })
  const created = JSON.parse(out)
  assert.deepEqual(created.provider, { ...body.provider, model: 'b', api: 'chat', has_api_key: true })
  assert.deepEqual(created.labels, { yes: 'A', no: 'B' })
  assert.match(await fails(1, 'judge create --provider openai --model m'), /`provider\.base_url` is missing/)
})

test('an item that cannot be judged says why and fails the command; the others have their scores', async () => {
  const created = await json(`judge create --provider openai --base-url ${provider.url}/v1 --model m --name flaky`)
  const conversation = (content: string) => ({
    messages: [
      { role: 'user', content: 'q' },
      { role: 'assistant', content },
    ],
  })
  const template = { user: '{answer} {question}' }
  const body = { ...created, template, id: undefined, object: undefined, version: undefined, created_at: undefined }
  delete body.provider.has_api_key
  await ok('judge create --file', file('flaky.json', JSON.stringify(body)))
  const rows = [conversation('p=0.25'), conversation('do-not-retry'), conversation('p=0.75')]
  const items = file('failing.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))
  const { code, out, err } = await server.gavel(['judge', 'score', '--json', '--judge', 'flaky', items])
  const outcomes = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).outcome)
  assert.deepEqual([code, outcomes], [1, ['scored', 'failed', 'scored']])
  assert.match(err, /^gavel: 1 of 3 could not be judged; the reasons are above/)
})

test('keys with a rate and a budget, and what was used', async () => {
  const { key, ...made } = await json(
    'keys create --scopes judge --rate 100/60s --budget 5000items,2.5usd/month --name limited',
  )
  assert.deepEqual(made.rate, { items: 100, seconds: 60 })
  assert.deepEqual(made.budget, { items: 5000, cost: 2.5, per: 'month' })
  assert.match(await ok('keys list'), /limited +default +judge +100\/60s +5000items,2.5usd\/month/)
  for (const wrong of ['--rate fast', '--rate 5', '--budget 5', '--budget 5eur/day', '--budget 5usd/year']) {
    assert.equal((await server.gavel([...'keys create --scopes judge'.split(' '), ...wrong.split(' ')])).code, 2, wrong)
  }
  const body = JSON.stringify({ verifier: 'math', items: [{ text: '5', gold: '5' }] })
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  await fetch(`${server.url}/v1/verify`, { method: 'POST', headers, body })
  const rows = await json('usage')
  assert.deepEqual(rows.find((row: { key: string }) => row.key === made.id)!.items, 1)
  assert.match(await ok('usage --from 2000-01-01'), new RegExp(`${made.id} +- +- +1 +0 +0 +0 +0 +0`))
  assert.deepEqual(await json('usage --from 2000-01-01 --to 2000-01-02'), [])
})

test('keys: create, use, revoke', async () => {
  const created = await json('keys create --scopes data --name reader')
  assert.match(created.key, /^gvl_/)
  const env = { GAVEL_URL: server.url, GAVEL_API_KEY: created.key }
  assert.equal((await server.gavel(['data', 'list'], { env })).code, 0)
  assert.match((await server.gavel(['jobs', 'list'], { env })).err, /needs the scope `train`/)
  assert.match(await ok('keys list'), /reader +default +data/)
  assert.match(await ok('keys revoke', created.id), /is revoked/)
  assert.equal((await server.gavel(['data', 'list'], { env })).code, 1)
})

test('models: one source each', async () => {
  const path = await json('models create --name student --path /models/student')
  assert.deepEqual(path.source, { type: 'local', path: '/models/student' })
  assert.match(
    await ok('models create --name student --hub owner/model --revision v1'),
    /student \(version 2\): hub owner\/model@v1/,
  )
  assert.match(await fails(2, 'models create --name student'), /one of --hub, --path and --checkpoint/)
  assert.match(await fails(1, 'models create --name student --checkpoint ckpt_x'), /must be the id of a checkpoint/)
  assert.match(await ok('models list'), /student +2 +hub owner\/model@v1/)
})

describe('jobs', () => {
  before(async () => {
    await server.api.datasets.create('{"prompt": "2 + 3?", "answer": "5", "completion": "#### 5"}\n', { name: 'data' })
    await server.api.datasets.create('{"prompt": "2 + 4?", "answer": "6"}\n', { name: 'held-back' })
    await server.api.models.create({ name: 'model', source: { type: 'hub', repo: 'owner/model' } })
  })

  const GRPO =
    'train grpo --model model --labelled data --lambda 1 --verifier math --steps 2 --prompts-per-step 4 --group-size 4 ' +
    '--learning-rate 1e-5 --max-prompt-tokens 64 --max-new-tokens 32'
  const EVAL = 'eval --model model --dataset data --verifier math --max-new-tokens 8'

  /** Takes the next job, as a worker does. */
  async function lease() {
    const leased = await server.worker.lease('test', 10, new AbortController().signal)
    assert.ok(leased)
    return { ...server.worker.job(leased), id: leased.id }
  }

  async function commit(worker: Awaited<ReturnType<typeof lease>>, step: number, files: Record<string, string>) {
    const objects = Object.entries(files).map(([name, text]) => {
      return { name, size: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') }
    })
    for (const upload of await worker.uploads(step, objects)) {
      await server.worker.upload(upload, async () => new TextEncoder().encode(files[upload.name]))
    }
    await worker.commit(step, { objects, state: { step } })
  }

  test('flags become the fields of the job, and nothing more', async () => {
    const job = await json(`${GRPO} --canary held-back --set clip_high=0.3 --set on_hacking=stop --seed 7`)
    assert.equal(job.state, 'queued')
    assert.deepEqual(job.spec.reward, { lambda: 1, mu: 0, rho: 0, verifier: 'math', normalise: 'row', gate: true })
    const { steps, clip_high, on_hacking, seed, learning_rate, temperature } = job.spec.config
    assert.deepEqual([steps, clip_high, on_hacking, seed, learning_rate, temperature], [2, 0.3, 'stop', 7, 1e-5, 1])
    assert.match(await ok('jobs cancel', job.id), /is cancelled/)
    assert.match(await ok('jobs delete', job.id), /is deleted/)
  })

  test('a job from a file, flags on top of it', async () => {
    const spec = { type: 'sft', model: 'model', dataset: 'data', config: { steps: 9, batch_size: 1, max_tokens: 64 } }
    const path = file('sft.json', JSON.stringify(spec))
    const job = await json('train sft --steps 3 --learning-rate 0.001 --file', path)
    assert.deepEqual([job.spec.config.steps, job.spec.config.batch_size], [3, 1])
    await ok('jobs cancel', job.id)
    assert.match(await fails(2, 'train grpo --file', path), /holds a job of type sft, not grpo/)
    const endless = file('endless.json', JSON.stringify({ ...spec, config: {} }))
    assert.match(await fails(1, 'train sft --file', endless), /`config\.steps` is missing/)
    assert.match(await fails(2, 'train sft --file', file('broken.json', '{"type": ')), /is not valid JSON/)
  })

  test('a recipe by name and weights do not go together', async () => {
    assert.match(await fails(2, `${GRPO} --reward recipe`), /--lambda does not go with `reward`/)
  })

  test('train --follow shows progress; metrics, samples, checkpoints and download afterwards', async () => {
    const following = server.gavel([...GRPO.split(' '), '--follow'])
    const worker = await lease()
    await worker.metrics([
      { step: 1, values: { reward: 0.25, loss: 0.0123456, 'seconds/rollout': 1.5, 'seconds/update': 0.5 } },
      { step: 2, values: { reward: 0.5, loss: -0.01, 'canary/gold': 0.4 } },
    ])
    await worker.samples([{ step: 1, split: 'train', index: 0, prompt: '2 + 3?', completion: '#### 5', reward: 1 }])
    await commit(worker, 1, { 'model.safetensors': 'first' })
    await commit(worker, 2, { 'model.safetensors': 'second', 'config.json': '{}', 'adapter_config.json': '{"r": 4}' })
    await worker.complete({ steps: 2 })
    const { code, out, err } = await following
    assert.deepEqual([code, err], [0, ''])
    const { id } = worker
    assert.deepEqual(
      out.split('\n').sort(),
      [
        '',
        `${id} is queued`,
        `${id} is running`,
        `${id} is succeeded`,
        `\`gavel jobs download ${id} --out DIR\` fetches the model.`,
        'step 1/2  reward 0.25  loss 0.01235  2.0 s',
        'step 2/2  reward 0.5  loss -0.01  canary 0.4',
      ].sort(),
    )

    assert.match(await ok('jobs show', id), /state +succeeded\nstep +2\n/)
    assert.match(await ok('jobs list --state succeeded'), new RegExp(`${id} +grpo +- +succeeded +2 `))
    assert.match(await ok('jobs metrics', id), /^step 1 {2}.*reward=0\.25/)
    const metrics = (await ok('jobs metrics --json', id)).trim().split('\n')
    assert.deepEqual(JSON.parse(metrics[1]!).values['canary/gold'], 0.4)
    assert.equal(await ok('jobs samples', id), 'step 1 train 0  reward 1\n  prompt: 2 + 3?\n  wrote: #### 5\n\n')
    assert.match(await ok('jobs events', id), /info +job is succeeded\n$/)
    assert.match(await ok('jobs checkpoints', id), /^id +step .*\nckpt_\w+ +2 .*\nckpt_\w+ +1 /)

    const folder = join(server.folder, 'fetched')
    assert.match(
      await ok('jobs download', id, '--out', folder),
      /holds ckpt_\w+: step 2, 3 files, 16 B, all as committed/,
    )
    assert.deepEqual(readdirSync(folder).sort(), ['adapter', 'config.json', 'manifest.json', 'model.safetensors'])
    assert.equal(readFileSync(join(folder, 'adapter', 'adapter_config.json'), 'utf8'), '{"r": 4}')
    assert.equal(readFileSync(join(folder, 'model.safetensors'), 'utf8'), 'second')
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')).state, { step: 2 })
    await ok('jobs download --step 1', id, '--out', folder)
    assert.equal(readFileSync(join(folder, 'model.safetensors'), 'utf8'), 'first')
    assert.match(await fails(1, 'jobs download --step 7', id, '--out', folder), /has no checkpoint of step 7/)

    // A file that is not what was committed gets no name.
    const [stored] = globSync(join(server.objects, '**/model.safetensors')).filter(
      (path) => readFileSync(path, 'utf8') === 'second',
    )
    writeFileSync(stored!, 'sEcond')
    const other = join(server.folder, 'tampered')
    assert.match(await fails(1, 'jobs download', id, '--out', other), /model\.safetensors was not saved: .*SHA-256/)
    assert.ok(!readdirSync(other).some((name) => name.includes('safetensors')))
  })

  test('download --weights-only leaves the optimizer out; what broke off goes on, and what is there is not fetched again', async () => {
    await json(GRPO)
    const worker = await lease()
    const weights = 'w'.repeat(100_000)
    await commit(worker, 2, {
      'config.json': '{}',
      'model-00001-of-00002.safetensors': weights,
      'model-00002-of-00002.safetensors': 'second',
      'model.safetensors.index.json': '{}',
      'optimizer-00001-of-00002.safetensors': 'moments',
      'optimizer-00002-of-00002.safetensors': 'moments',
      'optimizer.safetensors.index.json': '{}',
      'value_head.safetensors': 'v',
    })
    await worker.complete({ steps: 2 })
    const folder = join(server.folder, 'weights-only')
    mkdirSync(folder)
    const sha256 = createHash('sha256').update(weights).digest('hex')
    const partial = join(folder, `model-00001-of-00002.safetensors.${sha256.slice(0, 16)}.part`)
    writeFileSync(partial, weights.slice(0, 40_000))
    const ranges: (string | null)[] = []
    const { fetch } = globalThis
    globalThis.fetch = (input, init) => {
      if (String(input).includes('/files/')) ranges.push(new Headers(init?.headers).get('range'))
      return fetch(input, init)
    }
    try {
      const said = await ok('jobs download --weights-only', worker.id, '--out', folder)
      assert.match(said, /step 2, 4 files, .* all as committed, without 17 B that only the run has a use for/)
      const names = ['config.json', 'manifest.json', 'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json'] // prettier-ignore
      assert.deepEqual(readdirSync(folder).sort(), names)
      assert.equal(readFileSync(join(folder, names[2]!), 'utf8'), weights)
      assert.deepEqual(ranges.splice(0), [null, 'bytes=40000-', null, null, null])
      const { files } = await json('jobs download --weights-only', worker.id, '--out', folder)
      assert.equal(files.length, 4)
      assert.equal(ranges.length, 1, 'the manifest alone')
    } finally {
      globalThis.fetch = fetch
    }
    await ok('jobs download', worker.id, '--out', folder)
    assert.equal(readdirSync(folder).length, 9)
  })

  test('following a job that fails ends with its reason', async () => {
    const { id } = await json(GRPO)
    const following = server.gavel(['jobs', 'follow', '--json', id])
    await (await lease()).fail({ code: 'corrupt_model', message: 'The weights hold a NaN' }, false)
    const { code, out, err } = await following
    assert.equal(code, 1)
    assert.equal(
      err,
      `gavel: ${id} failed (corrupt_model): The weights hold a NaN.\n`,
      'there is nothing to go on from, and beginning anew would end alike',
    )
    const news = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).event.data.state)
    assert.deepEqual(news, ['queued', 'running', 'failed'])
  })

  test('what a failed job can go on from is named, and only what there is', async () => {
    const failing = async (code: string, before: (worker: Awaited<ReturnType<typeof lease>>) => Promise<unknown>) => {
      const following = server.gavel([...GRPO.split(' '), '--follow'])
      const worker = await lease()
      await before(worker)
      await worker.fail({ code, message: 'That went wrong' }, false)
      const { code: exit, out, err } = await following
      assert.equal(exit, 1)
      assert.match(out, new RegExp(`error: ${worker.id} is failed\n$`))
      return err.replaceAll(worker.id, 'JOB')
    }
    assert.equal(
      await failing('storage_unavailable', async () => {}),
      'gavel: JOB failed (storage_unavailable): That went wrong. It has no checkpoint; `gavel jobs resume JOB` begins it again.\n',
    )
    assert.match(
      await failing('diverged', (worker) => commit(worker, 3, { 'model.safetensors': 'third' })),
      /That went wrong\. `gavel jobs resume JOB` goes on from its last checkpoint \(ckpt_\w+, step 3\)\.\n$/,
    )
  })

  test('why a job went back to the queue is told where it is followed, and in its events', async () => {
    const { id } = await json(GRPO)
    const controller = new AbortController()
    const following = server.gavel(['jobs', 'follow', id], {
      interrupted: controller.signal,
      onOut: (text) => text.includes('another try') && controller.abort(),
    })
    await (await lease()).fail({ code: 'model_download_failed', message: 'The hub answers 503.' }, true)
    const said = 'is queued, for another try in 5 s: The hub answers 503.'
    assert.ok((await following).out.endsWith(`warning: ${id} ${said}\n`))
    assert.ok((await ok('jobs events', id)).endsWith(`warning  job ${said}\n`))
    assert.match(await ok('jobs show', id), /error +model_download_failed: The hub answers 503\./)
    await ok('jobs cancel', id)
  })

  test('epochs, validation, patience and long rows are flags; the steps of epochs are shown as the job tells them', async () => {
    const SFT = 'train sft --model model --dataset rows'
    const rows = [1, 2].map((n) => JSON.stringify({ prompt: `${n}?`, completion: `${n}` })).join('\n')
    await ok('data upload --name rows', file('rows.jsonl', rows))
    assert.match(await fails(1, SFT), /`config` is missing: say how long .* On the command line: --steps, --epochs\.$/m)
    assert.match(await fails(1, `${SFT} --steps 3 --epochs 1`), /leave one of them out\. On the command line: --steps, --epochs\.$/m) // prettier-ignore
    assert.match(await fails(2, `${SFT} --epochs many`), /--epochs .*It must be a number/)
    const flags = '--epochs 1.5 --validation 0.5 --validation-every 3 --patience 2 --on-long-rows skip'
    const { spec, id } = await json(`${SFT} ${flags}`)
    const { epochs, validation_every, early_stop, on_long_rows, steps } = spec.config
    assert.deepEqual(
      [spec.validation, epochs, validation_every, early_stop, on_long_rows, steps],
      [0.5, 1.5, 3, { patience: 2, min_delta: 0 }, 'skip', undefined],
    )
    const { promise: told, resolve: heard } = Promise.withResolvers<void>()
    const onOut = (text: string) => text.includes('are 2 steps') && heard()
    const following = server.gavel(['jobs', 'follow', id], { onOut })
    const worker = await lease()
    assert.equal(worker.id, id)
    await worker.events([{ level: 'info', message: '1.5 epochs are 2 steps', data: { steps: 2 } }])
    await told
    const losses = [0.5, 0.25, 0.75].map((loss, step) => ({ step, values: { validation_loss: loss } }))
    await worker.metrics(losses)
    await commit(worker, 1, { 'model.safetensors': 'best' })
    await commit(worker, 2, { 'model.safetensors': 'last' })
    await worker.complete({ steps: 2 })
    assert.match((await following).out, /step 1\/2 {2}validation 0\.25\nstep 2\/2 {2}validation 0\.75\n/)
    const folder = join(server.folder, 'best')
    assert.match(await ok('jobs download --best', id, '--out', folder), /: step 1, /)
    assert.equal(readFileSync(join(folder, 'model.safetensors'), 'utf8'), 'best')

    await json('data upload --name held', file('held.jsonl', '{"prompt": "3?", "completion": "3"}'))
    const named = await json(`${SFT} --epochs 1 --validation held`)
    assert.match(named.spec.validation, /^ds_/)
    await ok('jobs cancel', named.id)
    assert.match(await fails(1, 'jobs download --best', named.id, '--out', folder), /has no validation_loss to go by/)
  })

  test('Ctrl-C lets go of a job and says how to come back', async () => {
    const { id } = await json(GRPO)
    const controller = new AbortController()
    const { code, err } = await server.gavel(['jobs', 'follow', id], {
      interrupted: controller.signal,
      onOut: () => controller.abort(),
    })
    assert.equal(code, 130)
    assert.match(err, new RegExp(`^gavel: Let go of ${id}, which goes on\\. .gavel jobs follow ${id}. comes back`))
    assert.equal((await server.api.jobs.get(id)).state, 'queued')
    assert.match(await ok('jobs pause', id), /is paused/)
    assert.match(await ok('jobs resume', id), /is queued/)
    await ok('jobs cancel', id)
    assert.match(await fails(1, 'jobs resume', id), /is cancelled and cannot be resumed/)
  })

  test('eval prints the accuracy with its interval', async () => {
    for (const flags of [[], ['--json']]) {
      const measuring = server.gavel([...EVAL.split(' '), ...flags])
      const worker = await lease()
      await worker.metrics([{ step: 1, values: { 'eval/accuracy': 1 } }])
      await worker.complete({ correct: 276, n: 500, accuracy: 0.552, low: 0.508, high: 0.595 })
      const { code, out, err } = await measuring
      assert.equal(code, 0)
      assert.match(err, /1 rows {2}accuracy 1\n/)
      const result = { job: worker.id, correct: 276, n: 500, accuracy: 0.552, low: 0.508, high: 0.595 }
      if (flags.length > 0) assert.deepEqual(JSON.parse(out), result)
      else assert.equal(out, 'accuracy 55.2 % (276 of 500), 95 % interval 50.8 % to 59.5 %\n')
    }
  })
})
