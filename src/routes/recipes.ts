import { JUDGE_ROLES, type JudgeRole } from '../core/rewards/reward-rows.ts'
import { deleted, listOf } from '../core/schemas/fields.ts'
import { createRecipe, recipe, type RewardRecipe } from '../core/schemas/reward.ts'
import { verifierOf } from '../core/verifiers/index.ts'
import type { ResourceRow } from '../service/database.ts'
import { findResource } from '../service/find-resource.ts'
import { newId } from '../service/ids.ts'
import { removeResource } from '../service/remove-resource.ts'
import { resourceHeader } from '../service/resource-header.ts'
import { page, pageQuery } from './http/page.ts'
import { route } from './http/route.ts'

const show = (row: ResourceRow<RewardRecipe>) => ({
  ...resourceHeader(row, 'reward'),
  version: row.version,
  ...row.body,
})

export const recipeRoutes = [
  route({
    method: 'POST',
    path: '/v1/recipes',
    operationId: 'createRecipe',
    tag: 'Rewards',
    summary: 'Create a reward recipe',
    description:
      'For use by id or name in POST /v1/rewards and in jobs. Its judge and reranker are fixed to the versions there are now.',
    scope: 'judge',
    body: createRecipe,
    example: { name: 'semi-supervised', lambda: 1, mu: 1, verifier: 'math', judge: 'maths' },
    response: recipe,
    async handler({ deps, caller, body: { name, ...given } }) {
      const { tenant } = caller
      // A verifier whose options can never work is refused now, not at the first row.
      if (given.verifier !== undefined) verifierOf(given.verifier)
      const judges: Partial<Record<JudgeRole, string>> = {}
      for (const role of JUDGE_ROLES) {
        const named = given[role]
        if (named !== undefined) judges[role] = (await findResource(deps.database, 'judges', tenant, named, role)).id
      }
      const row = {
        id: newId('reward', deps.entropy),
        tenant,
        name: name ?? null,
        body: { ...given, ...judges },
        secret: null,
        createdAt: deps.clock.now(),
      }
      return show(await deps.database.recipes.insert(row))
    },
  }),
  route({
    method: 'GET',
    path: '/v1/recipes',
    operationId: 'listRecipes',
    tag: 'Rewards',
    summary: 'List reward recipes, newest first',
    scope: 'judge',
    query: pageQuery(),
    response: listOf(recipe),
    handler: ({ deps, caller, query }) => page(query, (p) => deps.database.recipes.list(caller.tenant, p), show),
  }),
  route({
    method: 'GET',
    path: '/v1/recipes/:id',
    operationId: 'getRecipe',
    tag: 'Rewards',
    summary: 'Get a reward recipe by id, or the newest of a name',
    scope: 'judge',
    response: recipe,
    handler: async ({ deps, caller, params }) =>
      show(await findResource(deps.database, 'recipes', caller.tenant, params.id, 'id')),
  }),
  route({
    method: 'DELETE',
    path: '/v1/recipes/:id',
    operationId: 'deleteRecipe',
    tag: 'Rewards',
    summary: 'Delete a reward recipe',
    scope: 'judge',
    response: deleted,
    async handler({ deps, caller, params }) {
      const { id } = await removeResource(deps, 'recipes', caller.tenant, params.id)
      return { id, object: 'reward', deleted: true }
    },
  }),
]
