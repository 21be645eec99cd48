import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { PRESETS } from '../../../src/core/rl/presets.ts'
import { grpoSpec } from '../../../src/core/schemas/grpo.ts'
import { parse } from '../../../src/core/schemas/parse.ts'

const config = (given: object) =>
  parse(grpoSpec, {
    type: 'grpo',
    model: 'm',
    data: { unlabelled: 'd' },
    reward: { lambda: 0, mu: 1, judge: 'j' },
    config: { steps: 1, ...given },
  }).config

describe('algorithms', () => {
  test('fill the choices that a config does not make itself', () => {
    for (const [algorithm, choices] of Object.entries(PRESETS)) {
      const filled = config({ algorithm }) as Record<string, unknown>
      for (const [field, value] of Object.entries(choices)) assert.equal(filled[field], value, `${algorithm}.${field}`)
    }
    const { clip_high, dynamic_sampling, overlong_mask } = config({ algorithm: 'dapo', clip_high: 0.5, overlong_mask: false }) // prettier-ignore
    assert.deepEqual([clip_high, dynamic_sampling, overlong_mask], [0.5, 3, false])
    assert.equal(config({}).aggregate, PRESETS.grpo.aggregate)
  })

  test('stay as they are when the filled config is read again', () => {
    const once = config({ algorithm: 'cispo', advantage: 'batch' })
    assert.deepEqual(config(once), once)
  })

  test('are what the documentation says', () => {
    const page = readFileSync(new URL('../../../docs/training.md', import.meta.url), 'utf8')
    const lines = page.split('\n').map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim().replaceAll('`', ''))) // prettier-ignore
    const header = lines.findIndex(([first]) => first === 'algorithm')
    const fields = lines[header]!.slice(1)
    const documented = Object.fromEntries(
      lines
        .slice(header + 2, header + 2 + Object.keys(PRESETS).length)
        .map(([name, ...cells]) => [name, Object.fromEntries(fields.map((field, i) => [field, cells[i]]))]),
    )
    const actual = Object.fromEntries(
      Object.entries(PRESETS).map(([name, preset]) => [
        name,
        Object.fromEntries(Object.entries(preset).map(([field, value]) => [field, String(value)])),
      ]),
    )
    assert.deepEqual(documented, actual)
  })

  test('do not go with what makes no sense of them', () => {
    const refused = (given: object, param: string, message: RegExp) =>
      assert.throws(() => config(given), { param: `config.${param}`, message })
    refused({ group_size: 1 }, 'group_size', /must be at least 2, .*token_batch/)
    refused({ kl_coefficient: 0.1, kl_estimator: 'k1' }, 'kl_estimator', /no use in the loss.*k2 or k3/)
    refused({ dual_clip: 0.5 }, 'dual_clip', /must be/)
    refused({ algorithm: 'dpo' }, 'algorithm', /"grpo" or "dr_grpo"/)
    assert.equal(config({ group_size: 1, algorithm: 'reinforce++' }).group_size, 1)
    assert.equal(config({ kl_coefficient: 0.1, algorithm: 'rloo' }).kl_estimator, 'k1')
  })
})
