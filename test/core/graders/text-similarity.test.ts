import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { textSimilarity } from '../../../src/core/graders/text-similarity.ts'
import { SIMILARITY_METRICS, type SimilarityMetric } from '../../../src/core/schemas/grader.ts'
import { cpuSeconds } from '../../helpers/cpu-seconds.ts'

type Golden = { input: string; reference: string } & Partial<Record<SimilarityMetric, number>>
const GOLDEN = JSON.parse(
  readFileSync(new URL('../../fixtures/text-similarity.json', import.meta.url), 'utf8'),
) as Golden[]

describe('text similarity', () => {
  // Values of rapidfuzz 3, NLTK 3 (method 1; METEOR with neither stems nor synonyms) and rouge_score.
  test('the values of the Python packages', () => {
    for (const { input, reference, ...values } of GOLDEN) {
      for (const [metric, value] of Object.entries(values)) {
        const ours = textSimilarity(metric as SimilarityMetric, input, reference)
        assert.ok(Math.abs(ours - value) < 1e-12, `${metric} of ${input} | ${reference}: ${ours}, not ${value}`)
      }
    }
  })

  test('the longest common subsequence beyond one word of 32', () => {
    const naive = (a: string, b: string) => {
      const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
      for (let i = 0; i < a.length; i++) {
        for (let j = 0; j < b.length; j++) {
          const longer = Math.max(table[i]![j + 1]!, table[i + 1]![j]!)
          table[i + 1]![j + 1] = a[i] === b[j] ? table[i]![j]! + 1 : longer
        }
      }
      return (2 * table[a.length]![b.length]!) / (a.length + b.length)
    }
    let seed = 7
    const letters = (length: number) =>
      Array.from({ length }, () => 'abc'[(seed = (seed * 1103515245 + 12345) % 2 ** 31) % 3]).join('')
    for (const [n, m] of [
      [31, 40],
      [32, 32],
      [33, 100],
      [200, 150],
      [64, 1],
    ] satisfies [number, number][]) {
      const [a, b] = [letters(n), letters(m)]
      assert.equal(textSimilarity('fuzzy_match', a, b), naive(a, b))
    }
  })

  test('long and odd texts end quickly or are refused', () => {
    const seconds = cpuSeconds(() => {
      for (const metric of SIMILARITY_METRICS.filter((name) => name !== 'cosine')) {
        assert.equal(textSimilarity(metric, 'a '.repeat(10_000), 'b '.repeat(10_000)) > 0.4, metric === 'fuzzy_match')
        assert.equal(textSimilarity(metric, '', 'b'), 0)
      }
    })
    assert.ok(seconds < 3, `${seconds} s`)
    assert.throws(() => textSimilarity('bleu', 'x'.repeat(20_001), 'y'), { code: 'too_large' })
    assert.throws(() => textSimilarity('cosine', 'x', 'y'), { code: 'unavailable_here' })
  })
})
