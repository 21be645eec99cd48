/**
 * Workers AI's binding as a `fetch` of chat completions, whatever the URL: the binding speaks for the account that the
 * Worker is deployed in, so there is neither an address nor a secret. Status and body are the model's own.
 */
export const workersAiFetch =
  (ai: Ai): typeof fetch =>
  async (_url, init) => {
    const { model, ...inputs } = JSON.parse(init!.body as string) as { model: keyof AiModels }
    return ai.run(model, inputs as AiModels[keyof AiModels]['inputs'], {
      returnRawResponse: true,
      ...(init!.signal && { signal: init!.signal }),
    })
  }
