import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A folder of this process's own below `parent`, named after it. Folders of processes that are gone, killed in
 * the middle of a checkpoint perhaps, are cleared away; those of workers that live are left alone.
 */
export function claimWorkspace(parent: string, pid: number): string {
  for (const name of readdirSync(parent)) {
    const owner = /^worker-(\d+)$/.exec(name)?.[1]
    if (owner && (Number(owner) === pid || !isAlive(Number(owner))))
      rmSync(join(parent, name), { recursive: true, force: true })
  }
  const own = join(parent, `worker-${pid}`)
  mkdirSync(own)
  return own
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
