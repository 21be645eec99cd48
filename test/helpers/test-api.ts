/** How tests talk to the API, wherever it runs. */
import assert from 'node:assert/strict'
import type { Deps } from '../../src/service/deps.ts'

export interface Call {
  method?: string
  /** Sent as JSON; the method is then POST unless given. */
  json?: unknown
  body?: BodyInit
  /** Null sends none. Default the operator's admin key. */
  key?: string | null
  headers?: Record<string, string>
}

export interface TestApi {
  deps: Deps
  clock: { time: number }
  /** What was logged as our own failure. */
  errors: unknown[]
  request(path: string, call?: Call): Promise<Response>
  /** The JSON of an answer, which must have the status. */
  // eslint-disable-next-line ts/no-explicit-any -- tests look into answers of every shape
  json(path: string, call?: Call, status?: number): Promise<any>
}

export function testApi(
  deps: Deps,
  fetchApp: (request: Request) => Promise<Response>,
  clock: { time: number },
  errors: unknown[],
): TestApi {
  const request: TestApi['request'] = (path, { method, json, body, key = 'admin-key', headers = {} } = {}) => {
    const content = json === undefined ? body : JSON.stringify(json)
    const init: RequestInit & { duplex?: 'half' } = {
      method: method ?? (content === undefined ? 'GET' : 'POST'),
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(content !== undefined && { body: content, duplex: 'half' }),
    }
    return fetchApp(new Request(`http://gavel.test${path}`, init))
  }
  return {
    deps,
    clock,
    errors,
    request,
    async json(path, call, status = 200) {
      const response = await request(path, call)
      const text = await response.text()
      assert.equal(response.status, status, `${call?.method ?? ''} ${path}: ${text}`)
      return text === '' ? null : JSON.parse(text)
    },
  }
}
