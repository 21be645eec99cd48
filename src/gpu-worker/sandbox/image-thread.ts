/** The thread in which Pyodide runs once: answers with the image, and ends. Pyodide and all it holds end with it. */
import { constants } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { makeImage } from './interpreter-image.ts'

// Emscripten asks for the file system's constants in this way, which Node's permissions forbid.
Object.assign(process, { binding: () => ({ fs: constants }) })
parentPort!.postMessage(await makeImage(workerData as string))
process.exit(0)
