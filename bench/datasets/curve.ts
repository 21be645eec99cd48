/**
 * `node bench/datasets/curve.ts [ROWS …]`: what datasets of 1k, 32k and 1M rows cost. Seconds and peak memory (`VmHWM`) of
 * the API while one is uploaded, and of a worker that fetches it and goes over all of its rows, each in a fresh process.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type NewJob } from '../../src/client.ts'

const KEY = 'gvl_bench'
const script = (path: string) => join(import.meta.dirname, path)

/** Rows as of word problems, some 190 bytes each, a thousand at a time. */
async function* rowsOf(count: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < count; from += 1000) {
    const rows = Array.from({ length: Math.min(1000, count - from) }, (_, i) => {
      const n = from + i
      const prompt = `A farmer has ${n} sheep and sells ${n % 7} of them at the market on a rainy day. How many are left?`
      return `${JSON.stringify({ id: n, prompt, answer: String(n - (n % 7)), completion: `${n} - ${n % 7} = ${n - (n % 7)}` })}\n`
    })
    yield new TextEncoder().encode(rows.join(''))
  }
}

/** Peak resident memory of a process, in MB. */
function peakMb(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

function start(path: string, args: string[], env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [script(path), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** The first line that a process prints which has the pattern. */
function printed(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      const match = pattern.exec((text += chunk.toString()))
      if (match) resolve(match)
    })
    child.once('exit', (code) => reject(new Error(`the process ended with ${code}: ${text}`)))
  })
}

async function measure(rows: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-bench-'))
  const env = { GAVEL_DATA: folder, GAVEL_API_KEY: KEY, GAVEL_PORT: '0', GAVEL_LOG: 'errors' }
  const server = start('../../src/server.ts', [], env)
  try {
    const [, url] = await printed(server, /listens on (http\S+)/)
    const api = createClient({ url: url!, key: KEY })
    await api.models.create({ name: 'm', source: { type: 'local', path: '/none' } })
    const idle = peakMb(server.pid!)
    const began = performance.now()
    const { id, bytes } = await api.datasets.create(rowsOf(rows))
    const upload = (performance.now() - began) / 1000
    const atUpload = peakMb(server.pid!)
    const job = { type: 'sft', model: 'm', dataset: id, config: { steps: 1, learning_rate: 1e-3, batch_size: 1, max_tokens: 64 } } // prettier-ignore
    await api.jobs.create(job as NewJob)
    const worker = start('./open-dataset.ts', [url!, KEY, folder], {})
    const [, seconds, peak] = await printed(worker, /opened in ([\d.]+) s, peak ([\d.]+) MB\n/)
    const cells = [rows, (bytes / 1e6).toFixed(1), upload.toFixed(1), idle.toFixed(0), atUpload.toFixed(0), peakMb(server.pid!).toFixed(0), seconds, peak] // prettier-ignore
    return `| ${cells.join(' | ')} |`
  } finally {
    server.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}

const wanted = process.argv.slice(2).map(Number)
console.log(`${cpus()[0]!.model}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(2)} before the start\n`)
console.log('| rows | MB | upload, s | API at rest, MB | after the upload | after the worker has read | worker opens and reads, s | worker, MB |') // prettier-ignore
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |')
for (const rows of wanted.length > 0 ? wanted : [1000, 32_000, 1_000_000]) console.log(await measure(rows))
