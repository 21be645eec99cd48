import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkWeights } from '../models/load-folder.ts'
import type { Model } from '../models/model.ts'
import { ADAPTER_CONFIG } from '../models/source.ts'
import type { Weights } from '../models/weights.ts'
import { lastPart } from '../training/lora.ts'
import { readSafetensors, writeSafetensors } from '../weights/safetensors.ts'

/** PEFT's name for an adapter's weights. */
const ADAPTER_WEIGHTS = 'adapter_model.safetensors'
/** What PEFT puts before the names of a model's parameters. */
const PREFIX = 'base_model.model.'

/**
 * Writes the adapter as PyPI's `peft` loads it: `PeftModel.from_pretrained(base, folder)`.
 * @param base hub id or path of the model it belongs on; null where nobody else could open it
 */
export function writeAdapter(folder: string, { adapter }: Model, weights: Weights, base: string | null): void {
  const { rank, alpha, targets, parameters } = adapter!
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: base,
    inference_mode: true,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: [...new Set([...targets.keys()].map(lastPart))],
    fan_in_fan_out: [...targets.values()].includes('in-out'),
    bias: 'none',
  }
  writeFileSync(join(folder, ADAPTER_CONFIG), `${JSON.stringify(config, null, 2)}\n`)
  const named = [...parameters.keys()].map((name) => [PREFIX + name, weights.get(name)!] as const)
  writeSafetensors(join(folder, ADAPTER_WEIGHTS), new Map(named))
}

/** Reads back what {@link writeAdapter} wrote. Throws `corrupt_model` where a tensor is missing or misshapen. */
export function readAdapter(folder: string, { adapter }: Model): Weights {
  const path = join(folder, ADAPTER_WEIGHTS)
  const stored = [...readSafetensors(path)].map(([name, tensor]) => [name.replace(PREFIX, ''), tensor] as const)
  return checkWeights(adapter!, new Map(stored), path)
}
