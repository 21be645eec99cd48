/** What one request may take of a process that serves many, and its turns at taking it. */
import { GavelError } from './errors.ts'
import type { BodyRoom, Turns } from './ports.ts'

/** The most of one request, whatever it asks for. */
export const WORK_LIMITS = {
  /** Time that it holds the processor, in ms. */
  processorMs: 20_000,
  /** How long it waits for its turns, all together, in ms. */
  waitMs: 60_000,
  /** Prompts that are made of it, in UTF-16 units. */
  promptChars: 128 * 1024 * 1024,
}

/** What a request may do before it takes turns. */
const SMALL = { pieces: 16, ms: 2, bytes: 64 * 1024 }

/** The longest prompt, in UTF-16 units: a question, an answer and a reference of the greatest length, and their template. */
export const MAX_PROMPT_CHARS = 1_000_000

/** After how long whoever was told that the process is busy may try again, in s. */
const RETRY_S = 5

/**
 * The budget of one request, charged as its work is done. Work is done in pieces that each take some ms: after each, others
 * have their turn where the processor was held for long. What is beyond a limit ends with an error.
 */
export class WorkBudget {
  readonly #turns: Turns
  readonly #room: BodyRoom | null
  readonly #whose: string
  readonly #limits: typeof WORK_LIMITS
  #processorMs = 0
  #pieces = 0
  #waitedMs = 0
  #promptChars = 0
  #heldBytes = 0

  /**
   * @param whose the tenant's: tenants take turns
   * @param room for the bytes that all requests hold; null where nobody counts them
   */
  constructor(turns: Turns, room: BodyRoom | null, whose: string, limits = WORK_LIMITS) {
    this.#turns = turns
    this.#room = room
    this.#whose = whose
    this.#limits = limits
  }

  /** Whether it is another's turn: then {@link turn}. A small request goes on at first: it is over sooner than its turn would come. */
  get due(): boolean {
    const isSmall = this.#pieces < SMALL.pieces && this.#processorMs < SMALL.ms && this.#heldBytes <= SMALL.bytes
    return !isSmall && this.#turns.due()
  }

  /**
   * Lets others go first.
   * @throws GavelError `busy` where that took too long, all together
   */
  async turn(): Promise<void> {
    const { waitMs } = this.#limits
    const from = this.#turns.now()
    this.#processorMs += await this.#turns.next(this.#whose)
    this.#waitedMs += this.#turns.now() - from
    if (this.#waitedMs <= waitMs) return
    const message = `The server is busy: this request waited for ${waitMs / 1000} s while others were served. Send it again later, or fewer at a time.`
    throw new GavelError('busy', message, { retryAfter: RETRY_S })
  }

  /**
   * Does a piece of work, and charges the time that it holds the processor.
   * @param at the field that it is about
   * @throws GavelError `too_large` where the request has used up its time before; whatever `work` throws
   */
  piece<T>(at: string, work: () => T): T {
    const { processorMs } = this.#limits
    if (this.#processorMs > processorMs) {
      const message = `The request takes too much computing: after the ${processorMs / 1000} s that one may take, \`${at}\` was still to be done. Send less at once, or shorter texts.`
      throw new GavelError('too_large', message, { param: at })
    }
    this.#pieces++
    const from = this.#turns.worked()
    try {
      return work()
    } finally {
      this.#processorMs += this.#turns.worked() - from
    }
  }

  /**
   * A piece of work for each of some items, in order, with turns between them.
   * @param at the field that the i-th item is
   * @returns what came of each; pieces that give promises go on at the same time
   */
  async map<T, R>(
    items: readonly T[],
    at: (i: number) => string,
    work: (item: T, i: number) => R,
  ): Promise<Awaited<R>[]> {
    const results: R[] = []
    for (const [i, item] of items.entries()) {
      if (this.due) await this.turn()
      const result = this.piece(at(i), () => work(item, i))
      // It is awaited below: until then, that it fails is nobody's surprise.
      if (result instanceof Promise) result.catch(() => {})
      results.push(result)
    }
    return Promise.all(results)
  }

  /**
   * Charges a prompt before it is made.
   * @param at the field that it is made of
   * @throws GavelError `prompt_too_long` for one, `too_large` for all together
   */
  prompt(chars: number, at: string): void {
    refuseLongPrompt(chars, at)
    this.#promptChars += chars
    const { promptChars } = this.#limits
    if (this.#promptChars <= promptChars) return
    const message = `The prompts of this request come to more than the ${promptChars} characters that one may make, at \`${at}\`. Send fewer items at once.`
    throw new GavelError('too_large', message, { param: at })
  }

  /**
   * Takes room for bytes that the request holds from now on, until {@link release}.
   * @throws GavelError `busy` where those of all requests leave none
   */
  hold(bytes: number): void {
    if (this.#room && !this.#room.take(this.#whose, this.#heldBytes, bytes)) {
      const message = 'The server is busy: other requests hold all the memory that there is for bodies. Send this one again later, or fewer at a time.' // prettier-ignore
      throw new GavelError('busy', message, { retryAfter: RETRY_S })
    }
    this.#heldBytes += bytes
  }

  /** Gives back what is held. */
  release(): void {
    this.#room?.give(this.#whose, this.#heldBytes)
    this.#heldBytes = 0
  }
}

/** @throws GavelError `prompt_too_long` */
export function refuseLongPrompt(chars: number, at: string): void {
  if (chars <= MAX_PROMPT_CHARS) return
  const message = `\`${at}\` makes a prompt of ${chars} characters, and the most is ${MAX_PROMPT_CHARS}. Shorten its texts, or let the template show them less often.`
  throw new GavelError('prompt_too_long', message, { param: at })
}

/** For work that nobody else waits for, such as a job's in its own process: no turns, no limits. */
export const unlimited = (): WorkBudget =>
  new WorkBudget({ now: () => 0, worked: () => 0, due: () => false, next: async () => 0 }, null, '', {
    processorMs: Infinity,
    waitMs: Infinity,
    promptChars: Infinity,
  })
