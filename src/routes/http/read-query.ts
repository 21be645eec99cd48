import type * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { parse } from '../../core/schemas/parse.ts'

/**
 * The query of a URL by its schema (an object of `fields`). Numbers are read as such where the schema wants one.
 * @throws GavelError `invalid_request` naming the parameter that is unknown, repeated or wrong
 */
export function readQuery(url: string, schema: v.GenericSchema | undefined): unknown {
  type Entries = Record<string, { type: string; wrapped?: { type: string } }>
  const entries = new Map(Object.entries((schema as { entries?: Entries })?.entries ?? {}))
  const values: Record<string, string | number> = {}
  for (const [key, value] of new URL(url).searchParams) {
    const shown = key.slice(0, 100)
    const entry = entries.get(key)
    if (!entry) {
      const known = [...entries.keys()].join(', ') || 'none'
      throw new GavelError('invalid_request', `\`${shown}\` is not a query parameter here; known: ${known}.`, {
        param: shown,
      })
    }
    if (Object.hasOwn(values, key)) {
      throw new GavelError('invalid_request', `\`${shown}\` is given more than once; give it once.`, { param: shown })
    }
    const type = entry.wrapped?.type ?? entry.type
    values[key] = type === 'number' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value) ? Number(value) : value
  }
  return schema ? parse(schema, values, 'query') : undefined
}
