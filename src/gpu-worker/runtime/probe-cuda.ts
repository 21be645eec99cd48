/** The process in which device.ts tries CUDA: answers null where a graph ran on it, else what went wrong, in a line. */
import { tryOn } from './session.ts'

const answer = await tryOn('cuda').then(
  () => null,
  (error: Error) => error.message.split('\n')[0],
)
process.send!(answer, () => process.exit(0))
