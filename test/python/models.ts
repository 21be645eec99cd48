/**
 * Part of `npm run test:python`: what Gavel writes is read by transformers, what transformers writes is read by Gavel, and both
 * share one cache of the hub. Needs Python 3; makes its environment once (some minutes), or takes the one whose
 * interpreter GAVEL_TEST_PYTHON names. `--record` writes test/fixtures/hub/layout.json anew.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pythonWith } from '../../scripts/python-venv.ts'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'
import { elementCount } from '../../src/gpu-worker/graph/tensor.ts'
import { parseConfig } from '../../src/gpu-worker/models/config-json.ts'
import { modelFromConfig } from '../../src/gpu-worker/models/index.ts'
import { openFolder, saveFolder } from '../../src/gpu-worker/models/source.ts'
import { textPart } from '../../src/gpu-worker/models/text-part.ts'
import { Session } from '../../src/gpu-worker/runtime/session.ts'
import { float32 } from '../../src/gpu-worker/runtime/tensors.ts'
import { TextCodec } from '../../src/gpu-worker/text/text-codec.ts'
import { makeBatch } from '../../src/gpu-worker/training/batch.ts'
import { textInputs } from '../../src/gpu-worker/training/prefix-groups.ts'
import { Trainer } from '../../src/gpu-worker/training/trainer.ts'
import { logitsGraph } from '../../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../../src/gpu-worker/training/weight-tensors.ts'
import { downloadModel } from '../../src/gpu-worker/weights/download-model.ts'
import { readSafetensors } from '../../src/gpu-worker/weights/safetensors.ts'
import { tinyTokenizer, temporaryFolder, tinyModelFolder } from '../../testing/tiny-model-folder.ts'
import { cacheLayout, LAYOUT_FILES } from '../helpers/cache-layout.ts'
import { LocalHub, REPO } from '../helpers/local-hub.ts'
import { runJob } from '../helpers/run-job.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url))
const TEXTS = ['Tom has 12345 apples.', ' a  b\n\nc', 'né 👍 ½ ², 3.14', '<eos>x<pad>', 'What is 6 times 7?\n#### 42']

if (spawnSync('python3', ['--version']).status !== 0 && !process.env.GAVEL_TEST_PYTHON) {
  console.log('Skipped: there is no python3 here.')
  process.exit(0)
}
const interpreter = pythonWith('test/python/requirements.txt', 'test', 'GAVEL_TEST_PYTHON')
const python = async (script: string, args: string[], env: Record<string, string> = {}) => {
  const quiet = { HF_HUB_DISABLE_TELEMETRY: '1', HF_HUB_DISABLE_PROGRESS_BARS: '1', OMP_NUM_THREADS: '1' }
  const options = { env: { ...process.env, ...quiet, ...env }, maxBuffer: 2 ** 26 }
  const ran = await promisify(execFile)(interpreter, [join(HERE, script), ...args], options).catch((error) => {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${script}: ${stdout}\n${stderr}`, { cause: error })
  })
  return ran.stdout.trim()
}

const fixture = (name: string): string =>
  ['parity', 'families'].map((kind) => join(FIXTURES, kind, name)).find((folder) => existsSync(folder))!

/** Numbers that a family keeps in its files and does not train (Apertus). */
const CONSTANTS: Record<string, number> = { beta: 0.5, eps: -1e-6 }
const lastPart = (parameter: string) => parameter.slice(parameter.lastIndexOf('.') + 1)

/** A folder as a training job commits it: a fixture's architecture in the demo's vocabulary, trained for two steps. */
async function trainedFolder(name: string, configFile: string): Promise<string> {
  const { value: given, floats } = parseConfig(readFileSync(join(fixture(name), configFile), 'utf8'))
  const tokenizer = tinyTokenizer()
  const codec = new TextCodec(tokenizer)
  const config: Record<string, unknown> = {
    ...textPart(given as Record<string, unknown>).config,
    vocab_size: codec.size,
  }
  // What transformers calls it changes nothing of what it is.
  delete config.transformers_version
  const model = modelFromConfig(config)
  const rng = new SeededRng(name)
  const weights = new Map(
    [...model.parameters].map(([parameter, shape]) => {
      const isNorm = /(norm|ln_\w+|norms\.\d+)\.weight$/.test(parameter)
      const centre = CONSTANTS[lastPart(parameter)] ?? (isNorm && !/^(gemma|nemotron)/.test(name) ? 1 : 0)
      const width = lastPart(parameter) in CONSTANTS ? 0 : isNorm ? 0.2 : 2 / Math.sqrt(shape.at(-1)!)
      const data = Float32Array.from({ length: elementCount(shape) }, () => centre + width * (rng.uniform() - 0.5))
      return [parameter, { shape, data }]
    }),
  )
  const sequences = TEXTS.map((text) => codec.encode(text))
  const optimizer = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 }
  const trainer = await Trainer.create(model, weights, { loss: 'cross-entropy', optimizer, maxTokens: 64, threads: 1 })
  for (let step = 0; step < 2; step++) {
    const batch = makeBatch(sequences.map((ids) => ({ ids, start: 1 })))
    await trainer.accumulate(batch, { weights: new Float32Array(batch.tokens).fill(1 / batch.tokens) })
    await trainer.step(1e-2)
  }
  await trainer.release()

  const folder = join(temporaryFolder(), `${name}-${configFile}`)
  saveFolder(folder, { config, floats, weights, tokenizer, dtype: 'F32' })
  await writeExpected(folder)
  return folder
}

/** Puts beside a model what Gavel makes of some texts with it. */
async function writeExpected(folder: string): Promise<void> {
  const saved = openFolder(folder)
  const { codec } = saved
  const sequences = TEXTS.map((text) => codec.encode(text))
  const session = await Session.create(logitsGraph(saved.model, { maxTokens: 64 }), { threads: 1 })
  const logits: number[][][] = []
  for (const ids of sequences) {
    const out = new Float32Array(ids.length * codec.size)
    const inputs = { ...weightTensors(saved.weights), ...textInputs([ids]) }
    await session.run(inputs, { logits: float32(out, [ids.length, codec.size]) })
    logits.push(ids.map((_, t) => [...out.subarray(t * codec.size, (t + 1) * codec.size)]))
  }
  await session.release()
  const texts = TEXTS.map((text) => [text, saved.codec.encode(text)])
  writeFileSync(join(folder, 'expected.json'), JSON.stringify({ sequences, logits, texts }))
}

/** The last checkpoint of a LoRA job on a model: the adapter, and both merged. */
async function adaptedFolder(base: string): Promise<string> {
  const spec = {
    type: 'sft',
    model: 'model',
    dataset: 'dataset',
    config: { steps: 3, batch_size: 5, max_tokens: 64, learning_rate: 0.02, lora: { rank: 3, alpha: 5 } },
  }
  const rows = { dataset: TEXTS.map((text) => ({ prompt: 'What?', completion: text })) }
  const { folder } = (await runJob(spec, { model: base, rows })).checkpoints.at(-1)!
  await writeExpected(folder)
  return folder
}

console.log('What Gavel writes, read by transformers')
const names = ['parity', 'families'].flatMap((kind) => readdirSync(join(FIXTURES, kind)))
const folders = new Map<string, string>()
for (const name of names) {
  for (const configFile of ['config.json', 'config.v4.json'])
    if (existsSync(join(fixture(name), configFile)))
      folders.set(`${name} ${configFile}`, await trainedFolder(name, configFile))
}
// One of them in shards.
const sharded = join(temporaryFolder(), 'sharded')
const { config, floats, weights, tokenizer } = openFolder([...folders.values()][0]!)
saveFolder(sharded, { config, floats, weights, tokenizer, dtype: 'F32', shardBytes: 20_000 })
assert.ok(readdirSync(sharded).filter((name) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name)).length > 2)
await writeExpected(sharded)
console.log(await python('check_export.py', [...folders.values(), sharded]))
console.log(await python('check_shards.py', [sharded, '20000']))

console.log('\nAdapters that Gavel trains, read by peft')
const pairs = []
for (const name of names) {
  const base = folders.get(`${name} config.json`)!
  pairs.push(base, await adaptedFolder(base))
}
console.log(await python('check_adapter.py', pairs))

console.log('\nWhat transformers writes, read by Gavel')
const out = temporaryFolder()
await python('write_models.py', [folders.get('llama3-rope config.json')!, out])
for (const name of readdirSync(out).filter((entry) => !entry.endsWith('.safetensors'))) {
  const expected = readSafetensors(join(out, `${name}.expected.safetensors`))
  const { weights } = openFolder(join(out, name))
  for (const [parameter, { shape, data }] of expected) {
    assert.deepEqual(weights.get(parameter)!.shape, shape)
    assert.ok(Buffer.from(weights.get(parameter)!.data.buffer).equals(Buffer.from(data.buffer)), `${name} ${parameter}`)
  }
  console.log(`ok   ${name}: ${expected.size} tensors, ${readdirSync(join(out, name)).length} files`)
}

console.log('\nOne cache for both')
const hub = new LocalHub()
const endpoint = await hub.start()
const fetched = () => hub.requests.filter((request) => request.startsWith('GET') && request.includes('/resolve/'))
for (const files of [
  LAYOUT_FILES,
  new Map(readdirSync(tinyModelFolder()).map((name) => [name, readFileSync(join(tinyModelFolder(), name))])),
]) {
  hub.files = files
  const [ours, theirs] = [temporaryFolder(), temporaryFolder()]
  const env = (cache: string) => ({ HF_ENDPOINT: endpoint, HF_HUB_CACHE: cache, HF_HUB_DISABLE_XET: '1' })
  const source = { type: 'hub', repo: REPO } as const
  await downloadModel(source, { endpoint, cacheFolder: ours })
  await python('snapshot.py', [REPO], env(theirs))
  assert.deepEqual(cacheLayout(ours, REPO), cacheLayout(theirs, REPO))
  hub.requests = []
  assert.equal(
    await downloadModel(source, { endpoint, cacheFolder: theirs }),
    await python('snapshot.py', [REPO], env(ours)).then((path) => path.replace(ours, theirs)),
  )
  assert.deepEqual(fetched(), [])
  // And without a hub at all.
  assert.ok(await python('snapshot.py', [REPO], { ...env(ours), HF_HUB_OFFLINE: '1' }))
  assert.ok(await downloadModel(source, { cacheFolder: theirs, offline: true }))
  console.log(`ok   ${files.size} files, the same layout; neither fetches what the other has`)
  if (files === LAYOUT_FILES && process.argv.includes('--record'))
    writeFileSync(join(FIXTURES, 'hub/layout.json'), `${JSON.stringify(cacheLayout(theirs, REPO), null, 2)}\n`)
}
hub.close()
