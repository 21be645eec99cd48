import { awsLambdaRoutes } from './aws-lambda.ts'
import { llamaFactoryRoutes } from './llama-factory.ts'
import { nemoGymRoutes } from './nemo-gym.ts'
import { openAiDecisionRoutes } from './openai-decisions.ts'
import { openAiGraderRoutes } from './openai-graders.ts'
import { openRlhfRoutes } from './openrlhf.ts'
import { sglangRoutes } from './sglang.ts'
import { slimeRoutes } from './slime.ts'
import { systemOneRoutes } from './systemone.ts'
import { teiRoutes } from './tei.ts'
import { trlRoutes } from './trl.ts'
import { vllmRoutes } from './vllm.ts'

/** Every dialect: trainers first, then decisions and graders, then servers of classifiers. */
export const compatRoutes = [
  ...trlRoutes,
  ...openRlhfRoutes,
  ...slimeRoutes,
  ...nemoGymRoutes,
  ...llamaFactoryRoutes,
  ...awsLambdaRoutes,
  ...openAiDecisionRoutes,
  ...openAiGraderRoutes,
  ...systemOneRoutes,
  ...vllmRoutes,
  ...sglangRoutes,
  ...teiRoutes,
]
