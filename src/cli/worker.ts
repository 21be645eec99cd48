import { Option, type Command } from 'commander'
import { DEVICE_WISHES } from '../gpu-worker/runtime/device.ts'

/** `gavel worker`: takes jobs from an API and runs them. */
export function registerWorker(program: Command): void {
  program
    .command('worker')
    .description('run training jobs of an API, one at a time')
    .option('--url <url>', 'the API (GAVEL_URL)')
    .option('--api-key <key>', 'a key of scope worker (GAVEL_API_KEY)')
    .option('--name <name>', 'what the worker is called (GAVEL_WORKER_NAME)')
    .option('--threads <n>', 'threads of the engine; all cores by default (GAVEL_THREADS)')
    .addOption(
      new Option('--device <device>', 'what to compute on (GAVEL_DEVICE): auto takes CUDA where it works').choices(
        DEVICE_WISHES,
      ),
    )
    .option('--models <dir...>', 'folders from which jobs may name models by path (GAVEL_MODEL_ROOTS)')
    .option(
      '--trust <tenant...>',
      "tenants whose jobs may use those folders and HF_TOKEN, beside the worker's own (GAVEL_TRUSTED_TENANTS)",
    )
    .option('--workspace <dir>', 'where checkpoints on their way are kept (GAVEL_WORKSPACE)')
    .action(async (options: Record<string, string | string[] | undefined>) => {
      const { delimiter } = await import('node:path')
      const { url, apiKey, name, threads, device, workspace, models, trust } = options
      const given = {
        GAVEL_URL: url,
        GAVEL_API_KEY: apiKey,
        GAVEL_WORKER_NAME: name,
        GAVEL_THREADS: threads,
        GAVEL_DEVICE: device,
        GAVEL_WORKSPACE: workspace,
        GAVEL_MODEL_ROOTS: (models as string[] | undefined)?.join(delimiter),
        GAVEL_TRUSTED_TENANTS: (trust as string[] | undefined)?.join(','),
      }
      for (const [variable, value] of Object.entries(given))
        if (value !== undefined) process.env[variable] = String(value)
      await import('../gpu-worker/main.ts')
    })
}
