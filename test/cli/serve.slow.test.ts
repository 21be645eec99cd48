import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFolder } from '../../src/gpu-worker/models/source.ts'
import { tinyModelFolder } from '../../testing/tiny-model-folder.ts'
import { NO_CUDA } from '../helpers/no-cuda.ts'

const GAVEL = join(import.meta.dirname, '../../bin/gavel.js')

function start(...args: string[]) {
  const child = spawn(process.execPath, [GAVEL, 'serve', ...args])
  const ran = { out: '', err: '' }
  child.stdout.on('data', (chunk) => (ran.out += chunk))
  child.stderr.on('data', (chunk) => (ran.err += chunk))
  return { child, ran, ended: once(child, 'close').then(([code]) => ({ ...ran, code })) }
}

test('serves a folder until it is told to end', async () => {
  const flags = ['--port', '0', '--threads', '1', '--api-key', 'k', '--weights', 'q8_0']
  const { child, ran, ended } = start('--model', tinyModelFolder(), ...flags)
  while (!ran.out.includes('\n')) await Promise.race([once(child.stdout, 'data'), ended])
  const [, model, url] = /^(\S+) is ready on (http:\S+\/v1)\n$/.exec(ran.out)!
  const body = JSON.stringify({ model, prompt: 'Tom', max_tokens: 3 })
  const ask = (headers: Record<string, string>) => fetch(`${url}/completions`, { method: 'POST', headers, body })
  const answer = (await (await ask({ authorization: 'Bearer k' })).json()) as { usage: { completion_tokens: number } }
  assert.ok(answer.usage.completion_tokens > 0)
  assert.equal((await ask({})).status, 401)
  child.kill('SIGTERM')
  const { code, err } = await ended
  assert.deepEqual([code, err], [0, `${NO_CUDA}\n`])
})

test('says in one line why it cannot', async () => {
  const cases: [string[], number, RegExp][] = [
    [['--model', './nowhere'], 1, /^gavel: there is no model at \.\/nowhere; check the path\n$/],
    [['--model', 'x', '--port', 'many'], 2, /^gavel: --port is "many"; give a whole number from 0 to 65535\n$/],
    [
      ['--model', 'x', '--weights', 'q4_0'],
      2,
      /^gavel: option '--weights <type>' argument 'q4_0' is invalid. Allowed choices are float32, q8_0/,
    ],
    [['--model', 'x', '--device', 'gpu'], 2, /^gavel: option '--device <device>' argument 'gpu' is invalid/],
    [
      ['--model', 'x', '--device', 'cuda'],
      1,
      /^gavel: GAVEL_DEVICE is cuda, but onnxruntime-node has no CUDA libraries/,
    ],
    [[], 2, /^gavel: required option '--model <model>' not specified/],
    [
      ['--model', tinyModelFolder(), '--context', '1000'],
      1,
      /^gavel: context is 1000, but the model was made for 512 tokens/,
    ],
  ]
  const ends = await Promise.all(cases.map(([args]) => start(...args).ended))
  cases.forEach(([args, code, message], i) => {
    assert.deepEqual([ends[i]!.code, ends[i]!.out], [code, ''], args.join(' '))
    assert.match(ends[i]!.err, message)
  })
})

test('says in one line what is wrong with a model', async () => {
  const spoilt = (spoil: (folder: string) => void) => {
    const folder = tinyModelFolder()
    spoil(folder)
    return folder
  }
  const edit = (name: string, from: string | RegExp, to: string) => (folder: string) => {
    const path = join(folder, name)
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
  }
  const gguf = join(tinyModelFolder(), 'small.gguf')
  writeFileSync(gguf, 'GGUF and then nothing')
  const overflowing = openFolder(tinyModelFolder()).weights
  for (const { data } of overflowing.values()) data.forEach((_, i) => (data[i] = 1e15 * Math.sin(i)))
  const cases: [string, RegExp][] = [
    [
      spoilt((folder) => truncateSync(join(folder, 'model.safetensors'), 9e5)),
      /model\.safetensors: tensor \S+ reaches past/,
    ],
    [
      spoilt(edit('config.json', '"num_hidden_layers": 4', '"num_hidden_layers": 5')),
      /tensor model\.layers\.4\.\S+ is missing/,
    ],
    [
      spoilt(edit('tokenizer.json', /"vocab": \{/, '"vocab": { "zz": 70,')),
      /its tokenizer cannot be used: "zz" and ".*" have one id, 70/,
    ],
    [spoilt(edit('tokenizer.json', /^/, 'x')), /tokenizer\.json is not JSON/],
    [gguf, /small\.gguf: GGUF version \d+ cannot be read/],
    [tinyModelFolder({ weights: overflowing }), /what the model computes is not a number/],
  ]
  const ends = await Promise.all(cases.map(([model]) => start('--model', model, '--port', '0').ended))
  cases.forEach(([, message], i) => {
    const { code, out, err } = ends[i]!
    assert.deepEqual([code, out], [1, ''], err)
    assert.match(err, /^gavel: [^\n]*\n$/)
    assert.match(err, message)
  })
})
