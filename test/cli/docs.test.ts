import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startCliServer, type CliServer } from './cli-server.ts'

const ROOT = join(import.meta.dirname, '../..')

let server: CliServer
before(async () => {
  server = await startCliServer()
  // The documents name files from the root of the repository.
  process.chdir(ROOT)
})
after(() => server.close())

/** The commands of the ```console blocks with what they print, in order. */
function consoleCommands(markdown: string): { command: string; printed: string }[] {
  const blocks = [...markdown.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => block!)
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((text) => {
        const end = text.indexOf('\n')
        return { command: text.slice(0, end), printed: text.slice(end + 1) }
      }),
  )
}

/**
 * The pattern of what a document shows as printed: `…` is anything on the line, and an id is some id, the same one
 * wherever the document has it. `ids` holds those that are known.
 */
function patternOf(printed: string, ids: Map<string, string>): { pattern: RegExp; fresh: string[] } {
  const fresh: string[] = []
  const parts = printed.split(/(…|\b[a-z]+_[A-Za-z0-9]{24}\b)/).map((part, index) => {
    if (index % 2 === 0) return escape(part)
    if (part === '…') return '[^\\n]*'
    if (ids.has(part)) return escape(ids.get(part)!)
    if (fresh.includes(part)) return `\\${fresh.indexOf(part) + 1}`
    fresh.push(part)
    return '([a-z]+_[A-Za-z0-9]{24})'
  })
  return { pattern: new RegExp(`^${parts.join('')}$`), fresh }
}

const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

test('the commands of docs/cli.md print what it says', async () => {
  const commands = consoleCommands(readFileSync('docs/cli.md', 'utf8'))
  assert.ok(commands.length > 20)
  const ids = new Map<string, string>()
  for (const { command, printed } of commands) {
    const [program, ...args] = command.split(' ').map((word) => ids.get(word) ?? word)
    assert.equal(program, 'gavel')
    const { out, err } = await server.gavel(args)
    const { pattern, fresh } = patternOf(printed, ids)
    const match = pattern.exec(out + err)
    assert.ok(match, `$ ${command}\nprints\n${out}${err}\nand docs/cli.md has\n${printed}`)
    fresh.forEach((id, index) => ids.set(id, match[index + 1]!))
  }
})

test('examples/train-over-http.ts trains and evaluates', async () => {
  const env = { ...process.env, GAVEL_URL: server.url, GAVEL_API_KEY: 'gvl_key-of-the-operator' }
  const child = spawn(process.execPath, ['examples/train-over-http.ts'], { env })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += chunk))
  const ended = once(child, 'close')

  const lease = async () => {
    const leased = await server.worker.lease('test', 20, new AbortController().signal)
    assert.ok(leased, printed)
    return { ...server.worker.job(leased), spec: leased.spec }
  }
  const training = await lease()
  const text = 'weights'
  const sha256 = createHash('sha256').update(text).digest('hex')
  const objects = [{ name: 'model.safetensors', size: text.length, sha256 }]
  const [upload] = await training.uploads(1, objects)
  await server.worker.upload(upload!, async () => new TextEncoder().encode(text))
  const { id } = await training.commit(1, { objects, state: {} })
  await training.complete({ steps: 1 })

  const evaluating = await lease()
  assert.equal('model' in evaluating.spec && evaluating.spec.model, id)
  await evaluating.complete({ correct: 1, n: 2, accuracy: 0.5, low: 0.1, high: 0.9 })
  const [code] = await ended
  assert.equal(code, 0, printed)
  assert.match(printed, new RegExp(`${id}: 1 of 2 right`))
})
