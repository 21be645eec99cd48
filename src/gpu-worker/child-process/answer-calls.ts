import { note, tellProgressTo } from '../progress/progress-mark.ts'
import { endWithParent } from './end-with-parent.ts'
import type { FromChild, Protocol, ToChild } from './messages.ts'
import { packError } from '../../core/packed-error.ts'

export interface CallContext<P extends Protocol> {
  emit(part: P['part']): void
  /** Aborted when nobody waits for the answer any more. */
  signal: AbortSignal
}

export interface Answerer<P extends Protocol> {
  ready: P['ready']
  answer(request: P['request'], context: CallContext<P>): Promise<P['result']>
}

/** While the event loop turns, a process gets on. */
const TICK_MS = 500

/** Makes this process one that CallProcess can start: opens what it is told to, answers calls, ends with its parent. */
export function answerCalls<P extends Protocol>(open: (order: P['order']) => Promise<Answerer<P>>): void {
  let answerer: Promise<Answerer<P>> | undefined
  const running = new Map<number, AbortController>()
  const send = (message: FromChild<P>) => {
    if (process.connected) process.send!(message)
  }

  const answer = async (call: number, request: P['request']): Promise<void> => {
    const abort = new AbortController()
    running.set(call, abort)
    try {
      const { answer } = await answerer!
      const emit = (part: P['part']) => send({ type: 'part', call, part })
      send({ type: 'done', call, result: await answer(request, { emit, signal: abort.signal }) })
    } catch (error) {
      send({ type: 'failed', call, error: packError(error) })
    } finally {
      running.delete(call)
    }
  }

  process.on('message', (message: ToChild<P>) => {
    if (message.type === 'call') return void answer(message.call, message.request)
    if (message.type === 'cancel') return running.get(message.call)?.abort()
    if (message.progress !== null) {
      tellProgressTo(message.progress)
      setInterval(() => note(), TICK_MS)
    }
    answerer = open(message.order)
    answerer.then(
      ({ ready }) => {
        note('own work')
        send({ type: 'ready', ready })
      },
      (error: unknown) => send({ type: 'refused', error: packError(error) }),
    )
  })
  process.on('disconnect', () => process.exit(0))
  endWithParent()
  // The parent decides what an interrupt means.
  process.on('SIGINT', () => {})
}
