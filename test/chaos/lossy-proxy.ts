import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SeededRng } from '../../src/core/rl/seeded-rng.ts'

/** What becomes of a request that is drawn to go wrong. */
export const MISHAPS = {
  lost: 'never arrives',
  unanswered: 'arrives, and its answer does not: the connection ends',
  cut: 'its answer ends in the middle',
  doubled: 'arrives twice, as when something on the way repeats it; the second answer is given',
  refused: 'something on the way answers that it is busy',
  slow: 'arrives late',
} as const
export type Mishap = keyof typeof MISHAPS

export interface LossyProxy {
  url: string
  /** How often what went wrong. */
  counts: Record<Mishap, number>
  close(): Promise<void>
}

const SLOW_MS = 3_000

/**
 * A proxy before a server that loses some of what goes through it.
 * @param share of requests that something happens to, 0 … 1
 * @param mayHappen which mishaps a request can meet
 */
export async function lossyProxy(
  target: () => string,
  { seed, share, mayHappen = Object.keys(MISHAPS) as Mishap[] }: { seed: number; share: number; mayHappen?: Mishap[] },
): Promise<LossyProxy> {
  const rng = new SeededRng(seed, 'lossy-proxy')
  const counts = Object.fromEntries(Object.keys(MISHAPS).map((name) => [name, 0])) as Record<Mishap, number>

  const server = createServer((request, response) => {
    const mishap = rng.uniform() < share ? mayHappen[Math.floor(rng.uniform() * mayHappen.length)]! : null
    if (mishap) counts[mishap]++
    handle(request, response, mishap).catch(() => response.destroy())
  })

  async function handle(request: IncomingMessage, response: ServerResponse, mishap: Mishap | null): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    if (mishap === 'lost') return void response.destroy()
    if (mishap === 'refused') {
      response.writeHead(503, { 'retry-after': '1', 'content-type': 'text/plain' }).end('busy')
      return
    }
    if (mishap === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
    if (mishap === 'doubled') (await sent(request, body)).resume()
    const answer = await sent(request, body)
    if (mishap === 'unanswered') {
      answer.resume()
      answer.once('end', () => response.destroy())
      return
    }
    response.writeHead(answer.statusCode!, answer.headers)
    if (mishap === 'cut') {
      response.flushHeaders()
      answer.once('data', (chunk: Buffer) =>
        response.write(chunk.subarray(0, chunk.length >> 1), () => response.destroy()),
      )
      answer.once('end', () => response.destroy())
      return
    }
    answer.pipe(response)
    response.once('close', () => answer.destroy())
  }

  function sent({ method, url, headers }: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      // Presigned URLs are signed for the host that they name.
      const onward = forward(new URL(url!, target()), { method, headers: { ...headers } }, resolve)
      onward.once('error', reject)
      onward.end(body)
    })
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    counts,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
