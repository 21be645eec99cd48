import * as ort from 'onnxruntime-node'
import { Graph } from '../graph/graph.ts'
import { externalData, outputName, SEQUENCE_OUTPUT, toOnnx } from '../graph/onnx.ts'
import { during } from '../progress/progress-mark.ts'
import type { Device } from './device.ts'
import { float32, type RuntimeTensor } from './tensors.ts'

export interface SessionOptions {
  /** Threads for one run; by default as many as the machine has cores. */
  threads?: number | undefined
  /** By default the CPU. */
  device?: Device | undefined
  /**
   * Inputs that stay the same at every run. The CPU reads them where they are; a GPU is given them once, as constants of
   * the graph, instead of at each run.
   */
  fixed?: Record<string, RuntimeTensor> | undefined
}

/**
 * One graph, ready to run. Inputs are read from the caller's arrays and outputs written into the caller's
 * arrays; an output may share its array with an input, which makes it an update in place. Outputs are computed in
 * the order in which their graph was built: what else reads such an input must come before.
 *
 * The binding would copy every output once more into a fresh array. It refuses, though, to convert a
 * sequence, after the run and before any copy: with a sequence as the first output, the run ends in that
 * one error and the copies never happen. Whether this holds is tried once per process ({@link copiesAvoidable});
 * where it does not, runs are slower and nothing else changes.
 */
export class Session {
  private readonly session: ort.InferenceSession
  private readonly withSequence: boolean
  /** Inputs that are constants of the graph instead. */
  private readonly constants: ReadonlySet<string>

  private constructor(session: ort.InferenceSession, withSequence: boolean, constants: ReadonlySet<string>) {
    this.session = session
    this.withSequence = withSequence
    this.constants = constants
  }

  static async create(graph: Graph, options: SessionOptions = {}): Promise<Session> {
    return Session.build(graph, options, await copiesAvoidable(options.device))
  }

  /** @internal Chooses by hand whether copies are avoided. */
  static async build(
    graph: Graph,
    { threads, device = 'cpu', fixed = {} }: SessionOptions,
    withSequence: boolean,
  ): Promise<Session> {
    const constants = device === 'cpu' ? new Set<string>() : fixInputs(graph, fixed)
    const bytes = toOnnx(graph, { sequence: withSequence })
    const settings: ort.InferenceSession.SessionOptions = {
      // What CUDA has no kernel for runs on the CPU.
      executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
      externalData: externalData(graph),
      // The graph is emitted as it should run; the optimiser costs seconds and undoes the packing of decode.
      graphOptimizationLevel: 'disabled',
      enableMemPattern: false,
      // Errors are thrown; printing them as well would tell them twice.
      logSeverityLevel: 4,
      ...(threads ? { intraOpNumThreads: threads } : {}),
    }
    const session = await during('computing', () => ort.InferenceSession.create(bytes, settings))
    return new Session(session, withSequence, constants)
  }

  /** Runs the graph; `outputs` names every output and the tensor it is written to. Blocks the event loop. */
  async run(inputs: Record<string, RuntimeTensor>, outputs: Record<string, RuntimeTensor>): Promise<void> {
    const targets = Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [outputName(name), tensor]))
    const given = this.constants.size ? without(inputs, this.constants) : inputs
    try {
      const wanted = this.withSequence ? { [SEQUENCE_OUTPUT]: null, ...targets } : targets
      await during('computing', () => this.session.run(given, wanted))
    } catch (error) {
      if (!String(error).includes('Non tensor type is temporarily not supported')) throw error
    }
  }

  async release(): Promise<void> {
    await this.session.release()
  }
}

/** Makes constants of those inputs of a graph; answers their names. */
export function fixInputs(graph: Graph, fixed: Record<string, RuntimeTensor>): Set<string> {
  const moved = graph.inputs.filter(({ name }) => name in fixed)
  for (const input of moved) {
    const { buffer, byteOffset, byteLength } = fixed[input.name]!.data as Float32Array
    graph.constants.push({ tensor: input.tensor, data: new Uint8Array(buffer, byteOffset, byteLength) })
    graph.inputs.splice(graph.inputs.indexOf(input), 1)
  }
  return new Set(moved.map(({ name }) => name))
}

const without = <T>(named: Record<string, T>, names: ReadonlySet<string>): Record<string, T> =>
  Object.fromEntries(Object.entries(named).filter(([name]) => !names.has(name)))

const avoidable = new Map<Device, Promise<boolean>>()

/** Whether outputs can be had without the binding's copies: tried once. */
export function copiesAvoidable(device: Device = 'cpu'): Promise<boolean> {
  if (!avoidable.has(device)) {
    avoidable.set(
      device,
      tryOn(device, true).catch(() => false),
    )
  }
  return avoidable.get(device)!
}

/** Computes x ← x + 1; answers whether that came out. Throws what ONNX Runtime does where the device cannot be used. */
export async function tryOn(device: Device, withSequence = false): Promise<boolean> {
  const g = new Graph()
  g.output('y', g.add(g.input('x', 'float32', ['n']), g.scalar(1)))
  const x = float32(Float32Array.of(1, 2, 3), [3])
  const session = await Session.build(g, { threads: 1, device }, withSequence)
  await session.run({ x }, { y: x })
  await session.release()
  return String(x.data) === '2,3,4'
}
