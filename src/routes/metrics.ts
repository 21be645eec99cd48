import { GavelError } from '../core/errors.ts'
import { OPERATOR_TENANT } from '../core/schemas/key.ts'
import { route } from './http/route.ts'

const MEDIA_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export const metricsRoutes = [
  route({
    method: 'GET',
    path: '/metrics',
    operationId: 'getMetrics',
    tag: 'Health',
    summary: "What this process does, in Prometheus' text format",
    description: "For the operator's keys only: the figures are those of all tenants together.",
    scope: 'metrics',
    response: { mediaType: 'text/plain', description: 'Format 0.0.4.' },
    async handler({ deps, caller }) {
      if (caller.tenant !== OPERATOR_TENANT) {
        throw new GavelError('forbidden', "The figures are all tenants'; use a key of the operator.")
      }
      if (!deps.metrics) {
        const message = 'On Cloudflare no process sees all requests: use its own metrics and logs, and GET /v1/usage.'
        throw new GavelError('unavailable_here', message)
      }
      return new Response(await deps.metrics.text(), { headers: { 'content-type': MEDIA_TYPE } })
    },
  }),
]
