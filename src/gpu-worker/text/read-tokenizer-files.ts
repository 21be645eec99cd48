import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'

/** A tokenizer's files as parsed JSON: what a model folder holds of text, and a checkpoint carries on. */
export interface TokenizerFiles {
  /** `tokenizer.json` */
  tokenizer: object
  /** `tokenizer_config.json`, with the chat template in it wherever it lay. */
  config: Record<string, unknown>
  /** `generation_config.json`, where there is one. */
  generation?: Record<string, unknown> | undefined
  /** `special_tokens_map.json`, where there is one. */
  specialTokens?: Record<string, unknown> | undefined
}

/**
 * What a model folder holds of text: `tokenizer.json`, and where they are there `tokenizer_config.json`,
 * `chat_template.jinja` (which goes before a template in the config, as transformers has it), `generation_config.json`
 * and `special_tokens_map.json`. Throws `corrupt_model`.
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const path = join(folder, 'tokenizer.json')
  if (!existsSync(path)) {
    throw new GavelError(
      'corrupt_model',
      `${path} is missing; save the tokenizer there with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(folder)`,
      { param: path },
    )
  }
  const optional = (name: string) => (existsSync(join(folder, name)) ? parse(join(folder, name)) : undefined)
  const template = join(folder, 'chat_template.jinja')
  return {
    tokenizer: parse(path),
    config: {
      ...optional('tokenizer_config.json'),
      ...(existsSync(template) && { chat_template: readFileSync(template, 'utf8') }),
    },
    generation: optional('generation_config.json'),
    specialTokens: optional('special_tokens_map.json'),
  }
}

function parse(path: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new GavelError('corrupt_model', `${path} is not JSON: ${(cause as Error).message}`, { param: path, cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new GavelError('corrupt_model', `${path} is not a JSON object`, { param: path })
}
