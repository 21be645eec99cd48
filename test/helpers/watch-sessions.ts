import type { TestContext } from 'node:test'
import { Session } from '../../src/gpu-worker/runtime/session.ts'

/** Counts the sessions that are opened from here on, and those of them that nobody has released. */
export function watchSessions(t: TestContext): () => Promise<{ opened: number; left: number }> {
  const create = t.mock.method(Session, 'create')
  const release = t.mock.method(Session.prototype, 'release')
  return async () => {
    const opened = await Promise.all(create.mock.calls.map(({ result }) => result as unknown as Promise<Session>))
    const released = new Set(release.mock.calls.map((call) => call.this as unknown))
    return { opened: opened.length, left: opened.filter((session) => !released.has(session)).length }
  }
}
