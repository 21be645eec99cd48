import { Worker } from 'node:worker_threads'

const LOOK_MS = 1000

/**
 * Ends this process when the one that started it is gone, also while its event loop is blocked, by a text that takes for
 * ever say: a thread looks whether the parent is still the same.
 */
export function endWithParent(): void {
  const look = `if (process.ppid !== ${process.ppid}) process.kill(process.pid, 'SIGKILL')`
  new Worker(`setInterval(() => { ${look} }, ${LOOK_MS})`, { eval: true, env: {} }).unref()
}
