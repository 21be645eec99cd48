/**
 * Names of the fields of a `config.json` whose numbers were written with a point or an exponent. JavaScript has one kind
 * of number, and would write 30.0 as 30, which transformers 5 refuses where it wants a float.
 */
export type FloatFields = ReadonlySet<string>

/** The reviver's third argument, which TypeScript's library does not have yet. */
type Source = { source?: string } | undefined

/** Throws SyntaxError where the text is not JSON. */
export function parseConfig(text: string): { value: unknown; floats: FloatFields } {
  const floats = new Set<string>()
  const floatLists = new Set<unknown>()
  const value = JSON.parse(text, function (this: unknown, key: string, item: unknown, context: Source) {
    if (typeof item === 'number' && context?.source !== undefined && !/^-?\d+$/.test(context.source)) {
      if (Array.isArray(this)) floatLists.add(this)
      else floats.add(key)
    }
    if (floatLists.has(item)) floats.add(key)
    return item
  } as (this: unknown, key: string, value: unknown) => unknown) as unknown
  return { value, floats }
}

const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }

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

const asFloat = (value: unknown): unknown => (Number.isSafeInteger(value) ? rawJSON(`${String(value)}.0`) : value)
