import { parseJson, rawJSON } from '../../core/json.ts'

/**
 * Names of the fields of a `config.json` whose numbers were written with a point or an exponent. JavaScript has one kind
 * of number, and would write 30.0 as 30, which transformers 5 refuses where it wants a float.
 */
export type FloatFields = ReadonlySet<string>

/** Throws SyntaxError where the text is not JSON. */
export function parseConfig(text: string): { value: unknown; floats: FloatFields } {
  const floats = new Set<string>()
  const lists = new Set<object>()
  const value = parseJson(text, (number, source, key, holder) => {
    if (!/^-?\d+$/.test(source)) {
      if (Array.isArray(holder)) lists.add(holder)
      else floats.add(key)
    }
    return number
  })
  if (lists.size > 0) addNamesOf(lists, value, floats)
  return { value, floats }
}

/** Adds the names of the fields that hold some lists. */
function addNamesOf(lists: ReadonlySet<object>, value: unknown, names: Set<string>): void {
  if (typeof value !== 'object' || value === null) return
  for (const [name, item] of Object.entries(value)) {
    if (lists.has(item as object)) names.add(name)
    else addNamesOf(lists, item, names)
  }
}

/** The text of a config, whole numbers of `floats` with a point. */
export const configText = (config: object, floats: FloatFields): string =>
  JSON.stringify(
    config,
    (key, value: unknown) => {
      if (!floats.has(key)) return value
      return Array.isArray(value) ? value.map(asFloat) : asFloat(value)
    },
    2,
  )

const asFloat = (value: unknown): unknown => (Number.isSafeInteger(value) ? rawJSON!(`${String(value)}.0`) : value)
