import type { BodyRoom } from '../../core/ports.ts'

/** The most bytes of bodies that are held at once, of all tenants and of one. */
const ALL_BYTES = 256 * 1024 * 1024
const TENANT_BYTES = 192 * 1024 * 1024
/** A request that holds no more is never refused: heartbeats and their like go on. */
const ALWAYS_BYTES = 64 * 1024

export function bodyRoom(): BodyRoom {
  const held = new Map<string, number>()
  let all = 0
  return {
    take(whose, own, more) {
      const ofTenant = held.get(whose) ?? 0
      const isRoom = all + more <= ALL_BYTES && ofTenant + more <= TENANT_BYTES
      if (!isRoom && own + more > ALWAYS_BYTES) return false
      held.set(whose, ofTenant + more)
      all += more
      return true
    },
    give(whose, bytes) {
      const left = (held.get(whose) ?? 0) - bytes
      if (left > 0) held.set(whose, left)
      else held.delete(whose)
      all -= bytes
    },
  }
}
