/** The part of a model that reads and writes text, as a model of its own. */
export interface TextPart {
  config: Record<string, unknown>
  /** What the part calls a tensor of the file; null where it is of another part. */
  nameOf: (tensor: string) => string | null
}

/** Models that also see, by `model_type`: what their text part is where its config leaves that out. */
export const WRAPPERS: Readonly<
  Record<string, { model_type: string; architecture: Readonly<Record<string, string>> }>
> = {
  gemma3: { model_type: 'gemma3_text', architecture: { gemma3_text: 'Gemma3ForCausalLM' } },
  mistral3: {
    model_type: 'mistral',
    architecture: { mistral: 'MistralForCausalLM', ministral3: 'Ministral3ForCausalLM' },
  },
}

/** As transformers has written the names, before release 4.52, until release 5, and since. */
const TEXT_PREFIXES: readonly (readonly [string, string])[] = [
  ['language_model.model.', 'model.'],
  ['model.language_model.', 'model.'],
  ['language_model.lm_head.', 'lm_head.'],
  ['lm_head.', 'lm_head.'],
]

const OTHER_PARTS = ['vision_tower.', 'multi_modal_projector.', 'model.vision_tower.', 'model.multi_modal_projector.']

/** What both levels of a config say of the text; the outer one rules. */
const SHARED = ['bos_token_id', 'eos_token_id', 'pad_token_id', 'tie_word_embeddings', 'dtype', 'torch_dtype'] as const

/**
 * The text part of a model that also sees, under the names and with the config that it has by itself; a model of text
 * only as it is.
 */
export function textPart(config: Record<string, unknown>): TextPart {
  const wrapper = Object.hasOwn(WRAPPERS, String(config.model_type)) ? WRAPPERS[String(config.model_type)] : undefined
  const text = config.text_config as Record<string, unknown> | undefined
  if (!wrapper || typeof text !== 'object') return { config, nameOf: (tensor) => tensor }
  const type = String(text.model_type ?? wrapper.model_type)
  const shared = SHARED.flatMap((name) => (config[name] === undefined ? [] : [[name, config[name]] as const]))
  return {
    config: {
      tie_word_embeddings: true,
      ...text,
      ...Object.fromEntries(shared),
      model_type: type,
      ...(wrapper.architecture[type] ? { architectures: [wrapper.architecture[type]] } : {}),
    },
    nameOf: (tensor) => {
      const [theirs, ours] = TEXT_PREFIXES.find(([prefix]) => tensor.startsWith(prefix)) ?? []
      if (theirs !== undefined) return ours + tensor.slice(theirs.length)
      return OTHER_PARTS.some((prefix) => tensor.startsWith(prefix)) ? null : tensor
    },
  }
}
