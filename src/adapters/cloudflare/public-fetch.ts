import { GavelError } from '../../core/errors.ts'
import { checkPublicUrl } from '../../service/public-url.ts'

/**
 * A `fetch` for URLs that users gave: public https only, and no redirects. Where a name leads is Cloudflare's to say;
 * its network does not reach private addresses.
 */
export const publicFetch: typeof fetch = async (input, init) => {
  const request = new Request(input, { ...init, redirect: 'manual' })
  const { origin } = checkPublicUrl(request.url, 'url', false)
  const response = await fetch(request)
  if (response.status >= 300 && response.status < 400 && response.status !== 304) {
    const message = `${origin} answered with a redirect, which is not followed. Give the final URL.`
    throw new GavelError('judge_unreachable', message)
  }
  return response
}
