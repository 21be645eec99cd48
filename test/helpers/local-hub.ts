import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const COMMIT = 'c'.repeat(40)
export const TOKEN = 'hf_right'
export const REPO = 'someone/tiny'

/** A hub with one repository, speaking as much of its HTTP API as downloads of Gavel and of huggingface_hub need. */
export class LocalHub {
  files = new Map<string, Buffer>()
  /** `GET /path`, with ` bytes=N-` where a part was asked for. */
  requests: string[] = []
  gated = false
  /** Sent instead of a file's own bytes. */
  damaged: Buffer | null = null
  /** Large files break off after so many bytes of each answer, this many times. */
  breaks = { after: 0, times: 0 }
  /** Whether parts of a file can be asked for. */
  ranges = true
  private readonly server: Server = createServer((request, response) => this.answer(request, response))

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  close(): void {
    this.server.close()
    this.server.closeAllConnections()
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url!, 'http://hub')
    const { range } = request.headers
    this.requests.push(`${request.method} ${pathname}${range ? ` ${range}` : ''}`)
    const json = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    if (this.gated && request.headers.authorization !== `Bearer ${TOKEN}`) return json(401, { error: 'gated' })
    const entries = [...this.files].map(([path, bytes]) => entryOf(path, bytes))
    if (pathname.startsWith(`/api/models/${REPO}/revision/`)) {
      if (!['main', COMMIT].includes(pathname.split('/').at(-1)!)) return json(404, { error: 'Revision not found' })
      const siblings = entries.map(({ path }) => ({ rfilename: path }))
      return json(200, { _id: '1', id: REPO, sha: COMMIT, siblings })
    }
    if (pathname === `/api/models/${REPO}/tree/${COMMIT}`) return json(200, entries)
    const [, name = ''] = new RegExp(`^/${REPO}/resolve/(?:main|${COMMIT})/(.*)$`).exec(pathname) ?? []
    const bytes = this.files.get(name)
    if (!bytes) return json(404, { error: 'Repository not found' })
    this.sendFile(entryOf(name, bytes), this.damaged ?? bytes, request, response)
  }

  private sendFile(
    entry: ReturnType<typeof entryOf>,
    bytes: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    const etag = { etag: `"${entry.lfs?.oid ?? entry.oid}"`, 'x-repo-commit': COMMIT }
    const [, start] = this.ranges ? (/^bytes=(\d+)-/.exec(request.headers.range ?? '') ?? []) : []
    const from = Number(start ?? 0)
    const rest = bytes.subarray(from)
    response.writeHead(start === undefined ? 200 : 206, {
      ...etag,
      'content-type': 'application/octet-stream',
      'content-length': rest.length,
      ...(start !== undefined && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    })
    if (request.method === 'HEAD') return response.end()
    if (this.breaks.times === 0 || !entry.lfs || rest.length <= this.breaks.after) return response.end(rest)
    this.breaks.times--
    // Ended, not destroyed: what was sent arrives.
    response.write(rest.subarray(0, this.breaks.after), () => response.socket?.end())
  }
}

export const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** Large files are listed with their sha256, small ones with git's own hash. */
export function entryOf(path: string, bytes: Buffer) {
  const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
  const lfs = path.endsWith('.safetensors') || path.endsWith('.gguf')
  return {
    type: 'file' as const,
    path,
    size: bytes.length,
    oid,
    ...(lfs && { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } }),
  }
}
