import { Hono, type Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { GavelError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import type { RequestEntry } from '../core/request-log.ts'
import { parse } from '../core/schemas/parse.ts'
import { takeFromRate, type RateHeaders } from '../core/usage/rate-windows.ts'
import { authenticate } from './authenticate.ts'
import { checkpointRoutes } from './checkpoints.ts'
import { compatRoutes } from './compat/index.ts'
import { datasetRoutes } from './datasets.ts'
import type { Deps } from './deps.ts'
import { describedRoutes } from './describe.ts'
import { healthRoutes } from './health.ts'
import { jobRoutes } from './jobs.ts'
import { judgeRoutes } from './judges.ts'
import { judgmentRoutes } from './judgments.ts'
import { keyRoutes } from './keys.ts'
import { metricsRoutes } from './metrics.ts'
import { modelRoutes } from './models.ts'
import { readJson } from './read-body.ts'
import { readQuery } from './read-query.ts'
import { recipeRoutes } from './recipes.ts'
import { rewardRoutes } from './rewards.ts'
import { MAX_JSON_BYTES, TOKEN_PREFIX, unitsOf, type Caller, type Route } from './route.ts'
import { usageRoutes } from './usage.ts'
import { verifyRoutes } from './verify.ts'
import { workerRoutes } from './worker.ts'

/** Every route, in the order of the documentation. */
export const ROUTES: readonly Route[] = describedRoutes([
  ...judgmentRoutes,
  ...verifyRoutes,
  ...rewardRoutes,
  ...judgeRoutes,
  ...recipeRoutes,
  ...datasetRoutes,
  ...modelRoutes,
  ...jobRoutes,
  ...checkpointRoutes,
  ...keyRoutes,
  ...usageRoutes,
  ...compatRoutes,
  ...workerRoutes,
  ...healthRoutes,
  ...metricsRoutes,
])

type Variables = {
  requestId: string
  route?: Route
  caller?: Caller
  rate?: RateHeaders
  body?: unknown
  error?: GavelError
}
type App = Hono<{ Variables: Variables }>

/** The API, the same wherever it runs. */
export function createApp(deps: Deps): App {
  // A base URL that was given with a slash at its end is the same.
  const app: App = new Hono({ strict: false })

  app.use(async (c, next) => {
    const given = c.req.header('x-request-id')
    c.set('requestId', given && /^[\w-]{1,128}$/.test(given) ? given : newId('req', deps.entropy))
    const started = performance.now()
    deps.metrics?.begin()
    await next()
    c.header('x-request-id', c.get('requestId'))
    for (const [name, value] of Object.entries(c.get('rate') ?? {})) c.header(name, value)
    const ms = performance.now() - started
    deps.metrics?.end(c.req.method, c.get('route')?.path ?? 'none', c.res.status, ms / 1000)
    deps.log?.request(entryOf(c, ms))
  })

  for (const route of ROUTES) app.on(route.method, pathsOf(route), (c) => serve(deps, route, c))
  refuseOtherMethods(app)

  app.notFound((c) => {
    const message = `There is nothing at ${c.req.method} ${shownPath(c)}. GET /docs lists what there is.`
    return c.json(new GavelError('not_found', message).toBody(), 404)
  })
  app.onError((error, c) => {
    const known = asGavelError(error)
    c.set('error', known)
    // Who hangs up in the middle of a body has made the failure, and hears no answer.
    if (known.code === 'internal' && !c.req.raw.signal.aborted) deps.logError(error, c.get('requestId'))
    if (known.refusesRetry) c.header('x-should-retry', 'false')
    if (known.retryAfter !== null) c.header('retry-after', String(known.retryAfter))
    if (known.status === 401) c.header('www-authenticate', 'Bearer')
    c.header('x-request-id', c.get('requestId'))
    const form = c.get('route')?.errorForm
    return c.json(form?.show(known) ?? known.toBody(), (form?.status?.(known) ?? known.status) as 500)
  })
  return app
}

const NO_CALLER: Caller = { tenant: '', key: '', scopes: [] }

const pathsOf = ({ path, pathToken }: Route) => (pathToken ? [path, TOKEN_PREFIX + path] : [path])

/** A path as messages may repeat it: short, and without a key. */
const shownPath = (c: Context) => c.req.path.replace(/^\/t\/[^/]*/, '/t/…').slice(0, 200)

/** What the log is told of a request that was answered. */
function entryOf(c: Context<{ Variables: Variables }>, ms: number): RequestEntry {
  const { requestId, route, caller, error, body } = c.var
  return {
    request_id: requestId,
    method: c.req.method,
    route: route?.path ?? null,
    status: c.res.status,
    ms: Math.round(ms * 100) / 100,
    tenant: caller?.tenant ?? null,
    key: caller?.key ?? null,
    ...(error && { error: error.code, param: error.param }),
    ...(body !== undefined && { body }),
  }
}

/** The tags of routes whose bodies are texts to score, and hold no secrets. */
const SCORING = new Set(['Scoring', 'Compatibility'])

async function serve(deps: Deps, route: Route, c: Context<{ Variables: Variables }>): Promise<Response> {
  c.set('route', route)
  const request = c.req.raw
  const { token, ...params } = c.req.param() as Record<string, string>
  const caller = route.scope === null ? NO_CALLER : await authenticate(deps, request, route.scope, token)
  c.set('caller', caller)
  const query = readQuery(request.url, route.query)
  const body = route.body && parse(route.body, await readJson(request, route.maxBytes ?? MAX_JSON_BYTES))
  if (deps.log?.bodies && SCORING.has(route.tag)) c.set('body', body)
  if (caller.rate) {
    const units = unitsOf(route, body)
    const { headers, refusal } = await takeFromRate(deps.rates, caller.key, caller.rate, units, deps.clock.now())
    c.set('rate', headers)
    if (refusal) throw refusal
  }
  const answer = await route.handler({ deps, caller, params, query, body, request })
  return answer instanceof Response ? answer : c.json(answer as object)
}

/** 405 with `Allow` for a path that exists with other methods (TRACE too). */
function refuseOtherMethods(app: App): void {
  for (const routes of Map.groupBy(ROUTES, (route) => route.path).values()) {
    const methods = routes.map((route) => route.method)
    const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')
    app.on('ALL', pathsOf(routes[0]), (c) => {
      const message = `${shownPath(c)} does not take ${c.req.method}; use ${allow}.`
      return c.json(new GavelError('method_not_allowed', message).toBody(), 405, { Allow: allow })
    })
  }
}

function asGavelError(error: Error): GavelError {
  if (error instanceof GavelError) return error
  // Drizzle wraps what the database says, such as that its disk is full.
  if (error.cause instanceof GavelError) return error.cause
  if (error instanceof HTTPException && error.status < 500) return new GavelError('invalid_request', error.message)
  return new GavelError(
    'internal',
    'Something went wrong on our side. Send the request again; if it stays, report its x-request-id.',
    {
      cause: error,
    },
  )
}
