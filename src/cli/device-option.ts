import { Option } from 'commander'
import { DEVICE_WISHES, type DeviceWish } from '../gpu-worker/runtime/device.ts'

/** What a command that computes in its own processes takes for `--device`, or from GAVEL_DEVICE. */
export const deviceOption = (): Option =>
  new Option('--device <device>', 'what to compute on: auto takes CUDA where it works')
    .choices(DEVICE_WISHES)
    .env('GAVEL_DEVICE')
    .default('auto' satisfies DeviceWish)
