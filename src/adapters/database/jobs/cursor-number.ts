import { GavelError } from '../../../core/errors.ts'

/** The cursor of a list whose rows are numbered. @throws GavelError `not_found` for what is no number of a row */
export function cursorNumber(after: string): number {
  if (/^\d{1,15}$/.test(after)) return Number(after)
  throw new GavelError('not_found', '`after` must be the id (a number) of the last row of the page before.', {
    param: 'after',
  })
}
