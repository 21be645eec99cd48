/**
 * Names that chat formats and tokenizers give to their control tokens: text that a model may read as structure.
 * Matched whole and without regard to case; anything of the form `<|…|>` is matched by shape.
 */
const ANGLED = [
  's', 'bos', 'eos', 'pad', 'unk', 'mask', 'sep', 'cls', 'think', 'thinking', 'reasoning', 'start_of_turn', 'end_of_turn',
  'start_of_image', 'end_of_utterance', 'bos_token', 'eos_token', 'eod', 'fim_prefix', 'fim_middle', 'fim_suffix',
  'tool_call', 'tool_response', 'extra_id_\\d{1,4}', 'unused\\d{1,4}', 'reserved_\\d{1,4}', '0x[0-9a-f]{2}',
] // prettier-ignore
const SQUARE = [
  'inst', 'system_prompt', 'available_tools', 'tool_calls', 'tool_results', 'tool_content', 'img', 'img_break', 'img_end',
  'bos', 'eos', 'pad', 'unk', 'mask', 'sep', 'cls',
] // prettier-ignore

/** The tag that fences the student's text in the built-in templates; never left standing inside that text. */
export const FENCE = 'student_answer'
/** The same for the material of a decision. */
export const MATERIAL_FENCE = 'decision_material'

// Every alternative is bounded or free of nested repetition, so matching is linear in the text.
const MARKERS = new RegExp(
  [
    '<[|｜][^\\s<>|｜]{1,64}[|｜]>',
    `</?(?:${ANGLED.join('|')})>`,
    `\\[/?(?:${SQUARE.join('|')})\\]`,
    '<</?sys>>',
    `<\\s{0,8}/?\\s{0,8}(?:${FENCE}|${MATERIAL_FENCE})\\b[^<>]{0,64}>`,
  ].join('|'),
  'giu',
)

/** Half of the space that a capped answer keeps goes to its beginning, half to its end, where the result stands. */
const CUT_NOTICE = '\n[… the middle of the answer is left out here …]\n'

/**
 * Makes text safe to stand inside a judge's prompt, and changes nothing else: control-token markers and fence tags
 * become a space (so that no two halves can join to a new marker) and are trimmed at the ends, NULs are dropped,
 * lone surrogates become U+FFFD.
 */
export function cleanText(text: string): string {
  const wellFormed = text.replaceAll('\0', '').toWellFormed()
  const stripped = wellFormed.replace(MARKERS, ' ')
  return stripped === wellFormed ? wellFormed : stripped.trim()
}

/** At most `maxChars` UTF-16 units: the middle of a longer text is replaced by a notice. Never splits a character. */
export function capText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text
  const kept = Math.max(0, maxChars - CUT_NOTICE.length)
  const head = text.slice(0, Math.ceil(kept / 2))
  const tail = kept < 2 ? '' : text.slice(-Math.floor(kept / 2))
  return withoutHalves(head) + CUT_NOTICE + withoutHalves(tail)
}

function withoutHalves(text: string): string {
  return text.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, '')
}
