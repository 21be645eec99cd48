import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { JobTable } from '../../service/database.ts'
import { activeJobsWith } from './jobs/active-jobs-with.ts'
import { claimJob } from './jobs/claim-job.ts'
import { collectableJobs, collectLater, jobCollected, jobOfCheckpoints } from './jobs/collectable-jobs.ts'
import { countJobsByState } from './jobs/count-jobs-by-state.ts'
import { expiredJobs } from './jobs/expired-jobs.ts'
import { findJob, getJob } from './jobs/find-job.ts'
import { forgetPosts } from './jobs/forget-posts.ts'
import { heartbeatJob } from './jobs/heartbeat-job.ts'
import { insertJob } from './jobs/insert-job.ts'
import { lastSteps } from './jobs/last-steps.ts'
import { listEvents } from './jobs/list-events.ts'
import { listJobs } from './jobs/list-jobs.ts'
import { listMetrics } from './jobs/list-metrics.ts'
import { listSamples } from './jobs/list-samples.ts'
import { metricHistory } from './jobs/metric-history.ts'
import { postEvents } from './jobs/post-events.ts'
import { postMetrics } from './jobs/post-metrics.ts'
import { postSamples } from './jobs/post-samples.ts'
import { removeJob } from './jobs/remove-job.ts'
import { supersedeSteps } from './jobs/supersede-steps.ts'
import { swapJob } from './jobs/swap-job.ts'

/** Jobs and what their workers post. Each statement is a file of jobs/, which says why it is as it is. */
export function jobTable(db: DrizzleD1Database): JobTable {
  return {
    insert: (row, idempotency) => insertJob(db, row, idempotency),
    find: (tenant, id) => findJob(db, tenant, id),
    get: (id) => getJob(db, id),
    list: (tenant, page) => listJobs(db, tenant, page),
    activeWith: (tenant, resourceId) => activeJobsWith(db, tenant, resourceId),
    countByState: () => countJobsByState(db),

    claim: (claim) => claimJob(db, claim),
    heartbeat: (lease, leaseExpiresAt) => heartbeatJob(db, lease, leaseExpiresAt),
    swap: (before, patch, now) => swapJob(db, before, patch, now),
    expired: (now, maxTries) => expiredJobs(db, now, maxTries),
    remove: (before, now) => removeJob(db, before, now),

    ofCheckpoints: (id) => jobOfCheckpoints(db, id),
    collectLater: (job, at) => collectLater(db, job, at),
    collectable: (now, limit) => collectableJobs(db, now, limit),
    collected: (job, now, next) => jobCollected(db, job, now, next),
    forgetPosts: (job) => forgetPosts(db, job),

    postMetrics: (lease, points) => postMetrics(db, lease, points),
    postSamples: (lease, samples) => postSamples(db, lease, samples),
    postEvents: (lease, events, now) => postEvents(db, lease, events, now),
    supersede: (lease, afterStep) => supersedeSteps(db, lease, afterStep),

    metrics: (job, page) => listMetrics(db, job, page),
    metricHistory: (job, name) => metricHistory(db, job, name),
    lastStep: (jobs) => lastSteps(db, jobs),
    samples: (job, page) => listSamples(db, job, page),
    events: (job, page) => listEvents(db, job, page),
  }
}
