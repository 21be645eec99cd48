import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { GavelError } from '../../core/errors.ts'

/** What the engine computes on. */
export type Device = 'cpu' | 'cuda'
/** What can be wished for: `auto` takes CUDA where it works. */
export const DEVICE_WISHES = ['auto', 'cpu', 'cuda'] as const
export type DeviceWish = (typeof DEVICE_WISHES)[number]

const PROBE = new URL(`./probe-cuda${import.meta.url.slice(-3)}`, import.meta.url)
/** Loading CUDA's libraries for the first time reads gigabytes. */
const PROBE_MS = 120_000

/** Throws `invalid_request` for what cannot be wished; nothing at all is `auto`. */
export function deviceWish(text: string | undefined): DeviceWish {
  const wish = DEVICE_WISHES.find((known) => known === (text || 'auto'))
  if (wish) return wish
  throw new GavelError('invalid_request', `GAVEL_DEVICE is ${JSON.stringify(text)}; give ${DEVICE_WISHES.join(', ')}`)
}

/**
 * The device to compute on. `note`: a line for people where `auto` found no CUDA.
 * Throws `unavailable_here` where CUDA is asked for and cannot be had.
 */
export async function chooseDevice(
  wish: DeviceWish,
  obstacle: () => Promise<string | null> = cudaObstacle,
): Promise<{ device: Device; note: string | null }> {
  if (wish === 'cpu') return { device: 'cpu', note: null }
  const why = await obstacle()
  if (why === null) return { device: 'cuda', note: null }
  if (wish === 'cuda') throw new GavelError('unavailable_here', `GAVEL_DEVICE is cuda, but ${why}`)
  return { device: 'cpu', note: `computing on the CPU: ${why}; with GAVEL_DEVICE=cpu this is not said` }
}

/**
 * Why CUDA does not work on this machine, or null where it does. Tried in a process of its own: it may crash, and holds
 * on to memory of the GPU.
 */
async function cudaObstacle(): Promise<string | null> {
  if (!existsSync(cudaLibrary()))
    return 'onnxruntime-node has no CUDA libraries here (docs/deploy.md, "On a GPU", installs them)'
  const probe = fork(PROBE, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], timeout: PROBE_MS })
  let answer: string | null = 'the process that tried it ended without an answer'
  probe.on('message', (message: string | null) => (answer = message))
  await once(probe, 'close')
  return answer === null ? null : `CUDA does not work here (${answer})`
}

/** Where onnxruntime-node's own script puts its CUDA provider. */
function cudaLibrary(): string {
  const root = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node')), '..')
  return join(root, 'bin/napi-v6', process.platform, process.arch, 'libonnxruntime_providers_cuda.so')
}
