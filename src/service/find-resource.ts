import { GavelError } from '../core/errors.ts'
import type { Database, ResourceRow } from './database.ts'

/** What is said of a resource that is not there, and where to look for one. */
const WORDS = {
  keys: { noun: 'key', list: '/v1/keys' },
  judges: { noun: 'judge', list: '/v1/judges' },
  recipes: { noun: 'reward recipe', list: '/v1/recipes' },
  datasets: { noun: 'dataset', list: '/v1/datasets' },
  models: { noun: 'model', list: '/v1/models' },
} as const
type Kind = keyof typeof WORDS

type BodyOf<K extends Kind> = Database[K] extends { find(t: string, i: string): Promise<ResourceRow<infer B> | null> }
  ? B
  : never

/**
 * A tenant's resource by id or by name (the newest of the name).
 * @param param the field that named it
 * @throws GavelError `not_found`
 */
export async function findResource<K extends Kind>(
  database: Database,
  kind: K,
  tenant: string,
  idOrName: string,
  param: string,
): Promise<ResourceRow<BodyOf<K>>> {
  const row = await database[kind].find(tenant, idOrName)
  if (row) return row as ResourceRow<BodyOf<K>>
  const { noun, list } = WORDS[kind]
  const message = `\`${param}\`: there is no ${noun} ${JSON.stringify(idOrName.slice(0, 100))}. List yours with GET ${list}.`
  throw new GavelError('not_found', message, { param })
}
