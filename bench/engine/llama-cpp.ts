import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { modelFromConfig } from '../../src/gpu-worker/models/index.ts'
import { f32Tensor, writeGguf, type GgufTensor } from '../../testing/write-gguf.ts'
import { randomWeights } from './random-weights.ts'
import type { Measurement, Workload } from './workload.ts'

const CACHE = fileURLToPath(new URL('../../.cache/llama.cpp', import.meta.url))
/** Its source archive holds llama.cpp with its own benchmark and quantiser. */
const PACKAGE = 'llama-cpp-python==0.3.36'
const TARGETS = ['llama-batched-bench', 'llama-quantize']

/** llama.cpp's decode, by its own `llama-batched-bench`: seconds for `rows` × `newTokens` after the prompts. */
export async function measureLlamaCpp(workload: Workload, type: 'F32' | 'Q8_0'): Promise<Measurement> {
  const { rows, tokens, newTokens, threads } = workload
  const sizes = { c: rows * (tokens + newTokens), npp: tokens, ntg: newTokens, npl: rows, t: threads, tb: threads }
  const flags = Object.entries(sizes).flatMap(([flag, value]) => [`-${flag}`, String(value)])
  // Now and then it ends well and has printed nothing.
  for (let attempt = 1; attempt <= 5; attempt++) {
    const { output, megabytes } = await runBench(['-m', model(workload, type), ...flags, '--output-format', 'jsonl'])
    const line = output.split('\n').find((text) => text.startsWith('{'))
    if (line) return { seconds: (JSON.parse(line) as { t_tg: number }).t_tg, megabytes }
  }
  throw new Error('llama-batched-bench printed no result five times')
}

async function runBench(flags: readonly string[]): Promise<{ output: string; megabytes: number }> {
  const bench = spawn(join(binaries(), TARGETS[0]!), flags)
  let [output, errors, megabytes] = ['', '', 0]
  bench.stdout.on('data', (chunk) => (output += String(chunk)))
  bench.stderr.on('data', (chunk) => (errors += String(chunk)))
  const watch = setInterval(() => (megabytes = peakMegabytes(bench.pid!) ?? megabytes), 100)
  const code = await new Promise((resolve) => bench.on('close', resolve))
  clearInterval(watch)
  if (code !== 0) throw new Error(`llama-batched-bench ended with ${String(code)}:\n${errors}`)
  return { output, megabytes }
}

/** The folder of the programs, built from source when first asked for: minutes, with cmake and a C++ compiler. */
function binaries(): string {
  const given = process.env.GAVEL_BENCH_LLAMA_CPP
  if (given) return given
  const folder = join(CACHE, 'build', 'bin')
  if (TARGETS.every((name) => existsSync(join(folder, name)))) return folder
  console.log(`Building llama.cpp of ${PACKAGE} in ${CACHE}, once …`)
  mkdirSync(CACHE, { recursive: true })
  const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: CACHE, stdio: 'pipe' })
  run('python3', '-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', ':all:', PACKAGE)
  const name = PACKAGE.replaceAll('-', '_').replace('==', '-')
  run('tar', '-xzf', `${name}.tar.gz`)
  const off = ['LLAMA_CURL', 'LLAMA_OPENSSL', 'LLAMA_BUILD_TESTS', 'LLAMA_BUILD_EXAMPLES', 'BUILD_SHARED_LIBS']
  const flags = ['-DCMAKE_BUILD_TYPE=Release', ...off.map((flag) => `-D${flag}=OFF`)]
  run('cmake', '-S', join(name, 'vendor/llama.cpp'), '-B', 'build', ...flags)
  run('cmake', '--build', 'build', '--parallel', '2', '--target', ...TARGETS)
  return folder
}

/** A model file of the workload's shape with random weights, written when first asked for. */
function model({ config }: Workload, type: 'F32' | 'Q8_0'): string {
  const plain = join(CACHE, 'model-F32.gguf')
  const wanted = join(CACHE, `model-${type}.gguf`)
  mkdirSync(CACHE, { recursive: true })
  if (!existsSync(plain)) writeGguf(plain, metadata(config), tensors(config))
  if (!existsSync(wanted)) {
    execFileSync(join(binaries(), TARGETS[1]!), [plain, wanted, type], { stdio: 'pipe' })
  }
  return wanted
}

const metadata = (config: Record<string, unknown>) => ({
  'general.architecture': 'llama',
  'tokenizer.ggml.model': 'no_vocab',
  'llama.vocab_size': config.vocab_size as number,
  'llama.context_length': config.max_position_embeddings as number,
  'llama.embedding_length': config.hidden_size as number,
  'llama.feed_forward_length': config.intermediate_size as number,
  'llama.block_count': config.num_hidden_layers as number,
  'llama.attention.head_count': config.num_attention_heads as number,
  'llama.attention.head_count_kv': config.num_key_value_heads as number,
  'llama.attention.layer_norm_rms_epsilon': config.rms_norm_eps as number,
})

const GGUF_NAMES: [string, string][] = [
  ['model.embed_tokens', 'token_embd'],
  ['model.norm', 'output_norm'],
  ['model.layers.', 'blk.'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['input_layernorm', 'attn_norm'],
]

function tensors(config: Record<string, unknown>): Record<string, GgufTensor> {
  const named = (name: string) => GGUF_NAMES.reduce((text, [ours, theirs]) => text.replace(ours, theirs), name)
  return Object.fromEntries(
    [...randomWeights(modelFromConfig(config))].map(([name, { shape, data }]) => [named(name), f32Tensor(shape, data)]),
  )
}

function peakMegabytes(pid: number): number | undefined {
  try {
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return peak ? Number(peak[1]) / 1000 : undefined
  } catch {
    return undefined
  }
}
