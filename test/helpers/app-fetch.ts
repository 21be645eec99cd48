import type { TestApi } from './test-api.ts'

/** A `fetch` that reaches the app of a test, for a worker to ask; `before` may answer, or throw, in its place. */
export const appFetch =
  (app: TestApi, before: (path: string, init: RequestInit) => Response | void = () => {}): typeof fetch =>
  async (input, init = {}) => {
    const { pathname, search } = new URL(input as string)
    const answer = before(pathname + search, init)
    const { body: given } = init
    const isStream = given instanceof Blob || given instanceof ReadableStream
    const body = isStream ? await new Response(given).bytes() : (given as string | Uint8Array<ArrayBuffer>)
    const size: Record<string, string> = body instanceof Uint8Array ? { 'content-length': String(body.length) } : {}
    const asking = async () =>
      answer ??
      app.request(pathname + search, {
        method: init.method ?? 'GET',
        ...(init.body != null && { body }),
        headers: { ...(init.headers as Record<string, string>), ...size },
      })
    const { signal } = init
    const aborted = new Promise<never>((_, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason as Error)),
    )
    const response = await Promise.race([asking(), ...(signal ? [aborted] : [])])
    return Object.defineProperty(response, 'url', { value: input })
  }
