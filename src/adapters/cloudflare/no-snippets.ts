/**
 * Stands in for @huggingface/jinja and @huggingface/tasks in the Worker (`[alias]` of wrangler.toml), which are a third
 * of its size otherwise. @huggingface/inference makes code snippets with them, and nothing else; Gavel asks for none.
 */
const MESSAGE = 'Code snippets are not made on Cloudflare: what renders them is left out of the Worker.'

export class Template {
  constructor() {
    throw new Error(MESSAGE)
  }
}

export const inferenceSnippetLanguages: readonly string[] = []

export function getModelInputSnippet(): never {
  throw new Error(MESSAGE)
}
