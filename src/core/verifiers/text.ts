import { GavelError } from '../errors.ts'
import type { Verdict } from '../schemas/verify.ts'
import type { Verifier } from './verifier.ts'

/** Equal text: surrounding space, runs of space and Unicode's composed forms aside; case counts. */
export const exact = textVerifier((text, gold) => text === gold)

/** Gold occurs in the text as it stands, under the same normalisation. */
export const contains = textVerifier((text, gold) => text.includes(gold))

function textVerifier(holds: (text: string, gold: string) => boolean): Verifier {
  const readGold = (gold: string) => {
    const normal = normalise(gold)
    if (normal !== '') return normal
    throw new GavelError('unprocessable', 'The gold answer is empty: give the text that is right.', { param: 'gold' })
  }
  return {
    extract: (text) => normalise(text) || null,
    same: (a, b) => normalise(a) !== '' && normalise(a) === normalise(b),
    checkGold: (gold) => void readGold(gold),
    verify({ text, gold }): Verdict {
      const written = normalise(text)
      const correct = holds(written, readGold(gold))
      return { correct, extracted: written || null, reward: correct ? 1 : 0 }
    },
  }
}

function normalise(text: string): string {
  return text.normalize('NFC').replace(/\s+/g, ' ').trim()
}
