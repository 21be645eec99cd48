import type { Clock } from '../../core/ports.ts'

export interface CircuitBreakerOptions {
  clock: Clock
  /** Failures in a row that open it. */
  failures?: number
  /** How long it stays open at first, in ms; twice as long each time its probe fails. */
  openMs?: number
  maxOpenMs?: number
}

/**
 * Leaves alone what fails: after so many failures in a row it is open and lets nobody through for a while; then it is
 * half-open and lets one call through, whose success closes it and whose failure opens it again, for longer.
 */
export class CircuitBreaker {
  readonly #options: Required<CircuitBreakerOptions>
  #failures = 0
  #opened = 0
  #openMs = 0
  #probing = false

  constructor(options: CircuitBreakerOptions) {
    this.#options = { failures: 5, openMs: 5_000, maxOpenMs: 60_000, ...options }
  }

  get isOpen(): boolean {
    return this.#openMs > 0
  }

  /** How long a caller must stay away, in ms; 0 lets it through, and then it must report how that went. */
  enter(): number {
    if (!this.isOpen) return 0
    const now = this.#options.clock.now()
    // A clock that was put back would keep it open for as long.
    this.#opened = Math.min(this.#opened, now)
    const left = this.#opened + this.#openMs - now
    if (left > 0) return left
    // Others wait for what the probe finds.
    if (this.#probing) return this.#openMs
    this.#probing = true
    return 0
  }

  succeeded(): void {
    this.#failures = 0
    this.#openMs = 0
    this.#probing = false
  }

  /** Neither: the call was given up, or refused for a reason of its own. A probe so ended is followed by another. */
  undecided(): void {
    this.#probing = false
  }

  failed(): void {
    this.#failures++
    const { failures, openMs, maxOpenMs, clock } = this.#options
    if (this.isOpen && !this.#probing) return // Let through before it opened.
    if (!this.isOpen && this.#failures < failures) return
    this.#openMs = this.isOpen ? Math.min(2 * this.#openMs, maxOpenMs) : openMs
    this.#opened = clock.now()
    this.#probing = false
  }
}
