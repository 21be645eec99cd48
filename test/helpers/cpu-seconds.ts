/** The processor time that some work takes, in seconds: unlike the clock on the wall, it does not mind a busy machine. */
export function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}
