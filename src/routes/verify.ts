import { NOTHING_USED } from '../core/judges/usage-counts.ts'
import { runsPrograms } from '../core/rewards/checks.ts'
import { verifyAnswer, verifyRequest } from '../core/schemas/verify.ts'
import { verifierOf } from '../core/verifiers/index.ts'
import { verifyItems } from '../core/verifiers/verify-items.ts'
import { withPrograms } from '../service/with-programs.ts'
import { MAX_BATCH_BYTES, route } from './http/route.ts'

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
    async handler({ deps, caller, body: { verifier: spec, items }, request, work }) {
      const data =
        deps.checks && !runsPrograms(spec)
          ? await deps.checks.verify(spec, items, caller.tenant)
          : await withPrograms(deps.programs, caller.tenant, request.signal, (programs) =>
              verifyItems(verifierOf(spec, programs), items, work),
            )
      deps.ledger.add(caller, '', { ...NOTHING_USED, items: items.length })
      return { object: 'list', data, has_more: false }
    },
  }),
]
