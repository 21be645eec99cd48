import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoadedModel } from '../../../src/gpu-worker/models/load-folder.ts'
import { Generator, type Completion, type GenerateOptions } from '../../../src/gpu-worker/rollout/generator.ts'
import { Session } from '../../../src/gpu-worker/runtime/session.ts'
import { float32, float32Scalar } from '../../../src/gpu-worker/runtime/tensors.ts'
import { makeBatch } from '../../../src/gpu-worker/training/batch.ts'
import { textInputs } from '../../../src/gpu-worker/training/prefix-groups.ts'
import { logitsGraph, logprobGraph } from '../../../src/gpu-worker/training/training-graph.ts'
import { weightTensors } from '../../../src/gpu-worker/training/weight-tensors.ts'
import { assertClose } from '../../helpers/close.ts'
import { fixtureModel, tinyModel } from '../../helpers/fixture-model.ts'
import { softmax } from '../../helpers/nd-array.ts'

const GREEDY: GenerateOptions = { temperature: 0, maxNewTokens: 12, stopIds: [], seed: 1 }
const SAMPLED: GenerateOptions = { temperature: 0.9, maxNewTokens: 12, stopIds: [], seed: 1 }

/** Prompts of unlike length. */
const PROMPTS = [[5, 9, 33], [7], [101, 4, 55, 23, 88, 12, 9, 150], [5, 9, 34, 60], [42, 42]]
const once = PROMPTS.map((prompt) => ({ prompt, samples: 1 }))

async function withGenerator<T>(
  { model, weights }: Pick<LoadedModel, 'model' | 'weights'>,
  slots: number,
  use: (generator: Generator) => Promise<T>,
): Promise<T> {
  const generator = await Generator.create(model, weights, { slots, capacity: 32, threads: 1 })
  try {
    return await use(generator)
  } finally {
    await generator.release()
  }
}

const idsOf = (completions: Completion[]) => completions.map(({ ids }) => ids)

test('the same seed gives the same completions, bit by bit; another seed gives others', async () => {
  await withGenerator(fixtureModel('smollm2'), 3, async (generator) => {
    const first = await generator.generate(once, SAMPLED)
    assert.deepEqual(await generator.generate(once, SAMPLED), first)
    assert.notDeepEqual(idsOf(await generator.generate(once, { ...SAMPLED, seed: 2 })), idsOf(first))
  })
})

test('completions do not depend on how many are under way at once', async () => {
  const loaded = fixtureModel('smollm2')
  const requests = PROMPTS.map((prompt, i) => ({ prompt, samples: 1 + (i % 3) }))
  for (const options of [GREEDY, SAMPLED]) {
    const [one, two, seven] = await Promise.all(
      [1, 2, 7].map((slots) => withGenerator(loaded, slots, (generator) => generator.generate(requests, options))),
    )
    assert.equal(one!.length, 9)
    for (const other of [two!, seven!]) {
      assert.deepEqual(idsOf(other), idsOf(one!))
      other.forEach(({ logprobs }, i) => assertClose(logprobs, one![i]!.logprobs, 1e-5))
    }
  }
})

test('a completion’s draws depend on its place in the answer, not on what else is asked for', async () => {
  await withGenerator(fixtureModel('smollm2'), 4, async (generator) => {
    const all = await generator.generate(once, SAMPLED)
    const fewer = await generator.generate(once.slice(0, 2), SAMPLED)
    assert.deepEqual(idsOf(fewer), idsOf(all.slice(0, 2)))
  })
})

test('a prompt’s own limit ends its completions, and changes no others', async () => {
  await withGenerator(fixtureModel('smollm2'), 2, async (generator) => {
    const all = await generator.generate(once, SAMPLED)
    const limits = [3, 12, 1, 7, 2]
    const limited = await generator.generate(
      once.map((request, i) => ({ ...request, maxNewTokens: limits[i]! })),
      SAMPLED,
    )
    assert.deepEqual(
      idsOf(limited),
      idsOf(all).map((ids, i) => ids.slice(0, limits[i])),
    )
    assert.ok(limited.every(({ finish }) => finish === 'length'))
  })
})

test('completions of one prompt share its prefill, and are what separate prompts give', async () => {
  const prompt = PROMPTS[2]!
  const loaded = fixtureModel('llama')
  for (const slots of [2, 4, 8]) {
    await withGenerator(loaded, slots, async (generator) => {
      const other = { prompt: PROMPTS[0]!, samples: 1 }
      const group = await generator.generate([other, { prompt, samples: 5 }], SAMPLED)
      const alone = await generator.generate([other, ...Array(5).fill({ prompt, samples: 1 })], SAMPLED)
      assert.deepEqual(idsOf(group), idsOf(alone))
      assert.equal(new Set(idsOf(group).map(String)).size, 6, 'draws differ within the group')
    })
  }
})

test('a text ends with the stop id drawn, the others go on undisturbed', async () => {
  await withGenerator(fixtureModel('smollm2'), 3, async (generator) => {
    const free = await generator.generate(once, GREEDY)
    const stopId = free[2]!.ids[4]!
    const stopped = await generator.generate(once, { ...GREEDY, stopIds: [stopId] })
    let stops = 0
    stopped.forEach(({ ids, logprobs, finish }, i) => {
      const end = free[i]!.ids.indexOf(stopId)
      assert.deepEqual(ids, end < 0 ? free[i]!.ids : free[i]!.ids.slice(0, end + 1))
      assert.equal(finish, end < 0 ? 'length' : 'stop')
      assert.equal(logprobs.length, ids.length)
      if (end >= 0) stops++
    })
    assert.ok(stops > 0 && stops < PROMPTS.length, `${stops} stopped`)
  })
})

test('each completion is told of when it is done, the shortest first', async () => {
  const { model, weights } = tinyModel(40)
  const done: number[] = []
  const completions = await withGenerator({ model, weights }, 3, (generator) =>
    generator.generate(
      [5, 2, 7].map((maxNewTokens) => ({ prompt: [3, 1], samples: 1, maxNewTokens })),
      { ...SAMPLED, maxNewTokens: 7, onDone: ({ ids }, place) => done.push(place * 100 + ids.length) },
    ),
  )
  assert.deepEqual(completions.map(({ ids }) => ids.length), [5, 2, 7]) // prettier-ignore
  assert.deepEqual(done, [102, 5, 207])
})

test('a limit of one token is one token', async () => {
  await withGenerator(fixtureModel('smollm2'), 2, async (generator) => {
    const short = await generator.generate(once, { ...GREEDY, maxNewTokens: 1 })
    assert.deepEqual(
      short.map(({ ids }) => ids.length),
      [1, 1, 1, 1, 1],
    )
  })
})

test('banned ids are never drawn, and log-probabilities leave them out', async () => {
  await withGenerator(tinyModel(8), 8, async (generator) => {
    const bannedIds = [0, 2, 3, 5, 7]
    const request = [{ prompt: [1, 2], samples: 20 }]
    for (const { ids, logprobs } of await generator.generate(request, { ...SAMPLED, bannedIds })) {
      assert.ok(ids.every((id) => [1, 4, 6].includes(id)))
      assert.ok(logprobs.every((x) => x < 0 && x > -10))
    }
    const [only] = await generator.generate(request, { ...SAMPLED, bannedIds: [0, 1, 2, 3, 5, 6, 7] })
    assert.deepEqual(only!.ids, Array(12).fill(4))
    assert.deepEqual(only!.logprobs, Array(12).fill(0))
  })
})

// The heads of llama, opt and galactica are 12 wide, which the cache pads to 16; smollm2's are 16.
for (const name of ['llama', 'smollm2', 'opt', 'galactica'] as const) {
  test(`${name}: log-probabilities are the training graph’s, prompts of unlike length`, async () => {
    const loaded = fixtureModel(name)
    const temperature = 0.7
    const requests = PROMPTS.map((prompt) => ({ prompt, samples: 2 }))
    const completions = await withGenerator(loaded, 4, (generator) =>
      generator.generate(requests, { ...SAMPLED, temperature }),
    )
    const { model, weights } = loaded
    const session = await Session.create(logprobGraph(model, { maxTokens: 32 }), { threads: 1 })
    const batch = makeBatch(
      completions.map(({ ids }, i) => {
        const { prompt } = requests[Math.floor(i / 2)]!
        return { ids: [...prompt, ...ids], start: prompt.length }
      }),
    )
    const logprobs = new Float32Array(batch.tokens)
    await session.run(
      { ...weightTensors(weights), ...batch.inputs, inverse_temperature: float32Scalar(1 / temperature) },
      { logprobs: float32(logprobs, [batch.tokens]) },
    )
    await session.release()
    assertClose(
      completions.flatMap((c) => c.logprobs),
      logprobs,
      1e-5,
    )
  })
}

test('draws follow the distribution at the temperature asked for', async () => {
  const { model, weights } = tinyModel(8)
  const prompt = [3, 1, 4]
  const session = await Session.create(logitsGraph(model, { maxTokens: 8 }), { threads: 1 })
  const logits = new Float32Array(3 * 8)
  await session.run({ ...weightTensors(weights), ...textInputs([prompt]) }, { logits: float32(logits, [3, 8]) })
  await session.release()
  const expected = (temperature: number) => softmax([...logits.subarray(16)].map((x) => x / temperature))

  const n = 4000
  const counts = await withGenerator({ model, weights }, 500, async (generator) => {
    const options = { ...SAMPLED, temperature: 0.5, maxNewTokens: 1 }
    const found = new Array<number>(8).fill(0)
    for (const { ids } of await generator.generate([{ prompt, samples: n }], options)) found[ids[0]!]! += 1
    return found
  })
  const chiSquare = (p: number[]) => counts.reduce((sum, k, i) => sum + (k - n * p[i]!) ** 2 / (n * p[i]!), 0)
  // 24.3 is passed once in a thousand times with seven degrees of freedom.
  assert.ok(chiSquare(expected(0.5)) < 24.3, `χ² ${chiSquare(expected(0.5))}`)
  assert.ok(chiSquare(expected(0.6)) > 24.3, 'a slightly different temperature is told apart')
})

test('weights that are trained in between are read anew', async () => {
  const { model, weights } = tinyModel(40)
  await withGenerator({ model, weights }, 2, async (generator) => {
    const before = await generator.generate([{ prompt: [1, 2], samples: 1 }], GREEDY)
    for (const { data } of weights.values()) data.reverse()
    const after = await generator.generate([{ prompt: [1, 2], samples: 1 }], GREEDY)
    assert.notDeepEqual(idsOf(after), idsOf(before))
  })
})

test('a prompt without room for its completion, or without tokens, is refused by its number', async () => {
  await withGenerator(tinyModel(8), 2, async (generator) => {
    const exact = { prompt: Array<number>(20).fill(1), samples: 1 }
    assert.equal((await generator.generate([exact], GREEDY))[0]!.ids.length, 12)
    await assert.rejects(generator.generate([exact, { ...exact, prompt: [...exact.prompt, 1] }], GREEDY), {
      code: 'prompt_too_long',
      message: /prompt 1 has 21 tokens, which with 12 new ones is more than the 32/,
    })
    await assert.rejects(generator.generate([{ prompt: [], samples: 1 }], GREEDY), {
      code: 'invalid_request',
      message: /prompt 0 has no tokens/,
    })
  })
})

test('nothing asked for is nothing answered', async () => {
  await withGenerator(tinyModel(8), 2, async (generator) => {
    assert.deepEqual(await generator.generate([], GREEDY), [])
  })
})
