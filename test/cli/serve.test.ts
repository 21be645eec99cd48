import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { NO_CUDA } from '../helpers/no-cuda.ts'
import { tinyModelFolder } from '../helpers/tiny-model-folder.ts'

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
