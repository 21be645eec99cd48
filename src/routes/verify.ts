import { GavelError } from '../core/errors.ts'
import { NOTHING_USED } from '../core/judges/usage-counts.ts'
import { verifyAnswer, verifyRequest, type Verdict } from '../core/schemas/verify.ts'
import { verifierOf } from '../core/verifiers/index.ts'
import type { Verifier } from '../core/verifiers/verifier.ts'
import { MAX_BATCH_BYTES, route } from './http/route.ts'

/** @throws GavelError naming which item's gold cannot be compared with */
async function verifyItem(verifier: Verifier, item: { text: string; gold: string }, index: number): Promise<Verdict> {
  try {
    return await verifier.verify(item)
  } catch (error) {
    if (!(error instanceof GavelError) || error.param !== 'gold') throw error
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
    description:
      'Programs are run on Node only: `program` answers `unavailable_here` on Cloudflare. A program that fails, or takes ' +
      'longer than ten seconds, is a text without an answer; `reason` says why.',
    scope: 'judge',
    body: verifyRequest,
    maxBytes: MAX_BATCH_BYTES,
    example: { verifier: 'math', items: [{ text: 'So she has 1,200 apples.', gold: '1200' }] },
    response: verifyAnswer,
    async handler({ deps, caller, body: { verifier: spec, items }, work }) {
      const verifier = verifierOf(spec, deps.programs)
      const data = await work.map(items, (i) => `items[${i}]`, (item, i) => verifyItem(verifier, item, i)) // prettier-ignore
      deps.ledger.add(caller, '', { ...NOTHING_USED, items: items.length })
      return { object: 'list', data, has_more: false }
    },
  }),
]
