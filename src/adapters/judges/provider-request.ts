/** The URL of a path below a provider's base, whose query (Azure's `api-version`) goes along. */
export function urlBelow(baseUrl: string, path: string): string {
  const url = new URL(baseUrl)
  url.pathname = url.pathname.replace(/\/+$/, '') + path
  return url.href
}

/** The secret's header, and what is sent. */
export function postJson(url: string, apiKey: string | null, body: object): RequestInit {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (apiKey !== null && isAzure(url) && !JWT.test(apiKey)) headers['api-key'] = apiKey
  else if (apiKey !== null) headers.authorization = `Bearer ${apiKey}`
  return { method: 'POST', headers, body: JSON.stringify(body) }
}

/** What Entra ID gives: Azure takes it as a bearer's. */
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/

/** Azure wants its keys in a header of its own. */
function isAzure(url: string): boolean {
  const { hostname, searchParams } = new URL(url)
  return searchParams.has('api-version') || /\.(openai|cognitiveservices|services\.ai)\.azure\.com$/.test(hostname)
}

/** @throws Error when an answer is not JSON */
export async function readAnswer(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`its answer is not JSON: ${JSON.stringify(text.slice(0, 100))}`)
  }
}
