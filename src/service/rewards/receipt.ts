import { canonicalJson } from '../../core/json.ts'
import type { Receipt } from '../../core/schemas/reward.ts'
import { sha256Hex } from '../../core/sha256.ts'
import { type SecretBox } from '../keys.ts'

/** What a receipt is for: what was asked, by which recipe, and what was answered. */
export interface Rewarded {
  recipe: unknown
  items: unknown
  data: unknown
}

/** SHA-256 of the canonical JSON (RFC 8785) of `{"data": …, "items": …, "recipe": …}`. */
export const rewardedSha256 = ({ recipe, items, data }: Rewarded) => sha256Hex(canonicalJson({ recipe, items, data }))

/** What is signed: the form's version, the tenant, the time and the hash, a line each. */
const signed = (tenant: string, { created_at, sha256 }: Pick<Receipt, 'created_at' | 'sha256'>) =>
  `gavel-receipt-1\n${tenant}\n${created_at}\n${sha256}`

/**
 * Signs that this server answered a tenant so: HMAC-SHA-256, with a key derived from the server's secret.
 * @param now in ms
 * @returns without `hmac` where the server has no secret
 */
export async function makeReceipt(
  secrets: SecretBox,
  tenant: string,
  rewarded: Rewarded,
  now: number,
): Promise<Receipt> {
  const receipt = { created_at: Math.floor(now / 1000), sha256: await rewardedSha256(rewarded) }
  return { ...receipt, hmac: await secrets.sign(signed(tenant, receipt)) }
}

/**
 * Whether a receipt is this server's for this tenant and, where that is given, for this content.
 * @returns null when it is, else why not
 * @throws GavelError `unavailable_here` where the server has no secret to check it with
 */
export async function checkReceipt(
  secrets: SecretBox,
  tenant: string,
  receipt: Receipt,
  content: Rewarded | undefined,
): Promise<'no_signature' | 'wrong_signature' | 'other_content' | null> {
  if (receipt.hmac === null) return 'no_signature'
  if (!(await secrets.isSigned(signed(tenant, receipt), receipt.hmac))) return 'wrong_signature'
  if (content && (await rewardedSha256(content)) !== receipt.sha256) return 'other_content'
  return null
}
