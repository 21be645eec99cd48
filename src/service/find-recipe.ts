import { GavelError } from '../core/errors.ts'
import type { RewardRecipe } from '../core/schemas/reward.ts'
import type { Database } from './database.ts'

/**
 * The recipe of a name: a recipe by id or name or, where there is none, a judge, for its judgment alone behind the gate.
 * @throws GavelError `not_found` (param `reward`) where there is neither
 */
export async function findRecipe(database: Database, tenant: string, named: string): Promise<RewardRecipe> {
  const recipe = await database.recipes.find(tenant, named)
  if (recipe) return recipe.body
  const judge = await database.judges.find(tenant, named)
  if (judge) return { lambda: 0, mu: 1, rho: 0, judge: judge.id, normalise: 'row', gate: true }
  const message = `\`reward\`: there is no reward recipe and no judge ${JSON.stringify(named.slice(0, 100))}. List yours with GET /v1/recipes and GET /v1/judges, and give a name or id.`
  throw new GavelError('not_found', message, { param: 'reward' })
}
