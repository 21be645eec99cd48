import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conversion, knownUnit, unitOf } from '../../../../../src/core/verifiers/math/units/units.ts'
import { math } from '../../../../../src/core/verifiers/math/index.ts'

/** How many of the second one of the first is; the figures are those of the SI Brochure and NIST Special Publication 811. */
function times(from: string, to: string): number | null {
  for (const a of knownUnit(from) ?? [])
    for (const b of knownUnit(to) ?? []) {
      const change = conversion(a, b)
      if (change) return (Number(change.factor.n) / Number(change.factor.d)) * Math.PI ** change.pi
    }
  return null
}

test('units are what the standards say', () => {
  const figures: [string, string, number][] = [
    ['mile', 'km', 1.609344], ['inch', 'cm', 2.54], ['yards', 'm', 0.9144], ['nautical mile', 'm', 1852], ['light-year', 'm', 9460730472580800],
    ['lb', 'g', 453.59237], ['oz', 'g', 28.349523125], ['short ton', 'lb', 2000], ['long ton', 'lb', 2240], ['tonne', 'kg', 1000], ['stone', 'lb', 14],
    ['gallon', 'L', 3.785411784], ['gallon', 'in^3', 231], ['quarts', 'gallons', 0.25], ['pint', 'cups', 2], ['cup', 'fl oz', 8], ['tbsp', 'tsp', 3],
    ['acre', 'square feet', 43560], ['hectare', 'm^2', 10000], ['square mile', 'acres', 640], ['cubic yard', 'cu. ft.', 27],
    ['mph', 'm/s', 0.44704], ['knot', 'km/h', 1.852], ['week', 'hours', 168], ['year', 'months', 12], ['century', 'years', 100],
    ['N', 'kg m/s^2', 1], ['J', 'N·m', 1], ['W', 'J/s', 1], ['Pa', 'N/m^2', 1], ['kWh', 'MJ', 3.6], ['cal', 'J', 4.184], ['atm', 'kPa', 101.325],
    ['V', 'W/A', 1], ['Ω', 'V/A', 1], ['F', 'C/V', 1], ['Wb', 'V s', 1], ['T', 'Wb/m^2', 1], ['H', 'Wb/A', 1], ['C', 'A s', 1], ['Hz', 's^{-1}', 1],
    ['kPa', 'Pa', 1000], ['mA', 'A', 1e-3], ['μm', 'mm', 1e-3], ['µs', 'ns', 1000], ['GHz', 'MHz', 1000], ['kN', 'N', 1000], ['mmol', 'mol', 1e-3],
    ['megahertz', 'kilohertz', 1000], ['micrometers', 'nanometers', 1000], ['byte', 'bits', 8], ['GB', 'MB', 1000], ['GiB', 'MiB', 1024], ['mol/L', 'mmol/mL', 1],
    ['degree', 'radians', Math.PI / 180], ['turn', 'rad', 2 * Math.PI], ['rpm', 'rad/s', (2 * Math.PI) / 60], ['m/s^2', 'm/s/s', 1],
    ['m s^{-2}', 'meters per second squared', 1], ['J/(kg K)', 'J kg^{-1} K^{-1}', 1], ['J/(kg °C)'.replace('°C', 'celsius'), 'J/(kg K)', 1], ['dollars', 'cents', 100],
  ] // prettier-ignore
  for (const [from, to, expected] of figures) {
    const found = times(from, to)
    assert.ok(found !== null && Math.abs(found / expected - 1) < 1e-12, `1 ${from} is ${expected} ${to}, not ${found}`)
  }
})

test('letters keep their case, and other dimensions are other things', () => {
  const different: [string, string][] = [
    ['mW', 'MV'], ['kg', 'km'], ['N', 'J'], ['J', 'W'], ['m', 'm^2'], ['m/s', 'm/s^2'], ['year', 'days'], ['$', '€'], ['bits', 'Hz'], ['kWh', 'kW'], ['K', 'C'],
    ['m', 'min'], ['g', 'Gs'], ['Nm', 'N'], ['degree', 'celsius'],
  ] // prettier-ignore
  for (const [a, b] of different) assert.equal(times(a, b), null, `${a} is not ${b}`)
  assert.equal(times('MW', 'mW'), 1e9)
  assert.equal(times('Mb', 'mb'), 1e9)
  assert.equal(times('pound', 'kg'), 0.45359237)
  assert.equal(times('pounds', '£'), 1)
})

test('what is in no table is kept as the words it is', () => {
  for (const words of ['blorps', 'apples', 'kiloapples', 'GHZ', 'J/kg K', 'm^9^9', 'm//s', '(m', 'per hour', ''])
    assert.equal(knownUnit(words), null, words)
  assert.deepEqual(unitOf('red apples'), [{ known: false, words: ['red', 'apple'] }])
  assert.equal(unitOf(''), null)
  assert.equal(knownUnit('m '.repeat(500)), null)
  assert.equal(knownUnit('m/'.repeat(20)), null)
})

test('temperatures are on their scales', () => {
  const same = (text: string, gold: string) => math.verify({ text, gold }).correct
  for (const [a, b] of [['0 °C', '32 °F'], ['100 °C', '212 °F'], ['-40 °C', '-40 °F'], ['0 K', '-273.15 °C'], ['300 K', '26.85 degrees Celsius']] as const) {
    assert.equal(same(`#### ${a}`, b), true, `${a} is ${b}`)
    assert.equal(same(`#### ${a}`, b.replace(/\d+/, (n) => String(Number(n) + 1))), false)
  } // prettier-ignore
})
