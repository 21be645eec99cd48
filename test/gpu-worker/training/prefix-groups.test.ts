import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  alone,
  groupByPrefix,
  packGroups,
  prefixBatch,
  prefixSizes,
  textInputs,
  type PrefixInputs,
} from '../../../src/gpu-worker/training/prefix-groups.ts'

/** A text of so many tokens. */
const text = (length: number) => Array.from({ length }, (_, t) => t)
const plain = (inputs: PrefixInputs) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { data, dims }]) => [name, [dims, Array.from(data as BigInt64Array, Number)]]),
  )

describe('grouping by prefix', () => {
  test('a text joins where that saves more tokens than the group loses', () => {
    // Two share 3, which saves 3; with the third, three share 2, which saves 4.
    const texts = [[1, 2, 3, 5], [1, 2, 3, 6], [1, 2, 4, 4]] // prettier-ignore
    assert.deepEqual(groupByPrefix(texts), [{ shared: 2, rows: [0, 1, 2] }])
  })

  test('it stays apart where that would save no more', () => {
    // Two share 2, which saves 2; three would share 1, which saves 2 as well.
    assert.deepEqual(
      groupByPrefix([
        [1, 2, 5],
        [1, 2, 6],
        [1, 3],
      ]),
      [
        { shared: 2, rows: [0, 1] },
        { shared: 1, rows: [2] },
      ],
    )
  })

  test('the shorter of two goes first, equal ones in the order given; each keeps its last token for itself', () => {
    assert.deepEqual(groupByPrefix([[1, 2, 3], [1, 2], [4], [1, 2]]), [
      { shared: 1, rows: [1, 3, 0] },
      { shared: 0, rows: [2] },
    ])
  })

  test('texts that differ in their first token alone share nothing', () => {
    assert.deepEqual(
      groupByPrefix([
        [2, 7, 7],
        [1, 7, 7],
      ]),
      [
        { shared: 2, rows: [1] },
        { shared: 2, rows: [0] },
      ],
    )
  })
})

describe('packing groups', () => {
  test('a group is split where one text more would pass the limit, padding included', () => {
    // 4 shared, then 2, 2, 3 and 1 of their own. Two texts take 4 + 2·2, a third 4 + 3·3; the last two 4 + 2·3.
    const texts = [6, 6, 7, 5].map(text)
    const group = { shared: 4, rows: [0, 1, 2, 3] }
    assert.deepEqual(packGroups([group], texts, 10), [[{ shared: 4, rows: [2, 3] }], [{ shared: 4, rows: [0, 1] }]])
    assert.deepEqual(
      packGroups([group], texts, 9).map((run) => run.map(({ rows }) => rows)),
      [[[0, 1]], [[2]], [[3]]],
    )
    assert.deepEqual(packGroups([group], texts, 16), [[group]], '4 + 4·3')
  })

  test('a run takes as much for each group as for the largest', () => {
    // Two groups, each padded to 6 shared and two texts of 3: 2·(6 + 2·3).
    const texts = [5, 5, 7].map(text)
    const [pair, single] = [{ shared: 2, rows: [0, 1] }, alone(texts[2]!, 2)]
    assert.deepEqual(packGroups([single, pair], texts, 24), [[pair, single]])
    assert.deepEqual(packGroups([single, pair], texts, 23), [[pair], [single]])
  })

  test('first come groups of many texts, then those with much of their own, then those that share much', () => {
    const texts = [3, 8, 6, 7, 2, 2].map(text)
    const groups = [
      { shared: 2, rows: [0] },
      { shared: 7, rows: [1] },
      { shared: 3, rows: [2] },
      { shared: 4, rows: [3] },
      { shared: 1, rows: [4, 5] },
    ]
    const order = packGroups(groups, texts, 1000).map((run) => run.map(({ rows }) => rows))
    assert.deepEqual(order, [[[4, 5], [3], [2], [1], [0]]])
  })

  test('a group goes to the run before it or begins the next; earlier runs are closed', () => {
    const texts = [10, 4, 3].map(text)
    const groups = [0, 1, 2].map((row) => ({ shared: 0, rows: [row] }))
    const rows = (most: number) =>
      packGroups(groups, texts, most).map((run) => run.flatMap((group) => group.rows)) // prettier-ignore
    // 10; then 2·4 where that fits.
    assert.deepEqual(rows(10), [[0], [1, 2]])
    assert.deepEqual(rows(7), [[0], [1], [2]])
    assert.deepEqual(rows(20), [[0, 1], [2]])
  })
})

describe('the inputs of a run', () => {
  const TEXTS = [[7, 8, 1, 2], [7, 8, 3], [5, 6, 6, 4]] // prettier-ignore
  const RUN = [
    { shared: 2, rows: [0, 1] },
    { shared: 1, rows: [2] },
  ]

  test('tokens that are computed, and where each group and text finds its own', () => {
    assert.deepEqual(plain(prefixBatch(RUN, TEXTS).inputs), {
      // Shared by the first group, of its texts alone, then the same of the second.
      ids: [[9, 1], [7, 8, 1, 2, 3, 5, 6, 6, 4]],
      positions: [[9, 1], [0, 1, 2, 3, 2, 0, 1, 2, 3]],
      // Padded with the first token.
      shared: [[2, 2], [0, 1, 5, 0]],
      own: [[2, 2, 3], [2, 3, 0, 4, 0, 0, 6, 7, 8, 0, 0, 0]],
      shared_lengths: [[2], [2, 1]],
      // 4 places for what is shared, then 3 for each of 2·2 texts.
      place: [[9], [0, 1, 4, 5, 7, 2, 10, 11, 12]],
    }) // prettier-ignore
  })

  test('where each token of each text is among them', () => {
    const { indexOf } = prefixBatch(RUN, TEXTS)
    const found = TEXTS.map((own, row) => own.map((_, t) => indexOf(row, t)))
    assert.deepEqual(found, [[0, 1, 2, 3], [0, 1, 4], [5, 6, 7, 8]]) // prettier-ignore
  })

  test('texts by themselves share all but their last token; where nothing is shared, there is a place all the same', () => {
    assert.deepEqual(plain(textInputs([[4, 5, 6]])), {
      ids: [[3, 1], [4, 5, 6]],
      positions: [[3, 1], [0, 1, 2]],
      shared: [[1, 2], [0, 1]],
      own: [[1, 1, 1], [2]],
      shared_lengths: [[1], [2]],
      place: [[3], [0, 1, 2]],
    }) // prettier-ignore
    const { shared, own, shared_lengths: lengths, place } = plain(textInputs([[9]]))
    assert.deepEqual([shared, own, lengths, place], [[[1, 1], [0]], [[1, 1, 1], [0]], [[1], [0]], [[1], [1]]]) // prettier-ignore
  })

  test('the sizes of graphs for 2 groups of 4 texts, 3 tokens shared and 5 of their own', () => {
    assert.deepEqual(prefixSizes({ Q: 2, P: 3, A: 4, S: 5 }), {
      ...{ Q: 2, P: 3, A: 4, S: 5, 'P+S': 8 },
      // 2·3 and 2·4·5, each with one for what is nowhere; together every token.
      ...{ QP: 6, 'QP+1': 7, QAS: 40, 'QAS+1': 41, places: 46, N: 46 },
      // A token each is a row of its own.
      ...{ B: 46, T: 1 },
    })
  })
})
