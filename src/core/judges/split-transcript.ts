import type { JudgeItem } from './template.ts'

/** How chat templates open an assistant's turn. */
const ASSISTANT_TURN =
  /<\|im_start\|>assistant\s?|<\|start_header_id\|>assistant<\|end_header_id\|>\s{0,2}|<start_of_turn>model\s?|<\|start_of_role\|>assistant<\|end_of_role\|>|<[|｜]assistant[|｜]>|\[\/INST\]|<\|turn>model\s?|<\|header_start\|>assistant<\|header_end\|>\s{0,2}|<\|start\|>assistant(?:<\|channel\|>\w{1,32})?(?:<\|message\|>)?|<\|start_of_turn_token\|><\|chatbot_token\|>/i

/** How they open any turn; the role is in one of the groups. */
const TURN =
  /<\|im_start\|>(\w{1,32})\s?|<\|start_header_id\|>(\w{1,32})<\|end_header_id\|>\s{0,2}|<start_of_turn>(\w{1,32})\s?|<\|start_of_role\|>(\w{1,32})<\|end_of_role\|>|<[|｜](system|user|assistant)[|｜]>|<\|turn>(\w{1,32})\s?|<\|header_start\|>(\w{1,32})<\|header_end\|>\s{0,2}|<\|start\|>(\w{1,32})(?:<\|channel\|>\w{1,32})?(?:<\|message\|>)?|<\|start_of_turn_token\|><\|(\w{1,32})_token\|>/gi

/** How they end one. */
const TURN_END =
  /<\|im_end\|>|<\|eot_id\|>|<\|end_of_text\|>|<\|endoftext\|>|<end_of_turn>|<\/s>|<[|｜]end[^<>]{0,32}[|｜]>|<\|eot\|>|<turn\|>|<\|return\|>|<\|channel\|>\w{1,32}<\|message\|>/gi

/** Text from a chat template as people would write it: without the markers, speakers named but for the user. */
export function plainTranscript(text: string): string {
  const named = text.replace(TURN, (_, ...groups: unknown[]) => {
    // Whatever its alternative: the first group that there is.
    const role = groups.find((group) => group !== undefined) as string
    return role.toLowerCase() === 'user' ? '\n' : `\n${role.toLowerCase()}: `
  })
  return named.replace(TURN_END, '\n').trim()
}

/** A prompt from a chat template in the same way, without the opening of the assistant's turn that it ends with. */
export const plainPrompt = (prompt: string): string =>
  plainTranscript(prompt.replace(new RegExp(`(?:${ASSISTANT_TURN.source})\\s{0,8}$`, 'i'), ''))

/**
 * Decoded text of a whole chat, control tokens and all, as question and answer: the answer is all that follows the
 * *first* opening of an assistant's turn, so that nothing a student writes can move into the question. Null where the
 * text opens none.
 */
export function splitTranscript(text: string): JudgeItem | null {
  const turn = ASSISTANT_TURN.exec(text)
  if (!turn) return null
  const answer = text.slice(turn.index + turn[0].length)
  return { question: plainTranscript(text.slice(0, turn.index)), answer: plainTranscript(answer) }
}

/** What tokenizers put before a text of their own accord. */
const LEADING_TOKENS = /^(?:\s|<[^<>\s]{1,64}>|\[\w{1,16}\])*$/

/**
 * A decoded chat whose prompt is known, as question and answer. Tokenizers may put a few control tokens before the
 * prompt. Null where the text does not begin with the prompt, and where there is none.
 */
export function splitAtPrompt(text: string, prompt: string): JudgeItem | null {
  const at = text.slice(0, prompt.length + 64).indexOf(prompt)
  if (at < 0 || prompt.trim() === '' || !LEADING_TOKENS.test(text.slice(0, at))) return null
  return { question: plainPrompt(prompt), answer: plainTranscript(text.slice(at + prompt.length)) }
}
