/** For servers of classifiers and rerankers, whose scores are a judge's P(Yes). */
import { GavelError } from '../../core/errors.ts'
import type { ScoredItem } from '../../core/judges/score-items.ts'
import { splitTranscript } from '../../core/judges/split-transcript.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import { labelTokensOf } from '../../service/judges/ask-judge.ts'
import { judgeTogether } from '../../service/judges/judge-together.ts'
import type { Asker } from './dialect.ts'

/** Scores items by the judge that the URL names. */
export const judgeItems = ({ deps, caller }: Asker, judge: string, items: JudgeItem[]): Promise<ScoredItem[]> =>
  items.length === 0 ? Promise.resolve([]) : judgeTogether(deps, caller, judge, 'judge', items)

/** P(Yes), or null where there is none. */
export const probabilityOf = (item: ScoredItem): number | null => (item.outcome === 'scored' ? item.probability : null)

/**
 * One text as question and answer: a chat as decoded, control tokens and all.
 * @throws GavelError `unprocessable` when it is none
 */
export function chatItem(text: string, param: string): JudgeItem {
  const item = splitTranscript(text)
  if (item) return item
  const message = `\`${param}\` has no turn of an assistant that is known here, so the answer in it cannot be told from the question. Send a chat with the markers of its template, or question and answer apart.`
  throw new GavelError('unprocessable', message, { param })
}

/** @throws GavelError `unprocessable`: there is no tokenizer here to read ids with */
export function refuseTokenIds(param: string): never {
  const message = `\`${param}\` holds token ids, which this server cannot read; send the text.`
  throw new GavelError('unprocessable', message, { param })
}

/**
 * Queries and documents as pairs: as many of each, or one query for all documents.
 * @throws GavelError `unprocessable` when their numbers do not fit
 */
export function pairs(queries: readonly string[], documents: readonly string[], param: string): JudgeItem[] {
  if (queries.length !== 1 && queries.length !== documents.length) {
    const message = `\`${param}\`: there are ${queries.length} queries and ${documents.length} documents; give one query, or as many as documents.`
    throw new GavelError('unprocessable', message, { param })
  }
  return documents.map((answer, i) => ({ question: queries[queries.length === 1 ? 0 : i]!, answer }))
}

/**
 * Which label each of two token ids stands for; the labels are different.
 * @throws GavelError `unprocessable` for an id that is no label of the judge, and for two of one label;
 *   `unavailable_here` where the ids of its labels are not known; as `labelTokensOf`
 */
export async function labelsOf(
  { deps, caller }: Asker,
  judge: string,
  ids: readonly number[],
): Promise<[Label, Label]> {
  const param = 'label_token_ids'
  const known = await labelTokensOf(deps, caller, judge, 'judge')
  if (!known) {
    const message =
      "`label_token_ids` cannot be told apart: this judge's tokenizer is not at hand here. Create the judge with the ids of " +
      'its labels (`"label_token_ids": {"yes": […], "no": […]}`), or use a local judge or a route without ids: /score or /rerank.'
    throw new GavelError('unavailable_here', message, { param })
  }
  const [first, second] = ids.map((id, i): Label => {
    if (known.yes.includes(id)) return 'yes'
    if (known.no.includes(id)) return 'no'
    const message = `\`${param}[${i}]\` ${id} is no label of this judge: yes is ${known.yes.join(' or ')}, no is ${known.no.join(' or ')}.`
    throw new GavelError('unprocessable', message, { param: `${param}[${i}]` })
  })
  if (first === second) {
    const message = `\`${param}\` are both of the label ${first}, whose spellings count together; give one of yes (${known.yes.join(', ')}) and one of no (${known.no.join(', ')}).`
    throw new GavelError('unprocessable', message, { param })
  }
  return first === 'yes' ? ['yes', 'no'] : ['no', 'yes']
}
export type Label = 'yes' | 'no'

/** The probability of a label, of both labels or (`softmax` false) of all tokens; null where there is no score. */
export function labelProbability(item: ScoredItem, label: Label, softmax: boolean): number | null {
  if (item.outcome !== 'scored') return null
  return (label === 'yes' ? item.probability : 1 - item.probability) * (softmax ? 1 : item.labelMass)
}

/** What was scored, best first; what was not is left out. @param topN 0 for all */
export function ranked(scored: readonly ScoredItem[], topN: number): { index: number; score: number }[] {
  const known = scored.flatMap((item, index) => {
    const score = probabilityOf(item)
    return score === null ? [] : [{ index, score }]
  })
  known.sort((a, b) => b.score - a.score || a.index - b.index)
  return topN > 0 ? known.slice(0, topN) : known
}
