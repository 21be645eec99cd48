import { GavelError } from '../errors.ts'
import { STRING_CHECKS } from '../graders/string-checks.ts'
import { MAX_SIMILARITY_CHARS, textSimilarity } from '../graders/text-similarity.ts'
import type { SimilarityMetric, StringOperation } from '../schemas/grader.ts'
import type { PureVerifier } from './verifier.ts'

/** Equal text: surrounding space, runs of space and Unicode's composed forms aside; case counts. */
export const exact = textVerifier((text, gold) => text === gold, normalise)

/** Gold occurs in the text as it stands, under the same normalisation. */
export const contains = textVerifier((text, gold) => text.includes(gold), normalise)

/** One of the grader's operations on the texts as they are. */
export const stringCheck = (operation: StringOperation) => textVerifier(STRING_CHECKS[operation], (text) => text)

/**
 * How similar the text is to gold; the similarity in [0, 1] is the reward.
 * @param threshold similarity from which on a text is correct
 */
export function textSimilar(metric: SimilarityMetric, threshold: number): PureVerifier {
  const { read, same, checkGold } = stringCheck('eq')
  const tooLong = `The text has more than ${MAX_SIMILARITY_CHARS} characters, the most that are compared.`
  const verifier: PureVerifier = {
    read,
    same,
    checkGold(gold) {
      checkGold(gold)
      if (gold.length <= MAX_SIMILARITY_CHARS) return
      const message = `The gold answer has ${gold.length} characters, and at most ${MAX_SIMILARITY_CHARS} are compared.`
      throw new GavelError('unprocessable', message, { param: 'gold' })
    },
    verify({ text, gold }) {
      verifier.checkGold(gold)
      const extracted = read(text)?.answer ?? null
      if (text.length > MAX_SIMILARITY_CHARS) return { correct: false, extracted, reward: 0, reason: tooLong }
      const reward = textSimilarity(metric, text, gold)
      return { correct: reward >= threshold, extracted, reward }
    },
  }
  return verifier
}

function textVerifier(holds: (text: string, gold: string) => boolean, normal: (text: string) => string): PureVerifier {
  const readGold = (gold: string) => {
    if (gold.trim() !== '') return normal(gold)
    throw new GavelError('unprocessable', 'The gold answer is empty: give the text that is right.', { param: 'gold' })
  }
  return {
    read(text) {
      const answer = normal(text)
      return answer === '' ? null : { answer }
    },
    same: (a, b) => a.answer === b.answer,
    checkGold: (gold) => void readGold(gold),
    verify({ text, gold }) {
      const written = normal(text)
      const correct = holds(written, readGold(gold))
      return { correct, extracted: written || null, reward: correct ? 1 : 0 }
    },
  }
}

/** As many combining marks in a row as no script has: putting them in order takes the square of their number. */
const MANY_MARKS = /\p{M}{30}(?=\p{M})/gu

function normalise(text: string): string {
  // The Stream-Safe Text Process of Unicode (UAX #15, section 13): a joiner (U+034F) after each thirty.
  return text.replace(MANY_MARKS, '$&\u034f').normalize('NFC').replace(/\s+/g, ' ').trim()
}
