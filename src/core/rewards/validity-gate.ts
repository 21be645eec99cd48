import type { RewardItem } from '../schemas/reward.ts'

/** Why an answer is refused before any judge sees it. */
export type GateReason = 'empty' | 'trivial' | 'truncated' | 'no_answer'

/**
 * Openers that say nothing, which judges are known to reward ("One Token to Fool LLM-as-a-Judge", arXiv 2507.08794),
 * compared after dropping everything but letters and digits.
 */
const MASTER_KEYS = new Set(
  [
    'Thought process', "Let's solve this problem step by step", "Let's think step by step", 'Solution', 'Answer',
    'Final answer', 'The answer is', 'Step 1', 'Step by step', 'Reasoning',
    'Lösung', 'Solución', 'Soluzione', 'Solução', 'Résoudre', 'Respuesta', 'Réponse', 'Antwort', 'Решение', 'Ответ', 'Çözüm',
    '解', '解答', '解答过程', '答案', '思考过程', '解説', '答え', 'かいせつ', '풀이', '정답', 'الحل', 'الجواب', 'हल', 'उत्तर', 'Løsning', 'Lösning',
  ].map(lettersOf),
) // prettier-ignore

/** The longest text that could be a master key; anything longer is not compared. */
const TRIVIAL_CHARS = 80

/**
 * The label-free validity gate: null when an answer may be rewarded, else why not. Needs no gold and no model, so it
 * holds on labelled and unlabelled rows alike.
 *
 * @param states whether the verifier finds an answer, where the recipe names one: without one it is refused
 */
export function validityGate(
  item: Pick<RewardItem, 'completion' | 'finish_reason'>,
  states: (() => boolean) | null,
): GateReason | null {
  if (item.completion.trim() === '') return 'empty'
  if (item.finish_reason === 'length') return 'truncated'
  if (item.completion.length <= TRIVIAL_CHARS) {
    const letters = lettersOf(item.completion)
    if (letters === '' || MASTER_KEYS.has(letters)) return 'trivial'
  }
  return states && !states() ? 'no_answer' : null
}

function lettersOf(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '')
}
