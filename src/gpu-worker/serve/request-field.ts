import * as v from 'valibot'

/** What a field may do: `built` does what it says; `none` is taken and changes no answer; `refused` has one neutral value. */
export type Effect = 'built' | 'none' | 'refused'

export interface Field<S extends v.GenericSchema = v.GenericSchema> {
  schema: S
  effect: Effect
  /** For the docs: what it does, or why it does nothing, or the value that is taken. */
  says: string
}

export const built = <S extends v.GenericSchema>(schema: S, says: string) => ({
  schema,
  effect: 'built' as const,
  says,
})

/** Of no bearing on the answer, whatever it is. */
export const without = <S extends v.GenericSchema>(schema: S, says: string) => ({
  schema: v.nullish(schema),
  effect: 'none' as const,
  says,
})

const shown = (value: unknown) => (value === undefined ? 'null' : JSON.stringify(value))

/** Would change the answer, and is not implemented: taken are null and these values, at which it does nothing. */
export const refused = (...neutral: (string | number | boolean | [])[]) => {
  const isNeutral = (value: unknown) => neutral.some((one) => (Array.isArray(one) ? isEmpty(value) : one === value))
  const taken = neutral.map((one) => (Array.isArray(one) ? 'an empty one' : shown(one)))
  const says = taken.length ? `only ${taken.join(' or ')}` : 'only null'
  const advice = taken.length ? `leave it out or send ${taken.join(' or ')}` : 'leave it out'
  return {
    schema: v.nullish(v.custom<unknown>(isNeutral, `is not supported here; ${advice}`)),
    effect: 'refused' as const,
    says,
  }
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

export const integer = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max))
export const number = (min: number, max: number) => v.pipe(v.number(), v.minValue(min), v.maxValue(max))
export const flag = (otherwise: boolean, says: string) => built(v.nullish(v.boolean(), otherwise), says)
/** Half a surrogate pair is in no text that a model writes. */
export const wellFormed = v.check(
  (value: string) => value.isWellFormed(),
  'has half a surrogate pair; send whole characters',
)
