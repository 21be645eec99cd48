import { GavelError } from '../../core/errors.ts'

/** @param where the model, or the row it was asked about */
export const notANumber = (where: string): GavelError =>
  new GavelError(
    'corrupt_model',
    `${where}: what the model computes is not a number; its weights are too large, or its config.json is not theirs`,
  )
