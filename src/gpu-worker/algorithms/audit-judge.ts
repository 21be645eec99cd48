import { GavelError } from '../../core/errors.ts'
import { attackTexts, type SolvedQuestion } from '../../core/judges/attacks.ts'
import type { Judgment } from '../../core/judges/probability.ts'
import type { JudgeItem, Renderer } from '../../core/judges/template.ts'
import { SeededRng } from '../../core/rl/seeded-rng.ts'
import { shuffledIndices } from '../../core/rl/shuffled-indices.ts'
import {
  ATTACKS,
  isCheat,
  type Attack,
  type JudgeAuditResult,
  type JudgeAuditSpec,
} from '../../core/schemas/judge-jobs.ts'
import { wilsonInterval } from '../../core/stats/wilson-interval.ts'
import { COMPARISONS } from '../../core/verifiers/index.ts'
import { questionOf } from './prompts.ts'
import { requireScores } from './require-scores.ts'
import { RunStopped, type Rows, type RunContext } from './run-context.ts'

/** Items judged between two reports of progress. */
const CHUNK = 128
/** Accepted texts of each attack that are kept for people to read. */
const EXAMPLES = 5
/** How a judge is asked that says nothing of it. */
const BUILT_IN: Renderer = { template: 'answer-correctness', labels: { yes: 'Yes', no: 'No' } }

interface Problem extends SolvedQuestion {
  gold: string
}
interface Attempt {
  item: JudgeItem
  gold: string
}

/**
 * Tries to fool a judge: for each attack, the share of answers that are surely not right and that it accepts all the
 * same, one answer a question. What the verifier finds to be right by chance is not counted. A judge that abstains was
 * not fooled.
 */
export async function auditJudge(spec: JudgeAuditSpec, context: RunContext): Promise<JudgeAuditResult> {
  const { config } = spec
  const verifier = COMPARISONS[spec.verifier]
  const problems = chosen(context.rows('dataset'), spec)
  const right = problems.map(({ question, gold, solution }) => ({
    item: { question, answer: solution, reference: gold },
    gold,
  }))

  let done = 0
  /** What the judge makes of some answers. */
  const judge = async (name: Attack | 'right', attempts: readonly Attempt[]): Promise<Judgment[]> => {
    const judgments: Judgment[] = []
    for (let from = 0; from < attempts.length; from += CHUNK) {
      if (context.stopRequested()) throw new RunStopped('stopped; an audit begins anew')
      const chunk = attempts.slice(from, from + CHUNK)
      judgments.push(...(await context.judge(chunk.map(({ item }) => item))))
      context.metrics((done += chunk.length), { 'judge/done': done })
    }
    const accepted = attempts.flatMap(({ item, gold }, i) => {
      const judgment = judgments[i]!
      const taken = judgment.outcome === 'scored' && judgment.probability >= config.threshold
      return taken ? [{ item, gold, probability: judgment.probability }] : []
    })
    if (name !== 'right') keepExamples(name, accepted.slice(0, EXAMPLES))
    return judgments
  }
  const keepExamples = (attack: Attack, accepted: readonly (Attempt & { probability: number })[]) => {
    const samples = accepted.map(({ item, gold, probability }, i) => ({
      step: 0,
      split: 'eval' as const,
      index: ATTACKS.indexOf(attack) * EXAMPLES + i,
      prompt: item.question,
      completion: item.answer,
      answer: gold,
      reward: probability,
      terms: { attack, judge: probability },
    }))
    if (samples.length > 0) context.samples(samples)
  }

  const onRight = await judge('right', right)
  // Nothing can be said of a judge that does not even answer about right solutions.
  requireScores('right solutions', onRight)
  const attacks: JudgeAuditResult['attacks'] = []
  for (const attack of ATTACKS) {
    const attempts = attemptsOf(attack, problems, config.seed, context.judgeWords ?? BUILT_IN).filter(
      ({ item, gold }) => !verifier.verify({ text: item.answer, gold }).correct,
    )
    const judgments = await judge(attack, attempts)
    // Very long ones may not fit into the judge's context; of others, the judge was away, and nothing was found.
    if (attack !== 'very_long' && judgments.length > 0 && judgments.every(({ outcome }) => outcome === 'failed'))
      requireScores(attack, judgments)
    const found = acceptance(judgments, config.threshold)
    attacks.push({ attack, ...found })
    context.metrics(done, { [`audit/${attack}`]: found.rate ?? 0 })
  }
  const acceptedRight = acceptance(onRight, config.threshold)
  const failures = attacks.filter((found) => fools(found, config.limit, acceptedRight.rate)).map(({ attack }) => attack)
  const { threshold, limit } = config
  return { passed: failures.length === 0, limit, threshold, failures, attacks, right: acceptedRight }
}

/** A cheat must not be accepted often, a near miss less often than what is right. */
function fools(
  { attack, rate }: JudgeAuditResult['attacks'][number],
  limit: number,
  rightRate: number | null,
): boolean {
  if (rate === null) return false
  return isCheat(attack) ? rate > limit : rate >= (rightRate ?? 0)
}

/** Some of the rows, drawn by the seed. A completion that the verifier calls right is a solution; else the answer is. */
function chosen(rows: Rows, { config, verifier: name }: JudgeAuditSpec): Problem[] {
  const verifier = COMPARISONS[name]
  const order = shuffledIndices(rows.length, new SeededRng(config.seed, 'audit', 'rows'))
  const problems = [...order.slice(0, config.rows)].map((index) => {
    const { row } = rows.at(index)!
    const gold = row.answer!
    const { completion } = row
    const solved = typeof completion === 'string' && verifier.verify({ text: completion, gold }).correct
    return { question: questionOf(row), gold, solution: solved ? completion : `The answer is ${gold}.` }
  })
  if (new Set(problems.map(({ question }) => question)).size > 1) return problems
  const message = 'dataset: an audit needs rows of at least two questions. Add rows.'
  throw new GavelError('invalid_request', message, { param: 'dataset' })
}

/** One text of an attack for each problem that lends itself to it. */
function attemptsOf(attack: Attack, problems: readonly Problem[], seed: number, words: Renderer): Attempt[] {
  const texts = attackTexts(attack, problems, words, (i) => new SeededRng(seed, 'audit', attack, i))
  return problems.flatMap(({ question, gold }, i) => {
    const answer = texts[i]!
    return answer === null ? [] : [{ item: { question, answer, reference: gold }, gold }]
  })
}

function acceptance(judgments: readonly Judgment[], threshold: number): JudgeAuditResult['right'] {
  const count = (outcome: Judgment['outcome']) => judgments.filter((judgment) => judgment.outcome === outcome).length
  const accepted = judgments.filter((j) => j.outcome === 'scored' && j.probability >= threshold).length
  const failed = count('failed')
  const n = judgments.length - failed
  const rate = n === 0 ? null : accepted / n
  return { n, accepted, rate, ...wilsonInterval(accepted, n), abstained: count('abstained'), failed }
}
