import { GavelError } from '../errors.ts'
import type { LabelTokens } from '../ports.ts'
import type { JudgeLabels } from '../schemas/judge.ts'

/** What tokenizers write before a word: nothing, a space, SentencePiece's ▁, byte-level BPE's Ġ; Ċ is its newline. */
const WORD_STARTS = ['', ' ', '▁', 'Ġ'] as const
const LEADING_MARKS = /^[\s▁ĠĊ]+/u

/** Every way a vocabulary may spell a label as one token: its cases, with each mark of a word's start. */
export function labelVariants(label: string): string[] {
  const word = label.trim()
  const lower = word.toLowerCase()
  const cases = new Set([word, lower, word.toUpperCase(), lower.charAt(0).toUpperCase() + lower.slice(1)])
  return WORD_STARTS.flatMap((start) => [...cases].map((spelling) => start + spelling))
}

/** The word that a token writes, without what tells where it begins and ends. */
export const wordOf = (token: string) => token.replace(LEADING_MARKS, '').trimEnd()

/** Whether a token, as a provider reports it, is a variant of the label. */
export function carriesLabel(token: string, label: string): boolean {
  return wordOf(token).toLowerCase() === label.trim().toLowerCase()
}

/**
 * The token ids that carry each label in a judge's own vocabulary.
 *
 * @param idOf the id of a vocabulary piece, exactly as the tokenizer's file spells it
 * @throws GavelError judge_labels_not_single_token when a label has none, or the two share one
 */
export function chooseLabelTokens(idOf: (piece: string) => number | undefined, labels: JudgeLabels): LabelTokens {
  const idsOf = (side: 'yes' | 'no') => {
    const ids = new Set(
      labelVariants(labels[side])
        .map(idOf)
        .filter((id) => id !== undefined),
    )
    if (ids.size === 0) {
      throw new GavelError(
        'judge_labels_not_single_token',
        `labels.${side} '${labels[side]}' is not a single token of this judge's vocabulary in any spelling. ` +
          "Choose a shorter label that is (for example 'Yes' and 'No', or 'A' and 'B'), or another judge model.",
        { param: `labels.${side}` },
      )
    }
    return [...ids].sort((a, b) => a - b)
  }
  const tokens = { yes: idsOf('yes'), no: idsOf('no') }
  const shared = tokens.yes.find((id) => tokens.no.includes(id))
  if (shared !== undefined) {
    throw new GavelError(
      'judge_labels_not_single_token',
      `labels.yes '${labels.yes}' and labels.no '${labels.no}' share the token ${shared}. Choose two different words.`,
      { param: 'labels' },
    )
  }
  return tokens
}
