import type { Command } from 'commander'
import { apiCommand, connect, type ApiOptions } from './api-command.ts'
import { follow } from './follow.ts'
import type { Io } from './io.ts'
import { addJobFlags, createFromFlags } from './job-flags.ts'
import { print } from './output.ts'

type TrainOptions = ApiOptions & { follow?: boolean }

/** `gavel train`: starts a training job. */
export function registerTrain(program: Command, io: Io): void {
  const train = program.command('train').description('start a training job')
  const types = {
    sft: 'supervised fine-tuning on the completions of a dataset',
    grpo: 'reinforcement by group-relative advantages (GRPO, Dr. GRPO, DAPO, GSPO, CISPO, RLOO, REINFORCE++)',
    ppo: 'reinforcement by PPO with a value head',
  } as const
  for (const [type, description] of Object.entries(types) as [keyof typeof types, string][]) {
    addJobFlags(apiCommand(train, type, description), type)
      .option('--follow', 'show its progress until it has ended; Ctrl-C lets go of it')
      .action(async (options: TrainOptions) => {
        const api = connect(io, options)
        const job = await createFromFlags(api, type, { ...options })
        if (!options.follow) {
          print(
            io,
            options,
            job,
            ({ id, state }) => `${id} is ${state}. \`gavel jobs follow ${id}\` shows its progress.`,
          )
          return
        }
        const ended = await follow(io, api, job, options, (line) => io.out(`${line}\n`))
        const best = 'early_stop' in ended.spec.config ? ', with --best that of the smallest validation_loss' : ''
        print(
          io,
          options,
          { job: ended },
          () => `\`gavel jobs download ${job.id} --out DIR\` fetches the model${best}.`,
        )
      })
  }
}
