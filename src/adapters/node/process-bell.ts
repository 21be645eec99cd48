import type { JobBell } from '../../core/ports.ts'

/** A bell for everyone in this process: all that is rung for happens here. */
export function processBell(): JobBell {
  const listening = new Map<string, Set<() => void>>()
  return {
    ring(of) {
      for (const hear of listening.get(of) ?? []) hear()
    },
    listen(of) {
      const others = listening.get(of) ?? new Set()
      listening.set(of, others)
      let isRung = false
      let wake: (() => void) | null = null
      const hear = () => {
        isRung = true
        wake?.()
      }
      others.add(hear)
      return {
        async next(timeoutMs) {
          if (!isRung) {
            await new Promise<void>((resolve) => {
              const timer = setTimeout(resolve, timeoutMs)
              wake = () => {
                clearTimeout(timer)
                resolve()
              }
            })
          }
          isRung = false
          wake = null
        },
        close() {
          wake?.()
          others.delete(hear)
          if (others.size === 0 && listening.get(of) === others) listening.delete(of)
        },
      }
    },
  }
}
