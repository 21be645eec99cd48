/** Requests made to hold a server up: each as large, or as costly, as the API takes it, or larger. */

export interface HostileRequest {
  name: string
  path: string
  body(): string
  /** What may be answered. */
  status: readonly number[]
}

const LONG = 200_000
/** As long as a text may be. */
const filled = (part: string, length = LONG) => part.repeat(Math.ceil(length / part.length)).slice(0, length)
const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))
const verify = (verifier: unknown, text: string, gold: string, count: number) => () =>
  JSON.stringify({ verifier, items: times(count, () => ({ text, gold })) })
const MIB = 1024 * 1024
const grade =
  (grader: object, item: object = {}, model_sample = 'x') =>
  () =>
    JSON.stringify({ grader: { name: 'g', ...grader }, model_sample, item })
const similar = (evaluation_metric: string, text: string, gold: string, count: number) =>
  verify({ type: 'text_similarity', evaluation_metric, pass_threshold: 0.5 }, text, gold, count)

const refs = (levels: number, width: number) => ({
  $ref: '#/$defs/d0',
  $defs: Object.fromEntries([
    ...times(levels, (i) => [`d${i}`, { anyOf: times(width, () => ({ $ref: `#/$defs/d${i + 1}` })) }]),
    [`d${levels}`, { type: 'string' }],
  ]) as object,
})
const jsonSchema = (schema: object, text: string, count: number) =>
  verify({ type: 'json_schema', schema }, text, '', count)
const strange = (start: number) => String.fromCharCode(...times(20_000, (i) => 0x4e00 + ((i * 7919 + start) % 20_000)))

/** Mathematics that is slow to read or to compare. */
const MATHS: [string, string, string][] = [
  ['money without end', filled('$5 '), '1'],
  ['rupees without end', filled('Rs. 5 '), '10^{10^{10}}'],
  ['a list without end', filled('1,'), '1'],
  ['a power of powers', '\\boxed{10^{10^{10}}}', '9^{9^{9^{9}}}'],
  ['an exponent of a million', '9e999999', '9e999998'],
  ['digits without end', filled('9'), '1'],
  ['fractions in fractions', `${'\\frac{'.repeat(10_000)}1${'}{2}'.repeat(10_000)}`, '\\frac{1}{2}'],
  ['a long root', `\\boxed{${'\\sqrt{'.repeat(200)}2${'}'.repeat(200)}}`, '\\sqrt{2}'],
  ['a great factorial', '\\boxed{100000!}', '1'],
  ['a close power', '\\boxed{(1+10^{-50})^{100000}}', '(1+10^{-50})^{100001}'],
  ['thoughts in thoughts', filled('<think>'), '1'],
  ['boxes in boxes', filled('\\boxed{'), '1'],
]

export const HOSTILE_REQUESTS: readonly HostileRequest[] = [
  ...MATHS.map(([name, text, gold]): HostileRequest => ({
    name: `math: ${name}`,
    path: '/v1/verify',
    body: verify('math', text, gold, Math.min(4096, Math.floor((15 * MIB) / (JSON.stringify(text).length + gold.length + 30)))),
    status: [200, 413, 422],
  })),
  ...(['fuzzy_match', 'bleu', 'gleu', 'meteor', 'rouge_l', 'rouge_5'] as const).map((metric): HostileRequest => ({
    name: `text_similarity: ${metric}`,
    path: '/v1/verify',
    body: similar(metric, filled('a ', 20_000), filled('a b ', 20_000), 400),
    status: [200, 413],
  })),
  { name: 'fuzzy_match of 20,000 different characters', path: '/v1/verify', body: similar('fuzzy_match', strange(0), strange(5), 120), status: [200, 413] },
  { name: 'exact: combining marks', path: '/v1/verify', body: verify('exact', filled('\u0315\u0301'), filled('\u0301\u0315'), 18), status: [200, 413] },
  { name: 'ilike', path: '/v1/verify', body: verify({ type: 'string_check', operation: 'ilike' }, filled('aaaa'), `${filled('a', 100_000)}b`, 50), status: [200, 413] },
  { name: 'json_schema: references to references', path: '/v1/verify', body: jsonSchema(refs(12, 8), '5', 50), status: [200] },
  { name: 'json_schema: 500 patterns', path: '/v1/verify', body: jsonSchema({ patternProperties: Object.fromEntries(times(500, (i) => [`^a{0,${i % 30}}b${i}$`, {}])) }, JSON.stringify(Object.fromEntries(times(5000, (i) => [`aaaaaaaaaaaaaaaa${i}`, 1]))), 50), status: [200, 422] },
  { name: 'json_schema: 4,000 lists of properties', path: '/v1/verify', body: jsonSchema({ allOf: times(4000, () => ({ properties: {} })) }, JSON.stringify(Object.fromEntries(times(15_000, (i) => [`k${i}`, 1]))), 50), status: [200, 413] },
  { name: 'json_schema: another schema each row', path: '/v1/verify', body: () => JSON.stringify({ verifier: 'json_schema', items: times(200, (i) => ({ text: '"a"', gold: JSON.stringify({ patternProperties: Object.fromEntries(times(400, (k) => [`^[a-z]{1,20}${i}${k}$`, {}])) }) })) }), status: [200, 413, 422] },
  { name: 'pseudo_labels: all of one group, all different', path: '/v1/rewards', body: () => JSON.stringify({ reward: { lambda: 1, verifier: 'math', pseudo_labels: {} }, items: times(4096, (i) => ({ prompt: 'q', completion: `So the answer is \\boxed{\\sqrt{${i + 2}} + ${i}}.` })) }), status: [200, 413] },
  { name: 'a template of 18,000 places', path: '/v1/fine_tuning/alpha/graders/run', body: grade({ type: 'string_check', input: '{{item.a}}'.repeat(18_000), reference: 'x', operation: 'eq' }, { a: filled('a', 500_000) }), status: [413] },
  { name: 'a multi grader of 4,000 parts', path: '/v1/fine_tuning/alpha/graders/run', body: grade({ type: 'multi', graders: Object.fromEntries(times(4000, (i) => [`g${i}`, { type: 'string_check', name: `g${i}`, input: 'a', reference: 'b', operation: 'eq' }])), calculate_output: 'g0' }), status: [400, 422] },
  { name: 'a multi grader of 64 similarities', path: '/v1/fine_tuning/alpha/graders/run', body: grade({ type: 'multi', graders: Object.fromEntries(times(64, (i) => [`g${i}`, { type: 'text_similarity', name: `g${i}`, input: '{{item.a}}', reference: '{{item.b}}', evaluation_metric: 'fuzzy_match' }])), calculate_output: 'g0' }, { a: filled('abcdefghijklmnopqrstuvw', 20_000), b: filled('zyxwvutsrqponmlkjihgfedc', 20_000) }), status: [200] },
  { name: 'a formula as long and as deep as they come', path: '/v1/fine_tuning/alpha/graders/run', body: grade({ type: 'multi', graders: [{ type: 'string_check', name: 'a', input: 'a', reference: 'b', operation: 'eq' }], calculate_output: `${'('.repeat(900)}a${')'.repeat(900)}` }), status: [200] },
  { name: 'millions of items that are none', path: '/v1/judgments', body: () => `{"judge":"j","items":[${filled('1,', 15 * MIB)}1]}`, status: [413] },
  { name: 'a million lists', path: '/v1/rewards', body: () => `{"reward":"r","items":[${filled('[],', 2_900_000)}[]]}`, status: [400, 413] },
  { name: 'a hundred thousand rows to sum up', path: '/compat/nemo-gym/none/aggregate_metrics', body: () => JSON.stringify({ verify_responses: times(99_000, (i) => ({ reward: i % 2, a: 1, b: 2, c: 3 })) }), status: [200] },
  { name: 'columns without end', path: '/compat/trl/none', body: () => JSON.stringify({ prompts: ['a'], completions: ['b'], columns: Object.fromEntries(times(9_900, (i) => [`c${i}`, 1])) }), status: [400, 404] },
  { name: 'conversations without end', path: '/compat/trl/none', body: () => JSON.stringify({ prompts: times(800, () => times(256, () => ({ role: 'user', content: 'a' }))), completions: times(800, () => 'x') }), status: [404, 413] },
  { name: 'a text of 15 MiB', path: '/compat/slime/none', body: () => JSON.stringify({ prompt: 'a', response: filled('<|im_start|>', 15 * MIB) }), status: [400, 404] },
  { name: 'quotes and backslashes', path: '/v1/verify', body: () => `{"verifier":"exact","items":[{"text":"${filled('\\\\\\"', 15 * MIB)}","gold":"1"}]}`, status: [400] },
  { name: 'numbers that vanish', path: '/v1/verify', body: () => `{"a":[${times(480_000, () => '0.1e-300').join()}]}`, status: [400, 422] },
  { name: 'brackets without end', path: '/v1/verify', body: () => '['.repeat(15 * MIB), status: [400, 413, 422] },
] // prettier-ignore
