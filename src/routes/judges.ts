import { GavelError } from '../core/errors.ts'
import { cacheVersion } from '../core/judges/score-items.ts'
import { deleted, listOf } from '../core/schemas/fields.ts'
import {
  createJudge as createJudgeRequest,
  judge,
  judgeCache,
  setJudgeBudget,
  type JudgeCache,
} from '../core/schemas/judge.ts'
import type { Deps } from '../service/deps.ts'
import { findResource } from '../service/find-resource.ts'
import { createJudge } from '../service/judges/create-judge.ts'
import { probeJudge, probeNewJudge } from '../service/judges/probe-judge.ts'
import { showJudge } from '../service/judges/show-judge.ts'
import { removeResource } from '../service/remove-resource.ts'
import { writeCounts } from '../service/usage/write-counts.ts'
import { page, pageQuery } from './http/page.ts'
import { route } from './http/route.ts'

/** The version under which a judge's judgments are kept. */
async function cacheOf({ database }: Deps, tenant: string, reference: string): Promise<string> {
  const { id, body } = await findResource(database, 'judges', tenant, reference, 'id')
  return cacheVersion({ id, calibration: body.calibration })
}

async function showCache(deps: Deps, version: string): Promise<JudgeCache> {
  await writeCounts(deps)
  return { object: 'judge.cache', judge: version, ...(await deps.database.judgments.summary(version)) }
}

export const judgeRoutes = [
  route({
    method: 'POST',
    path: '/v1/judges',
    operationId: 'createJudge',
    tag: 'Judges',
    summary: 'Create a judge',
    description: 'A judge never changes: creating one under a name that exists makes the next version of the name.',
    scope: 'judge',
    body: createJudgeRequest,
    example: {
      name: 'maths',
      provider: { type: 'openai', base_url: 'https://api.example.org/v1', model: 'qwen3-8b', api_key: 'sk-0123' },
      template: 'answer-correctness',
    },
    response: judge,
    async handler({ deps, caller, body }) {
      const row = await createJudge(deps, caller.tenant, body)
      if (!body.probe) return showJudge(row)
      await probeNewJudge(deps, caller, row)
      return showJudge(await findResource(deps.database, 'judges', caller.tenant, row.id, 'id'))
    },
  }),
  route({
    method: 'GET',
    path: '/v1/judges',
    operationId: 'listJudges',
    tag: 'Judges',
    summary: 'List judges, newest first',
    scope: 'judge',
    query: pageQuery(),
    response: listOf(judge),
    handler: ({ deps, caller, query }) => page(query, (p) => deps.database.judges.list(caller.tenant, p), showJudge),
  }),
  route({
    method: 'GET',
    path: '/v1/judges/:id',
    operationId: 'getJudge',
    tag: 'Judges',
    summary: 'Get a judge by id, or the newest of a name',
    scope: 'judge',
    response: judge,
    handler: async ({ deps, caller, params }) =>
      showJudge(await findResource(deps.database, 'judges', caller.tenant, params.id, 'id')),
  }),
  route({
    method: 'GET',
    path: '/v1/judges/:id/cache',
    operationId: 'getJudgeCache',
    tag: 'Judges',
    summary: 'What is kept of a judge’s judgments, and how often that was a hit',
    description:
      'An entry is a prompt that the judge has answered (of a question with options, one option). A calibrated judge ' +
      'shares the entries of the version that it calibrates, and an ensemble has none: ask about its judges. Complete up ' +
      'to a second ago.',
    scope: 'judge',
    response: judgeCache,
    handler: async ({ deps, caller, params }) => showCache(deps, await cacheOf(deps, caller.tenant, params.id)),
  }),
  route({
    method: 'POST',
    path: '/v1/judges/:id/cache/clear',
    operationId: 'clearJudgeCache',
    tag: 'Judges',
    summary: 'Forget a judge’s judgments',
    description:
      'They are asked for anew, and paid for anew; the answer is the cache as it is then. What was looked up stays counted.',
    scope: 'judge',
    response: judgeCache,
    async handler({ deps, caller, params }) {
      const version = await cacheOf(deps, caller.tenant, params.id)
      await deps.judgments.clear(version)
      return showCache(deps, version)
    },
  }),
  route({
    method: 'POST',
    path: '/v1/judges/:id/probe',
    operationId: 'probeJudge',
    tag: 'Judges',
    summary: 'Try a judge, to know what its provider can',
    description:
      'Asks it twice the same, past the cache and without trying again, and keeps what that tells beside the judge: `probe` ' +
      'and `warnings`, which say what to change. From then on the provider is asked for what it was found to take. The ' +
      'tokens count as any. An ensemble has no provider of its own: try its judges.',
    scope: 'judge',
    response: judge,
    async handler({ deps, caller, params, request }) {
      const row = await findResource(deps.database, 'judges', caller.tenant, params.id, 'id')
      await probeJudge(deps, caller, row, request.signal)
      return showJudge(await findResource(deps.database, 'judges', caller.tenant, row.id, 'id'))
    },
  }),
  route({
    method: 'PUT',
    path: '/v1/judges/:id/budget',
    operationId: 'setJudgeBudget',
    tag: 'Judges',
    summary: 'Change what may be spent on a judge',
    description:
      'The one thing about a judge that may change, since it changes nothing that the judge says. A job that failed because ' +
      'the budget was spent can be resumed then.',
    scope: 'judge',
    body: setJudgeBudget,
    example: { budget: { tokens: 5_000_000 } },
    response: judge,
    async handler({ deps, caller, params, body: { budget } }) {
      const { id, body } = await findResource(deps.database, 'judges', caller.tenant, params.id, 'id')
      if (budget?.cost !== undefined && !body.price) {
        const message = '`budget.cost` needs a price, and the judge has none; give a budget of tokens.'
        throw new GavelError('unprocessable', message, { param: 'budget' })
      }
      await deps.database.judges.setBudget(caller.tenant, id, budget)
      return showJudge(await findResource(deps.database, 'judges', caller.tenant, id, 'id'))
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/judges/:id',
    operationId: 'deleteJudge',
    tag: 'Judges',
    summary: 'Delete a judge and its secret',
    scope: 'judge',
    response: deleted,
    async handler({ deps, caller, params }) {
      const { id } = await removeResource(deps, 'judges', caller.tenant, params.id)
      return { id, object: 'judge', deleted: true }
    },
  }),
]
