import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** In a worker's folder: written to as long as it lives. */
const ALIVE = 'alive'
const BEAT_MS = 30_000
/** A worker that has not beaten for so long is gone, or has lost its lease ten times over. */
const STALE_MS = 10 * 60_000
const NAME = /^worker-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export interface Workspace {
  folder: string
  /** Removes it. */
  leave(): void
}

/**
 * A folder of this worker's own below `parent`, which several may share, in containers too, where all have one process
 * id and may have one host name: so it has a random name, and a file in it that is touched while the worker lives. Folders
 * that nobody has touched for ten minutes, by the clock of the disk they lie on, are cleared away, now and from time to
 * time: their workers were killed, in the middle of a checkpoint perhaps.
 */
export function claimWorkspace(parent: string): Workspace {
  mkdirSync(parent, { recursive: true })
  const folder = join(parent, `worker-${randomUUID()}`)
  const beat = () => {
    touch(folder)
    clearStale(parent, folder)
  }
  beat()
  const timer = setInterval(() => {
    try {
      beat()
    } catch {
      // A disk that is away or full: the next beat tries again, and a job says what it lacks.
    }
  }, BEAT_MS)
  timer.unref()
  return {
    folder,
    leave() {
      clearInterval(timer)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Also where another has cleared the folder away meanwhile, since this machine slept. */
function touch(folder: string): void {
  mkdirSync(folder, { recursive: true })
  // Written, so that the time is that of the disk's own clock.
  writeFileSync(join(folder, ALIVE), '')
}

function clearStale(parent: string, own: string): void {
  const now = statSync(join(own, ALIVE)).mtimeMs
  for (const name of readdirSync(parent)) {
    if (!NAME.test(name)) continue
    const folder = join(parent, name)
    try {
      if (now - lastBeat(folder) > STALE_MS) rmSync(folder, { recursive: true, force: true })
    } catch {
      // Another worker clears it at this moment.
    }
  }
}

/** Of one whose worker died before its first beat, when it was made. */
function lastBeat(folder: string): number {
  return (statSync(join(folder, ALIVE), { throwIfNoEntry: false }) ?? statSync(folder)).mtimeMs
}
