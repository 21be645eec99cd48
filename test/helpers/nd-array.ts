/** Arrays of any rank in double precision: what the engine's operators are held against. */
export interface NdArray {
  shape: readonly number[]
  /** Row-major. */
  data: readonly number[]
}

/** An array of that shape from a function of the index. */
export function build(shape: readonly number[], value: (...index: number[]) => number): NdArray {
  const count = shape.reduce((a, b) => a * b, 1)
  const data = Array.from({ length: count }, (_, flat) => {
    const index = new Array<number>(shape.length)
    let rest = flat
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % shape[axis]!
      rest = Math.floor(rest / shape[axis]!)
    }
    return value(...index)
  })
  return { shape, data }
}

/** One entry. Missing leading axes and axes of size 1 stand for every index, as numpy's broadcasting has it. */
export function at({ shape, data }: NdArray, ...index: number[]): number {
  const own = index.slice(index.length - shape.length)
  return data[own.reduce((flat, i, axis) => flat * shape[axis]! + (shape[axis] === 1 ? 0 : i), 0)]!
}

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** Σ of f(0) … f(count − 1). */
export const sumOver = (count: number, f: (i: number) => number): number =>
  sum(Array.from({ length: count }, (_, i) => f(i)))

/** Each row along the last axis, replaced by what `f` makes of it. */
export function byRow({ shape, data }: NdArray, f: (row: number[], r: number) => number[]): number[] {
  const width = shape.at(-1)!
  return Array.from({ length: data.length / width }, (_, r) => f(data.slice(r * width, (r + 1) * width), r)).flat()
}

export function softmax(row: readonly number[]): number[] {
  const weights = row.map((x) => Math.exp(x - Math.max(...row)))
  return weights.map((w) => w / sum(weights))
}
