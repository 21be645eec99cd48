/** `node open-dataset.ts URL KEY FOLDER`: takes the next job as a worker does, fetches its dataset, and reads every row. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fetchDataset, type ObjectSource } from '../../src/gpu-worker/checkpoint/fetch-objects.ts'
import { DatasetFile } from '../../src/gpu-worker/jobs/dataset-file.ts'
import { WorkerApi } from '../../src/gpu-worker/jobs/worker-api.ts'

const [url, key, folder] = process.argv.slice(2)
const api = new WorkerApi({ url: url!, key: key! })
const job = await api.lease('bench', 10, new AbortController().signal)
const { objects, rows } = job!.inputs.datasets.dataset!
const source: ObjectSource = { download: (object, from) => api.download(object, null, from) }
const began = performance.now()
const file = new DatasetFile(await fetchDataset(source, objects, join(folder!, 'fetched.jsonl')), rows)
let read = 0
for (const { row } of file) if (row.prompt) read++
// As a shuffled epoch takes them.
for (let i = 0; i < 1000; i++) file.at((i * 7919) % rows)
const seconds = (performance.now() - began) / 1000
if (read !== rows) throw new Error(`${read} rows were read instead of ${rows}`)
const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024
console.log(`opened in ${seconds.toFixed(1)} s, peak ${peak.toFixed(0)} MB`)
