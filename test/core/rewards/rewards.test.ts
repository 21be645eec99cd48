import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Judgment } from '../../../src/core/judges/probability.ts'
import type { JudgeItem } from '../../../src/core/judges/template.ts'
import {
  assessRows,
  combineRows,
  overlapOf,
  refuseInvalid,
  rewardRows,
  type RowReward,
} from '../../../src/core/rewards/reward-rows.ts'
import { validityGate } from '../../../src/core/rewards/validity-gate.ts'
import type { RewardItem, RewardRecipe } from '../../../src/core/schemas/reward.ts'

const hybrid: RewardRecipe = {
  lambda: 0.5, mu: 0.5, rho: 0, verifier: 'math', judge: 'judge_1', normalise: 'row', gate: true,
} // prettier-ignore
const row = (completion: string, answer?: string, finish_reason: 'stop' | 'length' = 'stop'): RewardItem => ({
  prompt: `q ${completion}`,
  completion,
  finish_reason,
  ...(answer === undefined ? {} : { answer }),
})

/** A judge that gives 0.8 to all, unless the answer asks for less. */
const judging = () => {
  const asked: JudgeItem[] = []
  const judge = async (items: JudgeItem[]): Promise<Judgment[]> => {
    asked.push(...items)
    return items.map(({ answer }) => {
      if (answer.includes('odd')) return { outcome: 'abstained', labelMass: 0.1, reason: 'low label mass' }
      if (answer.includes('broken')) return { outcome: 'failed', reason: '502' }
      return { outcome: 'scored', probability: 0.8, labelMass: 1 }
    })
  }
  return { judge, asked }
}
const rewardsOf = async <T extends RewardItem[]>(recipe: RewardRecipe, items: [...T]) =>
  (await rewardRows(recipe, items, judging().judge)).rewards as { [I in keyof T]: RowReward }
const near = (actual: number | null, expected: number) => assert.ok(Math.abs(actual! - expected) < 1e-12, `${actual}`)

test('labelled rows use both terms, unlabelled ones the judge, on one scale', async () => {
  const [right, wrong, unlabelled] = await rewardsOf(hybrid, [row('#### 4', '4'), row('#### 5', '4'), row('#### 5')])
  near(right.reward, 0.9)
  near(wrong.reward, 0.45)
  near(unlabelled.reward, 0.8)
  assert.deepEqual(right.terms, { verifier: 1, judge: 0.8, gate: 'passed' })
  assert.deepEqual(unlabelled.terms, { judge: 0.8, gate: 'passed' })
})

test('without normalisation the weights are taken as given', async () => {
  const recipe = { ...hybrid, lambda: 0.8, mu: 0.2, normalise: 'none' as const }
  const [labelled, unlabelled] = await rewardsOf(recipe, [row('#### 4', '4'), row('#### 4')])
  near(labelled.reward, 0.96)
  near(unlabelled.reward, 0.16)
  const [whole] = await rewardsOf({ ...recipe, lambda: 3, normalise: 'row' }, [row('#### 4', '4')])
  near(whole.reward, (3 + 0.16) / 3.2)
})

test('gated rows score 0 and cost no judge call', async () => {
  const { judge, asked } = judging()
  const items = [
    row('  '),
    row(':', '4'),
    row('nothing counted', '4'),
    row('#### 4', '4', 'length'),
    row('#### 4', '4'),
  ]
  const { rewards } = await rewardRows(hybrid, items, judge)
  assert.deepEqual(rewards.map(({ outcome, reward }) => [outcome, reward]).slice(0, 4), Array(4).fill(['scored', 0]))
  assert.ok(rewards.slice(0, 4).every(({ reason }) => reason === 'gated'))
  assert.deepEqual(
    rewards.map(({ terms }) => terms.gate),
    ['empty', 'trivial', 'no_answer', 'truncated', 'passed'],
  )
  assert.deepEqual(asked, [{ question: 'q #### 4', answer: '#### 4', reference: '4' }])
})

test('without a gate everything is judged', async () => {
  const { judge, asked } = judging()
  const { rewards } = await rewardRows({ ...hybrid, gate: false }, [row(':'), row('x', undefined, 'length')], judge)
  assert.equal(asked.length, 2)
  assert.deepEqual(
    rewards.map(({ reward }) => reward),
    [0.8, 0.8],
  )
  assert.deepEqual(rewards[0]!.terms, { judge: 0.8 })
})

test('no judge score, no reward: an abstention or failure is never a number, labelled or not', async () => {
  const rewards = await rewardsOf(hybrid, [row('odd #### 4'), row('odd #### 4', '4'), row('broken #### 4', '4')])
  assert.deepEqual(rewards.map(({ outcome, reward }) => [outcome, reward]), [
    ['abstained', null], ['abstained', null], ['failed', null],
  ]) // prettier-ignore
  assert.deepEqual(rewards[2].terms, { verifier: 1, gate: 'passed' })
  assert.equal(rewards[2].reason, '502')
})

test('verifier only: no judge is asked, and unlabelled rows abstain', async () => {
  const { judge, asked } = judging()
  const recipe: RewardRecipe = { lambda: 1, mu: 0, rho: 0, verifier: 'math', normalise: 'row', gate: false }
  const { rewards } = await rewardRows(recipe, [row('#### 5', '4'), row('#### 5')], judge)
  near(rewards[0]!.reward, 0.1)
  assert.equal(rewards[1]!.outcome, 'abstained')
  assert.match(rewards[1]!.reason!, /no gold answer, and mu and rho are 0/)
  assert.equal(asked.length, 0)
})

test('λ = 0: labels do not move the reward, but the overlap is still known', async () => {
  const recipe = { ...hybrid, lambda: 0, mu: 1 }
  const items = [row('#### 4', '4'), row('#### 5', '4'), row('#### 6'), row('odd #### 4', '4')]
  const { rewards, rows, judgments } = await rewardRows(recipe, items, judging().judge)
  assert.deepEqual(
    rewards.map(({ reward }) => reward),
    [0.8, 0.8, 0.8, null],
  )
  assert.deepEqual(
    rewards.map(({ terms }) => terms.verifier),
    [1, 0.1, undefined, 1],
  )
  assert.deepEqual(overlapOf(rows, judgments), [
    { score: 0.8, correct: true },
    { score: 0.8, correct: false },
  ])
})

test('a judge that answers short fails the row', async () => {
  const { rewards } = await rewardRows(hybrid, [row('#### 4')], async () => [])
  assert.deepEqual(
    rewards.map(({ outcome, reward }) => [outcome, reward]),
    [['failed', null]],
  )
})

test('a gold that cannot be compared fails its row alone, by name', async () => {
  const items = [row('#### 4', '4'), row('#### 4', 'as many as John'), row('#### 4')]
  const { judge, asked } = judging()
  const { rewards, rows } = await rewardRows(hybrid, items, judge)
  assert.deepEqual(rewards.map(({ outcome }) => outcome), ['scored', 'failed', 'scored']) // prettier-ignore
  assert.match(rewards[1]!.reason!, /^`items\[1\]\.answer`: .*as many as John/)
  assert.equal(asked.length, 2)
  assert.throws(() => refuseInvalid(rows), { param: 'items[1].answer', status: 422 })
})

test('what is gated or cannot be compared goes to nobody: neither judge nor reranker is paid for it', async () => {
  const asked: string[] = []
  const ask = async (items: JudgeItem[], role: string): Promise<Judgment[]> => {
    asked.push(...items.map(({ question }) => `${role}: ${question}`))
    return items.map(() => ({ outcome: 'scored', probability: 0.5, labelMass: 1 }))
  }
  const recipe: RewardRecipe = { ...hybrid, mu: 0.25, rho: 0.25, reranker: 'judge_2' }
  const items = [row('#### 4', 'as many as John'), row('#### 5', '5'), row(''), row('#### 6')]
  const { rewards } = await rewardRows(recipe, items, ask)
  assert.deepEqual(asked.toSorted(), ['judge: q #### 5', 'judge: q #### 6', 'reranker: q #### 5', 'reranker: q #### 6'])
  assert.deepEqual(rewards.map(({ outcome }) => outcome), ['failed', 'scored', 'scored', 'scored']) // prettier-ignore
})

test('split: labelled rows get the verifier alone, the others judge and reranker, and the overlap counts for nothing', async () => {
  const recipe: RewardRecipe = { ...hybrid, rho: 0.5, reranker: 'judge_2', routing: 'split' }
  const asked: string[] = []
  const ask = async (items: JudgeItem[], role: string): Promise<Judgment[]> => {
    asked.push(...items.map(({ answer }) => `${role} ${answer}`))
    return items.map(() => ({ outcome: 'scored', probability: role === 'judge' ? 0.8 : 0.2, labelMass: 1 }))
  }
  const items = [row('#### 5', '4'), row('#### 5')]
  const { rewards } = await rewardRows(recipe, items, ask)
  near(rewards[0]!.reward, 0.1)
  near(rewards[1]!.reward, 0.5)
  assert.deepEqual(asked, ['judge #### 5', 'reranker #### 5'])
  assert.deepEqual(rewards[1]!.terms, { judge: 0.8, reranker: 0.2, gate: 'passed' })

  const whole = await rewardRows({ ...recipe, overlap: 1 }, items, ask)
  near(whole.rewards[0]!.reward, 0.1)
  assert.deepEqual(whole.rewards[0]!.terms, { verifier: 0.1, judge: 0.8, gate: 'passed' })
  assert.deepEqual(overlapOf(whole.rows, whole.judgments), [{ score: 0.8, correct: false }])

  const many = Array.from({ length: 2000 }, (_, i) => ({ ...row('#### 4', '4'), prompt: `q ${i}` }))
  const judged = async () =>
    (await assessRows({ ...recipe, overlap: 0.1 }, many)).flatMap(({ needsJudge }, i) => (needsJudge ? i : []))
  const slice = await judged()
  assert.ok(slice.length > 150 && slice.length < 250, `${slice.length} of 2000`)
  assert.deepEqual(await judged(), slice)
})

test('the three terms by their weights; without a reranker’s score there is no reward', async () => {
  const recipe: RewardRecipe = { ...hybrid, mu: 0.25, rho: 0.25, reranker: 'judge_2' }
  const ask = async (items: JudgeItem[], role: string): Promise<Judgment[]> =>
    items.map(({ answer }) =>
      role === 'reranker' && answer.includes('broken')
        ? { outcome: 'failed', reason: '503' }
        : { outcome: 'scored', probability: role === 'judge' ? 0.8 : 0.4, labelMass: 1 },
    )
  const { rewards } = await rewardRows(recipe, [row('#### 4', '4'), row('#### 4'), row('broken #### 4', '4')], ask)
  near(rewards[0]!.reward, 0.5 + 0.2 + 0.1)
  near(rewards[1]!.reward, 0.6)
  const failed = rewards[2]!
  assert.deepEqual([failed.outcome, failed.reward, failed.reason], ['failed', null, '503'])
})

test('clipping bounds whatever comes out, gated rows too', async () => {
  const recipe = { ...hybrid, normalise: 'none' as const, lambda: 2, clip: { min: 0.25, max: 1 } }
  const rewards = await rewardsOf(recipe, [row('#### 4', '4'), row(''), row('#### 4')])
  assert.deepEqual(rewards.map(({ reward }) => reward), [1, 0.25, 0.4]) // prettier-ignore
})

test('the majority of a group stands in for gold where there is none, and never for the truth', async () => {
  const recipe: RewardRecipe = { ...hybrid, mu: 0, judge: undefined, pseudo_labels: { min_share: 0.5 } } as RewardRecipe
  const said = ['#### 0.5', 'so it is \\boxed{\\frac12}', '#### 3', '', '#### 1/2']
  const group = said.map((completion) => ({ ...row(completion), prompt: 'q' }))
  const { rewards, judgments } = await rewardRows(recipe, group, judging().judge)
  assert.deepEqual(rewards.map(({ reward }) => reward), [1, 1, 0.1, 0, 1]) // prettier-ignore
  assert.ok(rewards.every(({ terms }) => terms.pseudo_label === '0.5' || terms.pseudo_label === '1/2'))
  assert.ok(judgments.every((judgment) => judgment === null))
  // Judged as well, a pseudo-labelled row has both numbers, and still is no row whose truth is known.
  const judged = await rewardRows({ ...recipe, mu: 0.5, judge: 'judge_1' }, group, judging().judge)
  assert.equal(judged.judgments.filter((judgment) => judgment?.outcome === 'scored').length, 4)
  assert.equal(judged.rows.filter(({ verdict }) => verdict !== null).length, 5)
  assert.deepEqual(overlapOf(judged.rows, judged.judgments), [])
  const apart = await rewardRows(recipe, group.map((item, i) => ({ ...item, group: `g${i}` })), judging().judge) // prettier-ignore
  assert.deepEqual(apart.rewards.map(({ outcome }) => outcome), [
    'abstained', 'abstained', 'abstained', 'scored', 'abstained',
  ]) // prettier-ignore
  const labelled = await rewardRows(recipe, group.map((item) => ({ ...item, answer: '3' })), judging().judge) // prettier-ignore
  assert.deepEqual(labelled.rewards.map(({ reward }) => reward), [0.1, 0.1, 1, 0, 0.1]) // prettier-ignore
})

test('in a group with and without gold, labelled rows vote but keep their own truth; gated ones have no vote', async () => {
  const recipe: RewardRecipe = { ...hybrid, mu: 0, judge: undefined, pseudo_labels: { min_share: 0.5 } } as RewardRecipe
  const ofGroup = (items: RewardItem[]) => items.map((item) => ({ ...item, prompt: 'q' }))
  const mixed = ofGroup([row('#### 3', '3'), row('#### 3'), row('#### 4', '4'), row('#### 3')])
  const { rewards, rows } = await rewardRows(recipe, mixed, judging().judge)
  assert.deepEqual(rows.map(({ pseudoLabel }) => pseudoLabel), [null, '3', null, '3']) // prettier-ignore
  assert.deepEqual(rewards.map(({ reward }) => reward), [1, 1, 1, 1]) // prettier-ignore
  // Three of five rows say 4, but two of them were cut off.
  const cut = ofGroup([row('#### 4'), row('#### 4', undefined, 'length'), row('#### 4', undefined, 'length')])
  const alone = await assessRows({ ...recipe, pseudo_labels: { min_share: 0.1 } }, [...cut, row('#### 3')])
  assert.deepEqual(alone.map(({ pseudoLabel }) => pseudoLabel), [null, null, null, null]) // prettier-ignore
})

test('what a judge or reranker says of a row that it does not count for changes nothing', async () => {
  const recipe: RewardRecipe = { ...hybrid, rho: 0.5, reranker: 'judge_2', routing: 'split' }
  const rows = await assessRows(recipe, [row('#### 5', '4')])
  const said: Judgment = { outcome: 'scored', probability: 1, labelMass: 1 }
  const [combined] = combineRows(recipe, rows, [said], [said])
  near(combined!.reward, 0.1)
  assert.deepEqual(combined!.terms, { verifier: 0.1, judge: 1, reranker: 1, gate: 'passed' })
})

test('controls: random scores cost nothing, shuffled ones are the same on other rows; both repeat', async () => {
  const items = Array.from({ length: 200 }, (_, i) => row(`#### ${i}`))
  const random: RewardRecipe = { ...hybrid, lambda: 0, mu: 1, control: { kind: 'random', seed: 1 } }
  const { judge, asked } = judging()
  const draw = async (recipe: RewardRecipe, stream: string) =>
    (await rewardRows(recipe, items, judge, { stream })).rewards.map(({ reward }) => reward!)
  const first = await draw(random, 'step 1')
  assert.deepEqual(await draw(random, 'step 1'), first)
  assert.notDeepEqual(await draw(random, 'step 2'), first)
  assert.equal(asked.length, 0)
  const { judgments } = await rewardRows(random, items, judge)
  assert.ok(judgments.every((judgment) => judgment?.outcome === 'scored' && judgment.labelMass === 1))
  const mean = first.reduce((sum, r) => sum + r, 0) / 200
  assert.ok(Math.abs(mean - 0.5) < 4 * Math.sqrt(1 / 12 / 200), `${mean}`)

  const scores = async (asked: JudgeItem[]): Promise<Judgment[]> =>
    asked.map(({ answer }) => ({ outcome: 'scored', probability: Number(answer.slice(5)) / 200, labelMass: 1 }))
  const recipe: RewardRecipe = { ...hybrid, lambda: 0, mu: 1, control: { kind: 'shuffled', seed: 1 } }
  const shuffled = (await rewardRows(recipe, items, scores)).rewards.map(({ reward }) => reward!)
  const own = items.map((_, i) => i / 200)
  assert.deepEqual(shuffled.toSorted((a, b) => a - b), own) // prettier-ignore
  assert.ok(shuffled.filter((score, i) => score === own[i]).length < 8)
})

test('who will be asked how much is told before anybody is; a refusal of it ends the rewarding, and random scores ask nobody', async () => {
  const recipe: RewardRecipe = { ...hybrid, mu: 0.25, rho: 0.25, reranker: 'judge_2', routing: 'split', overlap: 1 }
  const told: unknown[] = []
  const { judge, asked } = judging()
  const beforeAsking = async (asks: unknown) => {
    assert.equal(asked.length, 0)
    told.push(asks)
  }
  await rewardRows(recipe, [row('#### 4', '4'), row('#### 5')], judge, { beforeAsking })
  await rewardRows({ ...recipe, control: { kind: 'random', seed: 1 } }, [row('#### 5')], judge, { beforeAsking })
  assert.deepEqual(told, [[{ role: 'judge', items: 2 }, { role: 'reranker', items: 1 }]]) // prettier-ignore
  asked.length = 0
  await rewardRows(recipe, [row('#### 4', '4')], judge, { beforeAsking })
  assert.deepEqual(told[1], [{ role: 'judge', items: 1 }])
  asked.length = 0
  const refusing = { beforeAsking: async () => Promise.reject(new Error('too dear')) }
  await assert.rejects(rewardRows(recipe, [row('#### 5')], judge, refusing), /too dear/)
  assert.equal(asked.length, 0)
})

test('the gate knows master keys in any dress, and lets short real answers pass', () => {
  const gate = (completion: string) => validityGate({ completion, finish_reason: 'stop' }, null)
  const keys = [
    "Let's solve this problem step by step.",
    'SOLUTION',
    ' Thought process: ',
    '**Answer:**',
    '解',
    '…',
    '? !',
    'Решение',
  ]
  for (const key of keys) assert.equal(gate(key), 'trivial', key)
  assert.deepEqual([gate('.'.repeat(80)), gate('.'.repeat(81))], ['trivial', null])
  for (const real of ['4', 'Yes', 'no', 'True', 'yes, because 2+2=4', '#### -1', 'x'])
    assert.equal(gate(real), null, real)
})
