import type { ProgramRunner } from '../ports.ts'
import type { VerifierConfig, VerifierSpec } from '../schemas/verify.ts'
import { jsonSchema } from './json-schema/index.ts'
import { math } from './math/index.ts'
import { program } from './program.ts'
import { contains, exact, stringCheck, textSimilar } from './text.ts'
import type { PureVerifier, Verifier } from './verifier.ts'

type Options<T> = Extract<VerifierConfig, { type: T }>

/** Those that compare an answer with gold at once, and have no options. */
export const COMPARISONS = { math, exact, contains } satisfies Record<string, PureVerifier>

/** Every verifier by its name. To add one: write it, describe its options in `schemas/verify.ts`, and list it here. */
const VERIFIERS: {
  [T in VerifierConfig['type']]: (options: Options<T>, programs: ProgramRunner | null) => Verifier
} = {
  math: () => COMPARISONS.math,
  exact: () => COMPARISONS.exact,
  contains: () => COMPARISONS.contains,
  program: ({ tolerance }, programs) => program(tolerance, programs),
  string_check: ({ operation }) => stringCheck(operation),
  text_similarity: ({ evaluation_metric, pass_threshold }) => textSimilar(evaluation_metric, pass_threshold),
  json_schema: ({ schema }) => jsonSchema(schema),
}

/**
 * The verifier that a name or its options stand for.
 * @param programs what runs programs; null where nothing can, which only those verifiers mind, and only when they verify
 * @throws GavelError unprocessable (param `verifier`) for options that can never work
 */
export function verifierOf(spec: VerifierSpec, programs: ProgramRunner | null = null): Verifier {
  const options = typeof spec === 'string' ? DEFAULTS[spec] : spec
  return VERIFIERS[options.type](options as never, programs)
}

const DEFAULTS = {
  math: { type: 'math' },
  exact: { type: 'exact' },
  contains: { type: 'contains' },
  program: { type: 'program', tolerance: 0.01 },
  json_schema: { type: 'json_schema' },
} satisfies { [T in Extract<VerifierSpec, string>]: Options<T> }
