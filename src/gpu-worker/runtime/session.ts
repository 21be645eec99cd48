import * as ort from 'onnxruntime-node'
import { Graph } from '../graph/graph.ts'
import { externalData, outputName, SEQUENCE_OUTPUT, toOnnx } from '../graph/onnx.ts'
import { float32, type RuntimeTensor } from './tensors.ts'

export interface SessionOptions {
  /** Threads for one run; by default as many as the machine has cores. */
  threads?: number | undefined
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

  private constructor(session: ort.InferenceSession, withSequence: boolean) {
    this.session = session
    this.withSequence = withSequence
  }

  static async create(graph: Graph, options: SessionOptions = {}): Promise<Session> {
    return Session.build(graph, options, await copiesAvoidable())
  }

  /** @internal Chooses by hand whether copies are avoided. */
  static async build(graph: Graph, { threads }: SessionOptions, withSequence: boolean): Promise<Session> {
    const session = await ort.InferenceSession.create(toOnnx(graph, { sequence: withSequence }), {
      executionProviders: ['cpu'],
      externalData: externalData(graph),
      // The graph is emitted as it should run; the optimiser costs seconds and undoes the packing of decode.
      graphOptimizationLevel: 'disabled',
      enableMemPattern: false,
      // Errors are thrown; printing them as well would tell them twice.
      logSeverityLevel: 4,
      ...(threads ? { intraOpNumThreads: threads } : {}),
    })
    return new Session(session, withSequence)
  }

  /** Runs the graph; `outputs` names every output and the tensor it is written to. Blocks the event loop. */
  async run(inputs: Record<string, RuntimeTensor>, outputs: Record<string, RuntimeTensor>): Promise<void> {
    const targets = Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [outputName(name), tensor]))
    try {
      await this.session.run(inputs, this.withSequence ? { [SEQUENCE_OUTPUT]: null, ...targets } : targets)
    } catch (error) {
      if (!String(error).includes('Non tensor type is temporarily not supported')) throw error
    }
  }

  async release(): Promise<void> {
    await this.session.release()
  }
}

let avoidable: Promise<boolean> | undefined

/** Whether outputs can be had without the binding's copies: tried on x ← x + 1. */
export function copiesAvoidable(): Promise<boolean> {
  avoidable ??= (async () => {
    const g = new Graph()
    g.output('y', g.add(g.input('x', 'float32', ['n']), g.scalar(1)))
    const x = float32(Float32Array.of(1, 2, 3), [3])
    try {
      const session = await Session.build(g, { threads: 1 }, true)
      await session.run({ x }, { y: x })
      await session.release()
      return String(x.data) === '2,3,4'
    } catch {
      return false
    }
  })()
  return avoidable
}
