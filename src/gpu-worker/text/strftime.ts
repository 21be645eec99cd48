const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'] // prettier-ignore
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

const two = (value: number) => String(value).padStart(2, '0')

const PARTS: Record<string, (date: Date) => string> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  d: (date) => two(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2),
  B: (date) => MONTHS[date.getMonth()]!,
  b: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  A: (date) => DAYS[date.getDay()]!,
  a: (date) => DAYS[date.getDay()]!.slice(0, 3),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  F: (date) => `${PARTS.Y!(date)}-${PARTS.m!(date)}-${PARTS.d!(date)}`,
  T: (date) => `${PARTS.H!(date)}:${PARTS.M!(date)}:${PARTS.S!(date)}`,
  j: (date) => String(Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0)) / 864e5)).padStart(3, '0'), // prettier-ignore
  '%': () => '%',
}

/** A date as Python's `strftime` writes it in English; `%-d` and the like without zeros in front. Throws for other codes. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)(.?)/gs, (whole, bare: string, code: string) => {
    const part = Object.hasOwn(PARTS, code) ? PARTS[code]! : null
    if (!part) throw new Error(`the date code ${JSON.stringify(whole)} is not understood here`)
    return bare ? part(date).replace(/^[0 ]+(?=\d)/, '') : part(date)
  })
}
