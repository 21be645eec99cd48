import type { FirstTokenLogprobs } from '../ports.ts'
import type { JudgeLabels } from '../schemas/judge.ts'
import { carriesLabel } from './labels.ts'

/**
 * What a judge said of one item. The three kinds never collapse into a number:
 * `scored`: P(Yes) in [0, 1], calibrated where the judge is (`raw` is then what it was before), and the label mass it
 * rests on; `abstained`: the judge answered something else than its labels; `failed`: no usable answer was had.
 */
export type Judgment =
  | { outcome: 'scored'; probability: number; labelMass: number; raw?: number }
  | { outcome: 'abstained'; labelMass: number; reason: string }
  | { outcome: 'failed'; reason: string }

/** Providers round; a log-probability or a total this far above its bound is still taken as the bound. */
const ROUNDING = 1e-3

/**
 * P(Yes) from the first token's distribution: the probabilities of all token variants of each label are summed,
 * p = yes / (yes + no) and labelMass = yes + no, computed in log space. A token listed twice with the same
 * log-probability (the sampled one usually is) counts once.
 *
 * @param minLabelMass fraction in [0, 1] below which the judge has not answered: no score, rather than a score of 0
 */
export function probabilityOfYes(
  logprobs: FirstTokenLogprobs['logprobs'],
  labels: JudgeLabels,
  minLabelMass = 0.5,
): Judgment {
  const read = labelMasses(logprobs, [labels.yes, labels.no], minLabelMass)
  if (read.outcome !== 'scored') return read
  const [yes, no] = read.logMasses
  return { outcome: 'scored', probability: 1 / (1 + Math.exp(no! - yes!)), labelMass: read.labelMass }
}

/** How the first token's probability falls on labels: ln of each one's mass (−∞ for none), and their sum. */
export type LabelMasses =
  { outcome: 'scored'; logMasses: number[]; labelMass: number } | Exclude<Judgment, { outcome: 'scored' }>

/**
 * The masses of any number of labels, read as {@link probabilityOfYes} says.
 * @param labels at least two, none a variant of another
 */
export function labelMasses(
  logprobs: FirstTokenLogprobs['logprobs'],
  labels: readonly string[],
  minLabelMass: number,
): LabelMasses {
  if (logprobs.length === 0) {
    const reason =
      'the provider returned no log-probabilities for the first token; use a model and provider that support ' +
      '`logprobs` with `top_logprobs`, or a local judge'
    return { outcome: 'failed', reason }
  }
  const broken = logprobs.find(({ logprob }) => typeof logprob !== 'number' || !(logprob <= ROUNDING))
  if (broken) {
    const reason = `garbage from the provider: token ${JSON.stringify(broken.token)} has log-probability ${broken.logprob}`
    return { outcome: 'failed', reason }
  }
  const distinct = [...new Map(logprobs.map((entry) => [`${entry.logprob}\n${entry.token}`, entry])).values()]
  const logMasses = labels.map((label) =>
    logSumExp(distinct.filter(({ token }) => carriesLabel(token, label)).map(({ logprob }) => Math.min(0, logprob))),
  )
  const labelMass = Math.exp(logSumExp(logMasses))
  if (labelMass > 1 + ROUNDING) {
    const reason = `garbage from the provider: the labels' probabilities sum to ${labelMass.toPrecision(4)}`
    return { outcome: 'failed', reason }
  }
  if (labelMass < minLabelMass || labelMass === 0) {
    const { token } = distinct.reduce((best, entry) => (entry.logprob > best.logprob ? entry : best))
    // A local judge tells of its labels only, so what it would rather have said is not known.
    const isLabel = labels.some((label) => carriesLabel(token, label))
    const rather = isLabel ? '' : `, its likeliest first token is ${JSON.stringify(token.slice(0, 64))}`
    const asked = `${labels.slice(0, -1).join(', ')} or ${labels.at(-1)}`
    const reason = `the judge did not answer ${asked}: label mass ${labelMass.toPrecision(3)} is below ${minLabelMass}${rather}`
    return { outcome: 'abstained', labelMass, reason }
  }
  return { outcome: 'scored', logMasses, labelMass: Math.min(1, labelMass) }
}

/** No softmax of a model's logits comes near it: a stand-in for "not said". */
const NOT_SAID = -1000

/**
 * Whether log-probabilities say more than which token is the one: some providers give it 0 and all others −9999 (or −∞),
 * and P(Yes) is then 0 or 1 however sure the model was. Nothing listed says nothing against it.
 */
export function hasShades(logprobs: FirstTokenLogprobs['logprobs']): boolean {
  const others = logprobs.filter(({ logprob }) => logprob < -1e-6)
  return logprobs.length === 0 || others.length === 0 || others.some(({ logprob }) => logprob > NOT_SAID)
}

/** The entropy of a verdict, in nats: 0 where it is certain, ln 2 where it is a toss-up. */
export function verdictEntropy(probability: number): number {
  const part = (p: number) => (p > 0 ? -p * Math.log(p) : 0)
  return part(probability) + part(1 - probability)
}

/** ln Σ exp(xᵢ), without overflow or underflow; −∞ of nothing. */
function logSumExp(values: number[]): number {
  const top = Math.max(...values)
  if (top === -Infinity) return -Infinity
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0))
}
