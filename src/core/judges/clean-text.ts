/**
 * Names that chat formats and tokenizers give to their control tokens: text that a model may read as structure.
 * Matched whole and without regard to case; anything of the form `<|…|>` is matched by shape.
 */
const ANGLED = [
  's', 'bos', 'eos', 'pad', 'unk', 'mask', 'sep', 'cls', 'sop', 'eop', 'eoh', 'eoa', 'eot', 'eod', 'think', 'thinking',
  'reasoning', 'start_of_turn', 'end_of_turn', 'turn\\|', '\\|turn', 'start_of_image', 'end_of_image',
  'end_of_utterance', 'bos_token', 'eos_token', 'beginning_of_sentence', 'end_of_sentence', 'fim_prefix', 'fim_middle',
  'fim_suffix', 'tool_call', 'tool_response', 'tool_calls', 'start_of_role', 'end_of_role', 'extra_id_\\d{1,4}',
  'unused\\d{1,4}', 'reserved_\\d{1,4}', 'tokens_unused_\\d{1,4}', 'special_\\d{1,4}', 'seed:[a-z_]{1,32}',
  '0x[0-9a-f]{2}', 'minimax:tool_call',
] // prettier-ignore
const SQUARE = [
  'inst', 'system_prompt', 'available_tools', 'tool_calls', 'tool_results', 'tool_content', 'img', 'img_break', 'img_end',
  'gmask', 'smask', 'bos', 'eos', 'pad', 'unk', 'mask', 'sep', 'cls', 'start_ref', 'end_ref',
] // prettier-ignore

/** The tag that fences the student's text in the built-in templates; never left standing inside that text. */
export const FENCE = 'student_answer'
/** The same for the material of a decision. */
export const MATERIAL_FENCE = 'decision_material'

// Every alternative is bounded or free of nested repetition, so matching is linear in the text. Full-width brackets
// count as their ASCII twins: some tokenizers fold them together.
const MARKERS = new RegExp(
  [
    '[<＜][|｜][^\\s<>＜＞|｜]{1,64}[|｜][>＞]',
    `[<＜][/／]?(?:${ANGLED.join('|')})[>＞]`,
    `[[［][/／]?(?:${SQUARE.join('|')})[\\]］]`,
    '[<＜]{2}[/／]?sys[>＞]{2}',
    `[<＜]\\s{0,8}[/／]?\\s{0,8}(?:${FENCE}|${MATERIAL_FENCE})\\b(?:[^<>＜＞]{0,64}[>＞])?`,
    // MiniMax's.
    '\\]~!?b[\\][]|\\[e~\\[',
  ].join('|'),
  'giu',
)

/**
 * Characters that nobody sees and no honest answer needs: zero-width spaces, soft hyphens, directional overrides, and
 * the tag characters that smuggle whole sentences past people's eyes.
 */
const UNSEEN = /[\0\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\u{e0000}-\u{e007f}]/gu
/** Unseen as well, but part of some scripts and of emoji: taken out only where a marker hides behind them. */
const JOINERS = /\u200c|\u200d|\u034f|[\ufe00-\ufe0f]/gu

/** Half of the space that a capped answer keeps goes to its beginning, half to its end, where the result stands. */
const CUT_NOTICE = '\n[… the middle of the answer is left out here …]\n'

/**
 * Makes text safe to stand inside a judge's prompt, and changes nothing else: control-token markers and fence tags
 * become a space (so that no two halves can join to a new marker) and are trimmed at the ends, characters without a
 * shape are dropped, lone surrogates become U+FFFD.
 */
export function cleanText(text: string): string {
  const seen = text.replace(UNSEEN, '').toWellFormed()
  const bare = seen.replace(JOINERS, '')
  const stripped = bare.replace(MARKERS, ' ')
  return stripped === bare ? seen : stripped.trim()
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
