/** What a scenario found. */
export interface Report {
  scenario: string
  /** Counts and measurements, by name. */
  figures: Record<string, number>
  /** What was promised and did not hold; empty where all did. */
  violations: string[]
}
