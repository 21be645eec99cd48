import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startQuirkServer, type Body, type QuirkServer } from '../adapters/judges/quirk-server.ts'
import { startCliServer, type CliServer } from './cli-server.ts'

let server: CliServer
let provider: QuirkServer
let refuse: ((body: Body) => { status: number; body: unknown } | null) | undefined
before(async () => {
  server = await startCliServer()
  provider = await startQuirkServer({ refuse: (body) => refuse?.(body) ?? null })
})
after(async () => {
  await server.close()
  await provider.close()
})

const create = (name: string) => `judge create --provider openai --base-url ${provider.url}/v1 --model m --name ${name}`

test('judge create tries the provider, and is quiet where all is well', async () => {
  refuse = undefined
  assert.match(await server.ok(create('well')), /^judge_\w+ well \(version 1\)\n$/)
  assert.equal(provider.received.length, 2)
  const { probe } = await server.json('judge show well')
  assert.equal(probe.usable, true)
  await server.ok(`${create('untried')} --no-probe`)
  assert.equal((await server.json('judge show untried')).probe, undefined)
  assert.equal(provider.received.length, 2)
})

test('judge create warns of what it found, and makes the judge all the same', async () => {
  refuse = () => ({
    status: 403,
    body: { error: { message: 'You are not allowed to request logprobs from this model' } },
  })
  const { code, out, err } = await server.gavel(create('silent').split(' '))
  assert.equal(code, 0)
  assert.match(out, /^judge_\w+ silent \(version 1\)\n$/)
  assert.match(err, /^warning: .*no log-probabilities of this model.*\n$/)
})

test('judge doctor prints what the provider can and what to change, and fails where it gives no score', async () => {
  refuse = (body) =>
    Number(body.top_logprobs) > 4
      ? { status: 400, body: { error: { message: 'top_logprobs must be <= 4' } } }
      : 'max_tokens' in body
        ? { status: 400, body: { error: { message: "Unsupported parameter: 'max_tokens'", param: 'max_tokens', code: 'unsupported_parameter' } } }
        : null // prettier-ignore
  const shown = await server.ok('judge doctor untried')
  const lines = shown.trim().split('\n')
  const patterns = [
    /^judge_\w+ untried \(version 1\) can be used$/,
    /^ {2}P\(Yes\) +0\.75$/,
    /^ {2}label mass +0\.92$/,
    /^ {2}Yes +"Yes" 60\.0 %, " Yes" 9\.0 %$/,
    /^ {2}No +"No" 20\.0 %, "no" 3\.0 %$/,
    /^ {2}alternatives +4 given of 4 asked for$/,
    /^ {2}takes +top_logprobs 4, max_completion_tokens 1, temperature 0, chat_template_kwargs$/,
    /^ {2}refused +max_tokens$/,
    /^ {2}latency +\d+ ms$/,
    /^ {2}equal calls +give equal numbers$/,
    /^to change:$/,
    /^ {2}- Its provider gives 4 alternatives only/,
  ]
  assert.equal(lines.length, patterns.length, shown)
  for (const [i, pattern] of patterns.entries()) assert.match(lines[i]!, pattern)
  assert.equal((await server.json('judge doctor untried')).probe.takes.top_logprobs, 4)

  refuse = () => ({ status: 500, body: { error: 'out of memory' } })
  const { code, out, err } = await server.gavel(['judge', 'doctor', 'well'])
  assert.equal(code, 1)
  assert.match(out, /gives no score\nto change:\n {2}- It gave no score when it was tried: .*500: out of memory\n$/)
  assert.match(err, /gave no score/)
  assert.match(await server.fails(1, 'judge doctor nobody'), /no judge "nobody"/)
})

test('a judge as shown can be made again from a file', async () => {
  refuse = undefined
  const shown = await server.json('judge doctor well')
  const made = await server.json('judge create --file', server.file('shown.json', JSON.stringify(shown)))
  assert.deepEqual([made.name, made.version, made.probe.usable], ['well', 2, true])
})
