/** What two equal questions tell of a judge: what its provider can, and what to change. */
import type { FirstTokenLogprobs, ProviderTakes } from '../ports.ts'
import type { Judge, JudgeProbe } from '../schemas/judge.ts'
import { carriesLabel } from './labels.ts'
import { hasShades, probabilityOfYes } from './probability.ts'
import type { JudgeItem } from './template.ts'
import { NO_SHADES, NOT_INFORMATIVE } from './warnings.ts'

/** Short, plain, and right by any measure; the reference is for templates that show one. */
export const PROBE_ITEM: JudgeItem = { question: 'What is 2 + 3?', answer: '2 + 3 = 5', reference: '5' }

/** Below it a judge that answers still puts much of its probability on other words. */
const GOOD_LABEL_MASS = 0.8
/** With fewer alternatives, and so much of the probability on what is not among them, spellings of a label are left out. */
const GOOD_ALTERNATIVES = 5
const UNSEEN = 0.01
/** Equal calls that differ by more than this drown small differences between answers. */
const QUIET = 0.01

export interface ProbeFinding {
  probe: JudgeProbe
  warnings: string[]
}

/**
 * @param answers of two equal calls; the second is null where the first failed
 * @param takes what its provider takes, of one that is asked for tokens
 * @param now in ms
 */
export function probeFinding(
  judge: Pick<Judge, 'labels' | 'min_label_mass' | 'timeout_ms' | 'calibration'>,
  [first, second]: readonly [FirstTokenLogprobs | Error, FirstTokenLogprobs | Error | null],
  takes: ProviderTakes | null,
  now: number,
): ProbeFinding {
  const probe: JudgeProbe = {
    created_at: Math.floor(now / 1000),
    usable: false,
    reason: null,
    takes,
    alternatives: null,
    label_tokens: null,
    probability: null,
    label_mass: null,
    latency_ms: null,
    repeat_difference: null,
  }
  if (first instanceof Error) return refused({ ...probe, takes: null }, first.message)

  const { labels, min_label_mass: least, timeout_ms: timeoutMs } = judge
  const { logprobs, complete } = first
  const [one, other] = [first, second].map((answer) =>
    answer && !(answer instanceof Error) ? probabilityOfYes(answer.logprobs, labels, least) : null,
  )
  const again = second instanceof Error || second === null ? first : second
  const carrying = (label: string) =>
    logprobs
      .filter(({ token, logprob }) => carriesLabel(token, label) && logprob > -Infinity)
      .map(({ token, logprob }) => ({ token, probability: Math.min(1, Math.exp(logprob)) }))
      .sort((a, b) => b.probability - a.probability)
  const seen: JudgeProbe = {
    ...probe,
    alternatives: logprobs.length,
    label_tokens: { yes: carrying(labels.yes), no: carrying(labels.no) },
    label_mass: one && 'labelMass' in one ? one.labelMass : null,
    latency_ms: again.latencyMs ?? null,
  }
  if (one?.outcome !== 'scored') return refused(seen, one?.reason ?? 'it gave no answer', hintOf(first, judge))

  const difference = other?.outcome === 'scored' ? Math.abs(one.probability - other.probability) : null
  const warnings = [
    ...(complete || hasShades(logprobs) ? [] : [NO_SHADES]),
    ...(one.labelMass < GOOD_LABEL_MASS
      ? [
          `Only ${percent(one.labelMass)} of its first token's probability is on ${labels.yes} or ${labels.no}: say in the template which two words may be answered, or choose labels that it likes to say.`,
        ]
      : []),
    ...(!complete && logprobs.length < GOOD_ALTERNATIVES && 1 - massOf(logprobs) > UNSEEN
      ? [
          `Its provider gives ${logprobs.length} alternatives only: spellings of ${labels.yes} and ${labels.no} beyond them count as 0, and many answers will be abstained from.`,
        ]
      : []),
    ...(difference === null
      ? [`The second of two equal calls gave no score: ${second instanceof Error ? second.message : (other as { reason?: string } | null)?.reason}`] // prettier-ignore
      : difference > QUIET
        ? [
            `Two equal calls differ by ${difference.toPrecision(2)}: answers whose probabilities differ by less cannot be told apart. Gateways that route to several providers do this; name one.`,
          ]
        : []),
    ...(seen.latency_ms !== null && seen.latency_ms > timeoutMs / 2
      ? [
          `It took ${Math.round(seen.latency_ms)} ms of the ${timeoutMs} that it has: raise timeout_ms, or lower concurrency.`,
        ]
      : []),
  ]
  return {
    probe: { ...seen, usable: true, probability: one.probability, repeat_difference: difference },
    // What a calibration found stays true.
    warnings: [...warnings, ...(judge.calibration?.informative === false ? [NOT_INFORMATIVE] : [])],
  }
}

/** A finding of a judge that gave no score. */
function refused(probe: JudgeProbe, reason: string, hint: string | null = null): ProbeFinding {
  return {
    probe: { ...probe, reason },
    warnings: [`It gave no score when it was tried: ${reason}`, ...(hint ? [hint] : [])],
  }
}

/** What to do about a first token that is none of the labels. */
function hintOf({ logprobs }: FirstTokenLogprobs, { labels }: Pick<Judge, 'labels'>): string | null {
  const [top] = [...logprobs].sort((a, b) => b.logprob - a.logprob)
  if (!top) return null
  if (/think|reason|analysis|channel/i.test(top.token)) {
    return `It thinks before it answers (its first token is ${JSON.stringify(top.token)}): choose a model that does not, or turn thinking off at its server.`
  }
  return `Its first token is ${JSON.stringify(top.token.slice(0, 64))}: say in the template that the answer is ${labels.yes} or ${labels.no} and nothing else, or choose labels that the model says.`
}

const massOf = (logprobs: FirstTokenLogprobs['logprobs']) =>
  logprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)

const percent = (share: number) => `${(100 * share).toFixed(1)} %`
