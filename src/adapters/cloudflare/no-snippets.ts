/**
 * Stands in for @huggingface/jinja in the Worker (`[alias]` of wrangler.toml), and saves a sixteenth of its size.
 * @huggingface/inference renders code snippets with it, which Gavel never asks for.
 */
export class Template {
  constructor() {
    throw new Error('Code snippets are not rendered on Cloudflare: the template engine is left out of the Worker.')
  }
}
