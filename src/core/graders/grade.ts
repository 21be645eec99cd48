import { GavelError } from '../errors.ts'
import { cleanText } from '../judges/clean-text.ts'
import { expectedLevel, firstRepeated, LETTERS, lettered } from '../judges/decide.ts'
import { likeliest, type Choice } from '../judges/many-options.ts'
import type { LabelScores } from '../judges/score-labels.ts'
import type { ChatMessage } from '../judges/template.ts'
import { hasLostNumber } from '../json.ts'
import type { ProgramRunner } from '../ports.ts'
import type { Grader, GraderMessage, LeafGrader, SimilarityMetric } from '../schemas/grader.ts'
import { fillTemplate, GradeFailure, type GraderContext } from './fill-template.ts'
import { parseFormula, type Formula } from './formula.ts'
import { STRING_CHECKS } from './string-checks.ts'
import type { WorkBudget } from '../work-budget.ts'
import { textSimilarity } from './text-similarity.ts'

/** What graders need beyond themselves. */
export interface GraderHelp {
  /** Asks a judge, by id or name, one question. `param` is the field that named it. */
  ask(judge: string, question: Choice, param: string): Promise<LabelScores>
  /** Null where no program can be run. */
  programs: ProgramRunner | null
  /** What may be spent on it. */
  work: WorkBudget
  /** `textSimilarity`, where that is computed elsewhere. */
  similarity?: ((metric: SimilarityMetric, input: string, reference: string) => Promise<number>) | undefined
}

/** What became of a grader: a score, or why there is none. */
export interface Grade {
  score: number
  failure: GradeFailure | null
  /** Tokens spent, by judge. */
  tokens: Record<string, number>
  /** A multi grader's parts by their variable. */
  parts: Record<string, number>
}

type Leaf<T extends LeafGrader['type']> = Extract<LeafGrader, { type: T }>
type Score = Pick<Grade, 'score'> & Partial<Pick<Grade, 'tokens'>>

const PYTHON_UNAVAILABLE =
  'A python grader runs a program, which needs a sandbox, and this server has none: it runs on Node only. Say the same ' +
  'with string_check, text_similarity, score_model or label_model, alone or in a multi grader.'

const LEAVES: {
  [T in LeafGrader['type']]: (grader: Leaf<T>, context: GraderContext, help: GraderHelp) => Promise<Score>
} = {
  async string_check({ input, reference, operation }, context) {
    const [text, other] = [fillTemplate(input, context), fillTemplate(reference, context)]
    return { score: STRING_CHECKS[operation](text, other) ? 1 : 0 }
  },

  async text_similarity({ input, reference, evaluation_metric }, context, { similarity = textSimilarity }) {
    const [text, other] = [fillTemplate(input, context), fillTemplate(reference, context)]
    return { score: await similarity(evaluation_metric, text, other) }
  },

  /** Ten levels by a digit each: the expected one, on the grader's range. */
  async score_model({ input, model, range }, context, { ask }) {
    const [low, high] = range ?? [0, 1]
    const put = (among: readonly number[]) => {
      const labels = among.map((level) => DIGITS[level]!)
      const which = labels.length === DIGITS.length ? '.' : ` of these: ${labels.join(', ')}.`
      const ending =
        `Give your score as one digit from 0 to 9: 0 stands for the lowest score, ${low}, and 9 for the highest, ${high}. ` +
        `Reply with exactly one digit${which}`
      return { messages: () => filled(input, context, ending), labels, at: 'grader.input' }
    }
    const question = { options: DIGITS.length, put }
    const { probabilities, tokens } = await asked(model, question, ask)
    return { score: low + ((high - low) * expectedLevel(probabilities)) / (DIGITS.length - 1), tokens }
  },

  async label_model({ input, model, labels, passing_labels }, context, { ask }) {
    const put = (among: readonly number[]) => {
      const list = lettered(
        among.map((i) => ({ name: labels[i]! })),
        'grader.labels',
      )
      const messages = () => filled(input, context, `Choose one label.\n${list}`)
      return { messages, labels: LETTERS.slice(0, among.length), at: 'grader.input' }
    }
    const question = { options: labels.length, put }
    const { probabilities, tokens } = await asked(model, question, ask)
    return { score: passing_labels.includes(labels[likeliest(probabilities)]!) ? 1 : 0, tokens }
  },

  async python({ source }, { sample, item }, { programs }) {
    if (!programs) throw new GavelError('unavailable_here', PYTHON_UNAVAILABLE, { param: 'grader.type' })
    for (const [name, value] of Object.entries({ item, sample })) {
      if (!hasLostNumber(value)) continue
      const message = `\`${name}\` has a number of more digits than JSON's numbers keep; give it as text.`
      throw new GradeFailure(name === 'item' ? 'invalid_variable_error' : 'sample_parse_error', message)
    }
    const result = await programs.call({ source, entry: 'grade', args: [sample, item] })
    if (result.outcome === 'raised') throw new GradeFailure('python_grader_runtime_error', result.error)
    if (result.outcome === 'stopped')
      throw new GradeFailure('python_grader_server_error', `The program ${result.error}.`)
    if (result.number === null) {
      throw new GradeFailure('python_grader_runtime_error', 'grade() returned something that is not a finite number.')
    }
    return { score: result.number }
  },
}

const DIGITS = [...'0123456789']

/**
 * Checks what a schema cannot: names, ranges, labels, and what cannot be done here; not the formula.
 * @param canRunPrograms whether there is a sandbox here
 * @throws GavelError `unprocessable` or `unavailable_here`, naming the field
 */
export function checkGrader(grader: Grader, canRunPrograms: boolean): void {
  const parts = partsOf(grader)
  if (grader.type === 'multi' && Array.isArray(grader.graders)) {
    const names = grader.graders.map(({ name }) => name)
    refuseTwice(names, 'graders', 'name, which is its variable in the formula')
  }
  for (const part of Object.values(parts)) {
    if (part.type === 'python' && !canRunPrograms)
      throw new GavelError('unavailable_here', PYTHON_UNAVAILABLE, { param: 'grader.type' })
    if (part.type === 'text_similarity') textSimilarity(part.evaluation_metric, '', '')
    if (part.type === 'label_model') refuseTwice(part.labels, 'labels', 'label')
    const width = part.type === 'score_model' && part.range ? part.range[1] - part.range[0] : 1
    if (width <= 0 || width === Infinity) {
      const message =
        '`range` must be [lowest, highest], the first below the second, and no further apart than numbers go.'
      throw new GavelError('unprocessable', message, { param: 'grader.range' })
    }
    const stray = part.type === 'label_model' && part.passing_labels.find((label) => !part.labels.includes(label))
    if (stray !== false && stray !== undefined) {
      const message = `\`passing_labels\` has ${JSON.stringify(stray)}, which is not among \`labels\`; add it there, or take it out here.`
      throw new GavelError('unprocessable', message, { param: 'grader.passing_labels' })
    }
  }
}

/** @throws GavelError `unprocessable`, naming the field, where two of some names are the same */
function refuseTwice(names: readonly string[], field: string, what: string): void {
  const twice = firstRepeated(names)
  if (twice === undefined) return
  const message = `\`${field}\` has ${JSON.stringify(twice)} twice; give each its own ${what}.`
  throw new GavelError('unprocessable', message, { param: `grader.${field}` })
}

/**
 * A multi grader's formula, whose variables are its parts.
 * @throws GavelError `unprocessable`, saying where it stops making sense
 */
export function formulaOf(grader: Extract<Grader, { type: 'multi' }>): Formula {
  const parts = partsOf(grader)
  const formula = parseFormula(grader.calculate_output)
  const missing = [...formula.variables].find((name) => !Object.hasOwn(parts, name))
  if (missing === undefined) return formula
  const message = `\`calculate_output\` uses ${missing}, and no grader has that name; there are ${Object.keys(parts).join(', ')}.`
  throw new GavelError('unprocessable', message, { param: 'grader.calculate_output' })
}

/**
 * Runs a checked grader. What keeps it from a score is told in `failure`, the score then 0.
 * @throws GavelError where the grader can never be run: no such judge, a text too long, nothing here to run it
 */
export async function grade(grader: Grader, context: GraderContext, help: GraderHelp): Promise<Grade> {
  const result: Grade = { score: 0, failure: null, tokens: {}, parts: {} }
  try {
    const run = async (part: LeafGrader) => {
      if (help.work.due) await help.work.turn()
      const { score, tokens = {} } = await help.work.piece('grader', () =>
        LEAVES[part.type](part as never, context, help),
      )
      for (const [judge, count] of Object.entries(tokens)) result.tokens[judge] = (result.tokens[judge] ?? 0) + count
      return score
    }
    if (grader.type !== 'multi') return { ...result, score: await run(grader) }
    const formula = readFormula(grader)
    // One after another: a judge's own limits hold then, and what failed first is what is told.
    for (const [name, part] of Object.entries(partsOf(grader))) result.parts[name] = await run(part)
    const score = formula.evaluate(result.parts)
    if (!Number.isFinite(score)) {
      throw new GradeFailure('other_error', `The formula gives ${score} for ${JSON.stringify(result.parts)}.`)
    }
    return { ...result, score }
  } catch (error) {
    if (!(error instanceof GradeFailure)) throw error
    return { ...result, failure: error }
  }
}

/** @throws GradeFailure where there is no sense in it, before anything is spent on its parts */
function readFormula(grader: Parameters<typeof formulaOf>[0]): Formula {
  try {
    return formulaOf(grader)
  } catch (error) {
    if (error instanceof GavelError) throw new GradeFailure('formula_parse_error', error.message)
    throw error
  }
}

/** A multi grader's parts by variable; another grader by its own name. */
export function partsOf(grader: Grader): Record<string, LeafGrader> {
  if (grader.type !== 'multi') return { [grader.name]: grader }
  const { graders } = grader
  if (Array.isArray(graders)) return Object.fromEntries(graders.map((part) => [part.name, part]))
  return isLeaf(graders) ? { [graders.name]: graders } : graders
}

const isLeaf = (graders: LeafGrader | Record<string, LeafGrader>): graders is LeafGrader =>
  typeof graders.type === 'string'

/** Messages with their templates filled in, control tokens out, and what to reply as the last thing said. */
function filled(input: readonly GraderMessage[], context: GraderContext, ending: string): ChatMessage[] {
  const messages = input.map(({ role, content }): ChatMessage => {
    const parts = Array.isArray(content) ? content : [content]
    const text = parts.map((part) => fillTemplate(typeof part === 'string' ? part : part.text, context)).join('\n')
    return { role: role === 'developer' ? 'system' : role, content: cleanText(text) }
  })
  const last = messages.at(-1)!
  if (last.role !== 'user') return [...messages, { role: 'user', content: ending }]
  return [...messages.slice(0, -1), { role: 'user', content: `${last.content}\n\n${ending}` }]
}

/** @throws GradeFailure where the judge gave no distribution */
async function asked(judge: string, question: Choice, ask: GraderHelp['ask']) {
  const scores = await ask(judge, question, 'grader.model')
  if (scores.outcome === 'failed') throw new GradeFailure('model_grader_server_error', scores.reason)
  if (scores.outcome === 'abstained') throw new GradeFailure('model_grader_refusal_error', scores.reason)
  const tokens = { [judge]: scores.usage.promptTokens + scores.usage.completionTokens }
  return { probabilities: scores.probabilities, tokens }
}
