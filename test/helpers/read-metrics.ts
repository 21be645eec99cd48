import assert from 'node:assert/strict'

/** Reads the text format by its grammar: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function readMetrics(text: string) {
  const samples = new Map<string, number>()
  const types = new Map<string, string>()
  assert.ok(text.endsWith('\n'))
  for (const line of text.slice(0, -1).split('\n')) {
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/.exec(line)
    if (type) {
      assert.ok(!types.has(type[1]!), `one TYPE line for ${type[1]}`)
      types.set(type[1]!, type[2]!)
      continue
    }
    if (/^# HELP [a-zA-Z_:][\w:]* .+$/.test(line)) continue
    const sample =
      /^([a-zA-Z_:][\w:]*)((?:\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*")*\})?) (\S+)$/.exec(
        line,
      )
    assert.ok(sample, line)
    const [, name, labels, value] = sample
    const family = name!.replace(/_(bucket|sum|count)$/, '')
    assert.ok(types.has(name!) || types.get(family) === 'histogram', `a TYPE line before ${name}`)
    assert.ok(Number.isFinite(Number(value)), line)
    assert.ok(!samples.has(name! + labels!), `only one sample of ${name}${labels}`)
    samples.set(name! + labels!, Number(value))
  }
  return { samples, types }
}
