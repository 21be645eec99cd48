/**
 * Counters and histograms of one process, in Prometheus' text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */

type Labels = Readonly<Record<string, string | number>>
/** A figure that is read when it is asked for. */
export interface Gauge {
  name: string
  help: string
  type?: 'gauge' | 'counter'
  read(): Sampled | Promise<Sampled>
}
type Sampled = number | { labels: Labels; value: number }[]

/** Upper bounds of the buckets of durations, in seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, Infinity]

interface Durations {
  buckets: { bound: number; count: number }[]
  sum: number
}

/** What the requests of a process came to, and whatever gauges it was given. */
export class Metrics {
  readonly #requests = new Map<string, number>()
  readonly #durations = new Map<string, Durations>()
  readonly #gauges: Gauge[] = []
  #inFlight = 0

  begin(): void {
    this.#inFlight++
  }

  /** @param route its path as declared, so that there are only so many */
  end(method: string, route: string, status: number, seconds: number): void {
    this.#inFlight--
    const labels = render({ method, route, status })
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1)
    const durations = this.#durations.get(route) ?? { buckets: BOUNDS.map((bound) => ({ bound, count: 0 })), sum: 0 }
    this.#durations.set(route, durations)
    durations.buckets.find(({ bound }) => seconds <= bound)!.count++
    durations.sum += seconds
  }

  add(...gauges: Gauge[]): void {
    this.#gauges.push(...gauges)
  }

  async text(): Promise<string> {
    const lines = [
      ...heading('gavel_http_requests_total', 'counter', 'Requests that were answered.'),
      ...[...this.#requests].map(([labels, count]) => `gavel_http_requests_total${labels} ${count}`),
      ...heading('gavel_http_requests_in_flight', 'gauge', 'Requests that are being answered.'),
      `gavel_http_requests_in_flight ${this.#inFlight}`,
      ...heading('gavel_http_request_duration_seconds', 'histogram', 'Time until an answer began.'),
      ...[...this.#durations].flatMap(([route, durations]) => histogram(route, durations)),
    ]
    for (const { name, help, type = 'gauge', read } of this.#gauges) {
      const value = await read()
      const samples = typeof value === 'number' ? [{ labels: {}, value }] : value
      lines.push(...heading(name, type, help))
      lines.push(...samples.map(({ labels, value }) => `${name}${render(labels)} ${value}`))
    }
    return lines.join('\n') + '\n'
  }
}

function histogram(route: string, { buckets, sum }: Durations): string[] {
  const name = 'gavel_http_request_duration_seconds'
  let total = 0
  const lines = buckets.map(({ bound, count }) => {
    const le = bound === Infinity ? '+Inf' : bound
    return `${name}_bucket${render({ route, le })} ${(total += count)}`
  })
  return [...lines, `${name}_sum${render({ route })} ${sum}`, `${name}_count${render({ route })} ${total}`]
}

const heading = (name: string, type: string, help: string) => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]

function render(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
