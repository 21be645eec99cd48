/** Units by dimension: how many of its base unit each is. */
const DIMENSIONS: Record<string, Record<string, number>> = {
  length: {
    m: 1, metre: 1, meter: 1, cm: 0.01, centimetre: 0.01, centimeter: 0.01, mm: 0.001, millimeter: 0.001,
    millimetre: 0.001, km: 1000, kilometre: 1000, kilometer: 1000, inch: 0.0254, inche: 0.0254, in: 0.0254, ft: 0.3048,
    foot: 0.3048, feet: 0.3048, yd: 0.9144, yard: 0.9144, mile: 1609.344, mi: 1609.344,
  },
  mass: {
    g: 1, gram: 1, kg: 1000, kilogram: 1000, mg: 0.001, milligram: 0.001, lb: 453.59237, pound: 453.59237,
    oz: 28.349523125, ounce: 28.349523125, ton: 907184.74, tonne: 1e6,
  },
  time: {
    s: 1, sec: 1, second: 1, min: 60, minute: 60, h: 3600, hr: 3600, hour: 3600, day: 86400, week: 604800,
  },
  'length^3': { l: 1e-3, liter: 1e-3, litre: 1e-3, ml: 1e-6, milliliter: 1e-6, millilitre: 1e-6 },
  'length/time': { mph: 1609.344 / 3600, kph: 1 / 3.6, kmh: 1 / 3.6 },
  angle: { degree: Math.PI / 180, '°': Math.PI / 180, radian: 1, rad: 1 },
  dollars: { $: 1, dollar: 1, usd: 1, cent: 0.01, '¢': 0.01 },
  euros: { '€': 1, euro: 1, eur: 1 },
  yen: { '¥': 1, yen: 1, jpy: 1 },
  rupees: { '₹': 1, rupee: 1, rs: 1, inr: 1 },
  celsius: { celsius: 1 },
  fahrenheit: { fahrenheit: 1 },
  sterling: { '£': 1, gbp: 1 },
} // prettier-ignore

export interface Unit {
  /** `length`, `length^2` … */
  dimension: string
  factor: number
}

const UNITS = new Map<string, Unit>(
  Object.entries(DIMENSIONS).flatMap(([dimension, units]) =>
    Object.entries(units).map(([name, factor]): [string, Unit] => [name, { dimension, factor }]),
  ),
)

/** The unit that words behind a number (or the sign before it) name; null where they are another thing (`apples`). */
export function unitOf(words: string): Unit | null {
  const [above, below, more] = words.split(/ ?\/ ?| (?:per|an?) /)
  if (below === undefined) return simpleUnit(words)
  const [top, bottom] = [simpleUnit(above!), simpleUnit(below)]
  if (!top || !bottom || more !== undefined) return null
  return { dimension: `${top.dimension}/${bottom.dimension}`, factor: top.factor / bottom.factor }
}

function simpleUnit(words: string): Unit | null {
  const found = /^(?:(square|sq\.?|cubic|cu\.?) )?([\p{L}$€£¢¥₹°]+)\.?(?:\^?\{?([23])\}?)?$/u.exec(words.trim())
  if (!found) return null
  const spelled = found[2]!
  const unit =
    UNITS.get(spelled) ?? UNITS.get(spelled.toLowerCase()) ?? UNITS.get(spelled.toLowerCase().replace(/s$/, ''))
  if (!unit) return null
  const power = found[1]?.startsWith('cu') ? 3 : found[1] ? 2 : Number(found[3] ?? 1)
  return power === 1 ? unit : { dimension: `${unit.dimension}^${power}`, factor: unit.factor ** power }
}
