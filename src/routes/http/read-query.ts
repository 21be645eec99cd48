import type * as v from 'valibot'
import { GavelError } from '../../core/errors.ts'
import { parse } from '../../core/schemas/parse.ts'

/**
 * The query of a URL by its schema (an object of `fields`). Numbers are read as such where the schema wants one.
 * @throws GavelError `invalid_request` naming the parameter that is unknown, repeated or wrong
 */
export function readQuery(url: string, schema: v.GenericSchema | undefined): unknown {
  const entries = (schema as { entries?: Record<string, { type: string; wrapped?: { type: string } }> })?.entries ?? {}
  const values: Record<string, string | number> = {}
  for (const [key, value] of new URL(url).searchParams) {
    const shown = key.slice(0, 100)
    if (!Object.hasOwn(entries, key)) {
      const known = Object.keys(entries).join(', ') || 'none'
      throw new GavelError('invalid_request', `\`${shown}\` is not a query parameter here; known: ${known}.`, {
        param: shown,
      })
    }
    if (Object.hasOwn(values, key)) {
      throw new GavelError('invalid_request', `\`${shown}\` is given more than once; give it once.`, { param: shown })
    }
    const type = entries[key].wrapped?.type ?? entries[key].type
    values[key] = type === 'number' && /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value) ? Number(value) : value
  }
  return schema ? parse(schema, values, 'query') : undefined
}
