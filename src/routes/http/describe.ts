import { docsPage } from './docs-page.ts'
import { describeApi, type Description } from './openapi.ts'
import { route, type Route } from './route.ts'

/** The routes and two more that describe them all. */
export function describedRoutes(routes: Route[]): Route[] {
  let description: Description | undefined
  const describe = (): Description => (description ??= describeApi(all))
  const all: Route[] = [
    ...routes,
    route({
      method: 'GET',
      path: '/openapi.json',
      operationId: 'getOpenapi',
      tag: 'Health',
      summary: 'This description, as OpenAPI 3.1',
      scope: null,
      response: { mediaType: 'application/json', description: 'OpenAPI 3.1.' },
      handler: async () => describe(),
    }),
    route({
      method: 'GET',
      path: '/docs',
      operationId: 'getDocs',
      tag: 'Health',
      summary: 'This description, as a page',
      scope: null,
      response: { mediaType: 'text/html', description: 'A page without scripts.' },
      async handler() {
        const headers = {
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        }
        return new Response(docsPage(describe()), { headers })
      },
    }),
  ]
  return all
}
