/**
 * Reasoning and its answer, as models that think first set them apart: tags in angle or square brackets, and tokens of
 * chat templates.
 */
const NAMES = 'think|thinking|thought|thoughts|reasoning|reason|scratchpad|reflection|analysis'
const MAX_CHARS = 1_000_000
const TAG = new RegExp(
  `<(/?)(?:${NAMES})(?:\\s[^<>]{0,80})?>|\\[(/?)(?:THINK|THINKING|REASONING)\\]|◁(/?)think▷|` +
    '<\\|(begin|end)_of_thought\\|>|<\\|channel\\|>(analysis|commentary|final)(?:<\\|message\\|>)?',
  'gi',
)
/** Tokens around an answer that say nothing themselves. */
const TOKENS =
  /<\|(?:begin_of_solution|end_of_solution|im_end|im_start|eot_id|end|return|endoftext|end_of_text|eom_id)\|>|<\/s>|<eos>|<end_of_turn>|\[\/?INST\]/gi

/**
 * What a text says when its reasoning is over: without anything between such tags, before a closing one without its
 * opening, or behind an opening one that nothing closes.
 */
export function finalPart(given: string): string {
  // Of a text of megabytes the end is read, and whether it begins within reasoning.
  const text = given.slice(-MAX_CHARS)
  const before = given.length - text.length
  let depth = before > 0 && given.lastIndexOf('<think', before) > given.lastIndexOf('</think', before) ? 1 : 0
  let said: string[] = []
  let from = 0
  for (const tag of text.matchAll(TAG)) {
    const [whole, angle, square, kimi, side, channel] = tag
    const opens = channel
      ? channel.toLowerCase() !== 'final'
      : (angle ?? square ?? kimi ?? side) !== '/' && side !== 'end'
    if (depth === 0) said.push(text.slice(from, tag.index))
    if (opens) depth = channel ? 1 : depth + 1
    else if (channel || depth === 0) {
      said = []
      depth = 0
    } else depth--
    from = tag.index + whole.length
  }
  if (depth === 0) said.push(text.slice(from))
  return said.join('\n')
}

/** The text up to the first token that ends it, or begins another's turn, where there is something before it. */
export const withoutTokens = (text: string): string => text.replace(TOKENS, '\n')

const ANSWER_TAG = /<(\/?)(?:final_?answer|answer)(?:\s[^<>]{0,80})?>/gi

/** What stands in the last pair of answer tags, the last of which may be missing; null where there are none. */
export function taggedAnswer(text: string): string | null {
  const tags = [...text.matchAll(ANSWER_TAG)]
  const open = tags.findLastIndex(([, slash]) => slash === '')
  if (open < 0) return null
  const start = tags[open]!.index + tags[open]![0].length
  return text.slice(start, tags[open + 1]?.index)
}
