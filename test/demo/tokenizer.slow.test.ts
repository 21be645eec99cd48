import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { Tokenizer } from '@huggingface/tokenizers'
import { byteAlphabet, learnMerges, trainTokenizer } from '../../demo/build-tokenizer.ts'
import { problems } from '../../demo/problems.ts'
import { goldText } from '../../demo/solutions.ts'

const committed = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../demo/models/${name}`, import.meta.url), 'utf8'))
const tokenizer = new Tokenizer(committed('tokenizer.json'), committed('tokenizer_config.json'))
const ids = (text: string) => tokenizer.encode(text).ids
const roundTrip = (text: string) => tokenizer.decode(ids(text))

describe('the demo tokenizer', () => {
  const rows = [
    ...problems({ seed: 8, count: 300, heldout: false }),
    ...problems({ seed: 8, count: 300, heldout: true }),
  ]

  it('gives every text back', () => {
    for (const problem of rows) {
      const text = `${problem.question}\n${goldText(problem)}\nIs the answer correct?\nNo`
      assert.equal(roundTrip(text), text)
    }
    for (const text of ["don't , wait .", '  two  spaces ', 'café 東京 😀\r\n\t\0']) assert.equal(roundTrip(text), text)
  })

  it('has 1,024 entries, the specials first', () => {
    const vocabulary = tokenizer.get_vocab()
    assert.deepEqual(
      [...vocabulary.values()].sort((a, b) => a - b),
      [...Array(1024).keys()],
    )
    assert.deepEqual([vocabulary.get('<pad>'), vocabulary.get('<eos>')], [0, 1])
    assert.deepEqual(ids('2<eos>'), [...ids('2'), 1])
  })

  it('has one token for each label, for the answer mark and for each digit', () => {
    for (const text of ['Yes', 'No', '####']) assert.equal(ids(text).length, 1, text)
    assert.deepEqual(tokenizer.encode('\n#### 150').tokens, ['Ċ', '####', 'Ġ', '1', '5', '0'])
  })

  it('keeps problems short enough for the demo', () => {
    const mean = (texts: string[]) => texts.reduce((sum, text) => sum + ids(text).length, 0) / texts.length
    const [question, answer] = [mean(rows.map((row) => row.question)), mean(rows.map(goldText))]
    assert.ok(question + answer < 75, `${question} + ${answer}`)
    assert.ok(answer < 28, `${answer}`)
    assert.ok(Math.max(...rows.map((row) => ids(goldText(row)).length)) <= 44 - 1) // with <eos>: the rollouts' limit
  })

  it('is what the script makes', () => {
    assert.deepEqual(trainTokenizer(), committed('tokenizer.json'))
  })
})

describe('learnMerges', () => {
  it('merges the most frequent pair first', () => {
    // The worked example of Sennrich, Haddow and Birch (2016), algorithm 1, here without its end-of-word mark.
    const words = new Map([
      ['low', 5],
      ['lower', 2],
      ['newest', 6],
      ['widest', 3],
    ])
    assert.deepEqual(learnMerges(words, 3), [
      ['e', 's'],
      ['es', 't'],
      ['l', 'o'],
    ])
  })

  it('ends when nothing is left to merge', () => {
    assert.deepEqual(learnMerges(new Map([['ab', 1]]), 5), [['a', 'b']])
  })
})

describe('byteAlphabet', () => {
  it('has 256 different characters, with the well-known ones for space and newline', () => {
    const alphabet = byteAlphabet()
    assert.equal(new Set(alphabet).size, 256)
    assert.ok(alphabet.includes('Ġ') && alphabet.includes('Ċ') && !alphabet.includes(' '))
  })
})
