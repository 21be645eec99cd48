import type { VerifierName } from '../schemas/verify.ts'
import { math } from './math/index.ts'
import { contains, exact } from './text.ts'
import type { Verifier } from './verifier.ts'

/** Every verifier by its name. To add one: write it, name it in `schemas/verify.ts`, and list it here. */
export const VERIFIERS = { math, exact, contains } satisfies Record<VerifierName, Verifier>
