import type { MathList, MathValue } from './math-value.ts'

/** Which variable is which: `x = 1, y = 2`, `(y, x) = (2, 1)`. */
export type Assignments = ReadonlyMap<string, MathValue>

/** What a value says of two variables or more, each once, by name; null where it says no such thing. */
export function assignmentsOf(value: MathValue): Assignments | null {
  if (value.kind === 'list') return fromList(value)
  if (value.kind !== 'named' || value.value.kind !== 'list') return null
  const names = /^\((.+)\)$/.exec(value.name.replace(/\s/g, ''))?.[1]?.split(',') ?? []
  const { items } = value.value
  const fits = names.length > 1 && names.length === items.length && new Set(names).size === names.length
  return fits ? new Map(names.map((name, i) => [name, items[i]!])) : null
}

function fromList({ items }: MathList): Assignments | null {
  const pairs = items.map((item): [string, MathValue] | null =>
    item.kind === 'named' && item.left?.op === 'sym' ? [item.name, item.value] : null,
  )
  const all = pairs.filter((pair) => pair !== null)
  const assigned = new Map(all)
  return all.length > 1 && all.length === items.length && assigned.size === items.length ? assigned : null
}

/** The values by the order of their variables' names, as a tuple without names lists them. */
export const inOrder = (assigned: Assignments): MathValue[] =>
  [...assigned].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)

/** `x_1` and `x_2`: names that have no order of their own. */
export const areRoots = (assigned: Assignments): boolean => {
  const names = [...assigned.keys()]
  return names.every((name) => /^[a-z]_\{?\w\}?$/.test(name) && name[0] === names[0]![0])
}
