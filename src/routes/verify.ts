import { GavelError } from '../core/errors.ts'
import { verifyAnswer, verifyRequest, type Verdict, type VerifierName } from '../core/schemas/verify.ts'
import { NOTHING_USED } from '../core/usage/usage.ts'
import { VERIFIERS } from '../core/verifiers/index.ts'
import { MAX_BATCH_BYTES, route } from './route.ts'

/** @throws GavelError naming which item's gold cannot be compared with */
function verifyItem(verifier: VerifierName, item: { text: string; gold: string }, index: number): Verdict {
  try {
    return VERIFIERS[verifier].verify(item)
  } catch (error) {
    if (!(error instanceof GavelError)) throw error
    const param = `items[${index}].gold`
    throw new GavelError(error.code, `\`${param}\`: ${error.message}`, { param })
  }
}

export const verifyRoutes = [
  route({
    method: 'POST',
    path: '/v1/verify',
    operationId: 'verify',
    tag: 'Scoring',
    summary: 'Check texts against gold answers',
    scope: 'judge',
    body: verifyRequest,
    maxBytes: MAX_BATCH_BYTES,
    example: { verifier: 'math', items: [{ text: 'So she has 1,200 apples.', gold: '1200' }] },
    response: verifyAnswer,
    async handler({ deps, caller, body: { verifier, items } }) {
      const data = items.map((item, i) => verifyItem(verifier, item, i))
      deps.ledger.add(caller, '', { ...NOTHING_USED, items: items.length })
      return { object: 'list', data, has_more: false }
    },
  }),
]
