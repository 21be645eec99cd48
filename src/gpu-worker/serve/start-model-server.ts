import { serve } from '@hono/node-server'
import { basename, resolve } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { CallProcess } from '../child-process/call-process.ts'
import type { SourceOptions } from '../models/source.ts'
import type { ServedModel, ServeProtocol } from './model-process.ts'
import type { GenerationPart, GenerationRequest, GenerationUsage } from './generation.ts'
import type { ModelServiceOptions } from './model-service.ts'
import { serveApp } from './serve-app.ts'

export interface ModelServerOptions extends ModelServiceOptions {
  model: ServedModel
  hub: SourceOptions['hub']
  /** 0 takes a free one. */
  port: number
  hostname?: string
  /** Asked of every client, where given. */
  apiKey?: string | null
}

export interface ModelServer {
  url: string
  /** The model's name to clients. */
  model: string
  close(): Promise<void>
}

const HEALTH_MS = 1000

/**
 * An OpenAI-compatible server of one model, which lives in a process of its own. Resolves when it is ready to answer;
 * rejects with what kept the model from being opened, or where the port is taken. If the process dies, requests under
 * way get `model_unavailable`, and the next ones wait for a new process.
 */
export async function startModelServer(options: ModelServerOptions): Promise<ModelServer> {
  const { model, hub, port, hostname = '127.0.0.1', apiKey = null, ...service } = options
  const process = new CallProcess<ServeProtocol>({
    script: new URL(`./model-process${import.meta.url.slice(-3)}`, import.meta.url),
    prepare: async () => ({ order: { model, hub, options: service } }),
    died: (how) =>
      new GavelError('model_unavailable', `the process of the model ${how}; it is started again, try again`),
  })
  const { slots, format } = await process.ready()
  const name = nameOf(model)
  const healthy = async () => {
    const late = new Promise<false>((resolve) => setTimeout(() => resolve(false), HEALTH_MS).unref())
    const ready = process.ready().then(
      () => true,
      () => false,
    )
    return Promise.race([ready, late])
  }

  const created = Math.floor(Date.now() / 1000)
  const generate = (request: GenerationRequest, signal: AbortSignal) => partsOf(process, request, signal)
  const app = serveApp({ model: name, created, format, maxChoices: slots, apiKey, generate, healthy })
  const server = await listen(app.fetch, hostname, port).catch(async (error: unknown) => {
    await process.close()
    throw error
  })
  const address = server.address() as { port: number; address: string; family: string }
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${address.port}`,
    model: name,
    async close() {
      await process.close()
      await new Promise((resolve) => {
        server.close(resolve)
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
    },
  }
}

function listen(fetch: (request: Request) => Response | Promise<Response>, hostname: string, port: number) {
  return new Promise<ReturnType<typeof serve>>((resolve, reject) => {
    const server = serve({ fetch, hostname, port, overrideGlobalObjects: false }, () => resolve(server))
    server.once('error', reject)
  })
}

/** A call's parts as they come, then its result. */
async function* partsOf(
  process: CallProcess<ServeProtocol>,
  request: GenerationRequest,
  signal: AbortSignal,
): AsyncGenerator<GenerationPart, GenerationUsage> {
  const parts: GenerationPart[] = []
  let news = Promise.withResolvers<void>()
  let ended = false
  const result = process.call(request, {
    signal,
    onPart(part) {
      parts.push(part)
      news.resolve()
    },
  })
  const end = () => {
    ended = true
    news.resolve()
  }
  result.then(end, end)
  while (!ended || parts.length) {
    await news.promise
    news = Promise.withResolvers()
    if (ended) news.resolve()
    yield* parts.splice(0)
  }
  return result
}

/** What clients call the model: its hub id, or the name of its file or folder. */
const nameOf = (model: ServedModel): string =>
  model.type === 'hub' ? model.repo : basename(resolve(model.path)).replace(/\.gguf$/, '')
