import type { BlobStore, Clock, Database, Entropy, JobBell } from './ports.ts'

/** The ports that storing and running things needs: what core's functions with effects take first. */
export interface Services {
  database: Database
  blobs: BlobStore
  clock: Clock
  entropy: Entropy
  bell: JobBell
}
