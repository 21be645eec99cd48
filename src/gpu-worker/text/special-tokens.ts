import type { TokenizerFiles } from './read-tokenizer-files.ts'

/**
 * The special tokens by their names (`bos_token` …), as chat templates are given them. Where the config lists its added
 * tokens, it is newer than `special_tokens_map.json` and goes first; else that file does: transformers reads them so.
 */
export function specialTexts({ config, specialTokens = {} }: TokenizerFiles): Record<string, string> {
  const named = config.added_tokens_decoder ? { ...specialTokens, ...config } : { ...config, ...specialTokens }
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, token]) => {
      const text = name.endsWith('_token') ? textOf(token) : null
      return text === null ? [] : [[name, text]]
    }),
  )
}

/** A token is a text, or an object that says how it is found in one. */
function textOf(token: unknown): string | null {
  const content = typeof token === 'string' ? token : (token as { content?: unknown } | null)?.content
  return typeof content === 'string' ? content : null
}

/** Ids in a config: one, a list of them, or none. */
export const idsOf = (value: unknown): number[] =>
  (Array.isArray(value) ? (value as unknown[]) : [value]).filter((id): id is number => Number.isInteger(id))

/**
 * The chat template of a tokenizer's config. Models with several list them by name; `default` is for plain conversations.
 * Throws where it is no text.
 */
export function templateOf({ config }: TokenizerFiles): string | null {
  const template = config.chat_template ?? null
  const named = Array.isArray(template) ? (template as { name?: unknown; template?: unknown }[]) : null
  const found = named ? (named.find((entry) => entry?.name === 'default')?.template ?? null) : template
  if (found === null || typeof found === 'string') return found
  throw new Error('its chat_template is not a text')
}
