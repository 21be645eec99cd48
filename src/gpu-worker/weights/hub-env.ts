import { homedir } from 'node:os'
import { join } from 'node:path'
import type { HubOptions } from './hub.ts'

/** The hub's settings by the variables that Python's huggingface_hub reads too. */
export function hubFromEnv(env: Record<string, string | undefined>): HubOptions {
  const home = env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface')
  return { endpoint: env.HF_ENDPOINT, token: env.HF_TOKEN, cacheFolder: env.HF_HUB_CACHE ?? join(home, 'hub') }
}
