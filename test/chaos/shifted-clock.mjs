// Preloaded into a process (`--import`): its wall clock is off by as many ms as stand in the file that CHAOS_CLOCK names.
import { readFileSync } from 'node:fs'

const file = process.env.CHAOS_CLOCK
const now = Date.now.bind(Date)
let shift = 0
let looked = 0
const shifted = () => {
  const real = now()
  if (real - looked > 100) {
    looked = real
    try {
      shift = Number(readFileSync(file, 'utf8')) || 0
    } catch {
      // It is being written.
    }
  }
  return real + shift
}
class ShiftedDate extends Date {
  constructor(...given) {
    if (given.length === 0) super(shifted())
    else super(...given)
  }
  static now = shifted
}
globalThis.Date = ShiftedDate
