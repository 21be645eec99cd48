import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { HubOptions } from './download-model.ts'

/** The hub's settings by the variables, and the file of the token, that Python's huggingface_hub reads too. */
export function hubFromEnv(env: Record<string, string | undefined>): HubOptions {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface')
  return {
    endpoint: env.HF_ENDPOINT || undefined,
    token: env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || savedToken(env.HF_TOKEN_PATH || join(home, 'token')),
    cacheFolder: env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, 'hub'),
    offline: /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? ''),
  }
}

/** What `hf auth login` left. */
const savedToken = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim() || undefined : undefined)
