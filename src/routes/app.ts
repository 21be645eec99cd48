import { Hono, type Context } from 'hono'
import type * as v from 'valibot'
import { HTTPException } from 'hono/http-exception'
import { GavelError } from '../core/errors.ts'
import { WorkBudget } from '../core/work-budget.ts'
import { parse } from '../core/schemas/parse.ts'
import type { Deps } from '../service/deps.ts'
import { takeFromRate } from '../service/usage/rate-windows.ts'
import { checkpointRoutes } from './checkpoints.ts'
import { compatRoutes } from './compat/index.ts'
import { datasetUploadRoutes } from './dataset-uploads.ts'
import { datasetRoutes } from './datasets.ts'
import { healthRoutes } from './health.ts'
import { answerHeaders } from './http/answer-headers.ts'
import type { AppEnv } from './http/app-env.ts'
import { authenticate } from './http/authenticate.ts'
import { countRequests } from './http/count-requests.ts'
import { describedRoutes } from './http/describe.ts'
import { logRequests } from './http/log-requests.ts'
import { readJson } from './http/read-body.ts'
import { readQuery } from './http/read-query.ts'
import { MAX_JSON_BYTES, TOKEN_PREFIX, unitsOf, type Caller, type Route } from './http/route.ts'
import { jobRoutes } from './jobs.ts'
import { judgeRoutes } from './judges.ts'
import { judgmentRoutes } from './judgments.ts'
import { keyRoutes } from './keys.ts'
import { metricsRoutes } from './metrics.ts'
import { modelRoutes } from './models.ts'
import { recipeRoutes } from './recipes.ts'
import { rewardRoutes } from './rewards.ts'
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
  ...datasetUploadRoutes,
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

type App = Hono<AppEnv>

/** The API, the same wherever it runs. */
export function createApp(deps: Deps): App {
  // A base URL that was given with a slash at its end is the same.
  const app: App = new Hono({ strict: false })

  app.use(answerHeaders(deps.entropy))
  if (deps.metrics) app.use(countRequests(deps.metrics))
  if (deps.log) app.use(logRequests(deps.log))

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

/** The tags of routes whose bodies are texts to score, and hold no secrets. */
const SCORING = new Set(['Scoring', 'Compatibility'])

async function serve(deps: Deps, route: Route, c: Context<AppEnv>): Promise<Response> {
  c.set('route', route)
  const request = c.req.raw
  const { token, ...params } = c.req.param() as Record<string, string>
  const caller = route.scope === null ? NO_CALLER : await authenticate(deps, request, route.scope, token)
  c.set('caller', caller)
  const query = readQuery(request.url, route.query)
  const work = new WorkBudget(deps.turns, deps.bodyRoom, caller.tenant)
  try {
    return await answer(deps, route, c, { caller, query, params, work })
  } finally {
    work.release()
  }
}

async function answer(
  deps: Deps,
  route: Route,
  c: Context<AppEnv>,
  asked: { caller: Caller; query: unknown; params: Record<string, string>; work: WorkBudget },
): Promise<Response> {
  const request = c.req.raw
  const { caller, work } = asked
  const body = route.body && (await readBody(route, route.body, request, work))
  if (deps.log?.bodies && SCORING.has(route.tag)) c.set('body', body)
  if (caller.rate) {
    const units = unitsOf(route, body)
    const { headers, refusal } = await takeFromRate(deps.rates, caller.key, caller.rate, units, deps.clock.now())
    c.set('rate', headers)
    if (refusal) throw refusal
  }
  const answer = await route.handler({ deps, body, request, ...asked })
  if (answer instanceof Response) return answer
  if (work.due) await work.turn()
  return c.json(answer as object)
}

/** The body by its schema, a step at a time: a large one holds the process for no longer than a step. */
async function readBody(route: Route, schema: v.GenericSchema, request: Request, work: WorkBudget): Promise<unknown> {
  const value = await readJson(request, route.maxBytes ?? MAX_JSON_BYTES, work)
  if (work.due) await work.turn()
  return work.piece('body', () => parse(schema, value))
}

/** 405 with `Allow` for a path that exists with other methods (TRACE too). */
function refuseOtherMethods(app: App): void {
  const served = ROUTES.flatMap((route) => pathsOf(route).map((path) => ({ path, method: route.method })))
  for (const [path, routes] of Map.groupBy(served, ({ path }) => path)) {
    const methods = routes.map(({ method }) => method)
    const allow = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ')
    app.on('ALL', path, (c) => {
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
