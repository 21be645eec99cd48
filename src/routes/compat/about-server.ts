/** What a server of one model says of itself: clients of vLLM and SGLang ask what its model is called before they name it. */
import * as v from 'valibot'
import { object, unixSeconds } from '../../core/schemas/fields.ts'
import { findResource } from '../../service/find-resource.ts'
import { route, type Route } from '../http/route.ts'
import type { DIALECT } from './dialect.ts'

const NAMES = { vllm: 'vLLM', sglang: 'SGLang' } as const
const model = object({
  id: v.pipe(v.string(), v.description('The judge, as the URL names it.')),
  object: v.literal('model'),
  created: unixSeconds,
  owned_by: v.literal('gavel'),
})

/** @param base what all routes of the server have */
export const aboutServer = (
  server: keyof typeof NAMES,
  base: typeof DIALECT & Partial<Pick<Route, 'errorForm'>>,
): Route[] => [
  route({
    ...base,
    method: 'GET',
    path: `/compat/${server}/:judge/v1/models`,
    operationId: `${server}Models`,
    summary: `The judge as the one model of a server, as ${NAMES[server]} lists it`,
    response: object({ object: v.literal('list'), data: v.array(model) }),
    async handler({ deps, caller, params }) {
      const { createdAt } = await findResource(deps.database, 'judges', caller.tenant, params.judge, 'judge')
      return {
        object: 'list',
        data: [{ id: params.judge, object: 'model', created: Math.floor(createdAt / 1000), owned_by: 'gavel' }],
      }
    },
  }),
  route({
    ...base,
    method: 'GET',
    path: `/compat/${server}/:judge/health`,
    operationId: `${server}Health`,
    scope: null,
    summary: `Whether it runs, as ${NAMES[server]} says`,
    response: object({}),
    handler: async () => ({}),
  }),
]
