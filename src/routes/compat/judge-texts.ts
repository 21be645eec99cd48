/** For servers of classifiers and rerankers, whose scores are a judge's P(Yes). */
import { GavelError } from '../../core/errors.ts'
import { splitTranscript } from '../../core/judges/split-transcript.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import type { ScoredItem } from '../../core/judges/score.ts'
import type { Asker } from './dialect.ts'
import { judgeTogether } from './judge-together.ts'

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
  return documents.map((answer, i) => ({ question: queries.length === 1 ? queries[0] : queries[i], answer }))
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
