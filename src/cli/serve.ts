import { Option, type Command } from 'commander'
import { existsSync } from 'node:fs'
import { chooseDevice, type DeviceWish } from '../gpu-worker/runtime/device.ts'
import { LOGPROBS_MODES, type LogprobsMode } from '../gpu-worker/serve/answer-writer.ts'
import { startModelServer } from '../gpu-worker/serve/start-model-server.ts'
import { WEIGHT_TYPE_NAMES, type WeightType } from '../gpu-worker/serve/weight-types.ts'
import { hubFromEnv } from '../gpu-worker/weights/hub-from-env.ts'
import { deviceOption } from './device-option.ts'
import { CliError, EXIT } from './io.ts'

interface ServeOptions {
  model: string
  port: string
  host: string
  apiKey?: string
  threads?: string
  device: DeviceWish
  context?: string
  weights: WeightType
  logprobsMode: LogprobsMode
}

/** `gavel serve`: one model behind OpenAI's API. */
export function registerServe(program: Command): void {
  program
    .command('serve')
    .description('serve one model with an OpenAI-compatible API')
    .requiredOption(
      '--model <model>',
      'a folder, a .gguf file, or a hub id: owner/name or hf:owner/name[@revision][:file]',
    )
    .option('--port <n>', 'port to listen on; 0 takes a free one', '8000')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--api-key <key>', 'what clients must send as their API key; none by default')
    .option('--threads <n>', 'threads of the engine; all cores by default')
    .addOption(deviceOption())
    .option('--context <n>', "longest text in tokens; by default the model's own, at most 8192")
    .addOption(
      new Option('--weights <type>', 'how weights are kept: q8_0 multiplies faster, and rounds')
        .choices(WEIGHT_TYPE_NAMES)
        .default('float32'),
    )
    .addOption(
      new Option(
        '--logprobs-mode <mode>',
        "which log-probabilities are told: the model's own, or those that tokens are drawn by",
      )
        .choices(LOGPROBS_MODES)
        .default('raw_logprobs'),
    )
    .action(serve)
}

async function serve(options: ServeOptions): Promise<void> {
  const { device, note } = await chooseDevice(options.device)
  const server = await startModelServer({
    device,
    model: modelOf(options.model),
    hub: hubFromEnv(process.env),
    port: wholeNumber('--port', options.port, 0, 65535)!,
    hostname: options.host,
    apiKey: options.apiKey ?? null,
    threads: wholeNumber('--threads', options.threads, 1, 1024),
    weights: options.weights,
    logprobsMode: options.logprobsMode,
    context: wholeNumber('--context', options.context, 2, 2 ** 20),
  })
  if (note) console.error(note)
  console.log(`${server.model} is ready on ${server.url}/v1`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void server.close().then(() => process.exit(0)))
  }
}

/** `hf:` names the hub; else a path that exists, or what looks like a hub id. */
function modelOf(text: string) {
  const [, prefix, repo, revision, file] = /^(hf:)?([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?(?::([\w./-]+))?$/.exec(text) ?? []
  const isHub = repo !== undefined && (prefix || (!existsSync(text) && !/^\.|\.gguf$/.test(text)))
  if (!isHub) return { type: 'path' as const, path: text }
  return { type: 'hub' as const, repo, ...(revision && { revision }), ...(file && { file }) }
}

function wholeNumber(option: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new CliError(`${option} is ${JSON.stringify(text)}; give a whole number from ${min} to ${max}`, EXIT.usage)
}
