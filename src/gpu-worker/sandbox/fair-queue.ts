/** What waits: for which tenant, and in which of its requests. */
export interface Queued {
  tenant: string
  request: object
}

/**
 * Who is next: of the tenants, the one with the fewest under way, and of these the one that has waited longest since it
 * was served; of its requests the one likewise; of a request's, the first.
 */
export class FairQueue<Item extends Queued> {
  /** By tenant and request, those served last at the end. */
  private readonly tenants = new Map<string, Map<object, Item[]>>()

  add(item: Item): void {
    const requests = this.tenants.get(item.tenant) ?? new Map<object, Item[]>()
    this.tenants.set(item.tenant, requests)
    const items = requests.get(item.request) ?? []
    requests.set(item.request, items)
    items.push(item)
  }

  /**
   * Takes the next one out.
   * @param underWay how many of each tenant
   * @param share how many of a tenant may be
   */
  take(underWay: ReadonlyMap<string, number>, share: number): Item | undefined {
    const runs = (tenant: string) => underWay.get(tenant) ?? 0
    const free = [...this.tenants.keys()].filter((tenant) => runs(tenant) < share)
    const [tenant] = free.toSorted((a, b) => runs(a) - runs(b))
    if (tenant === undefined) return undefined
    const requests = this.tenants.get(tenant)!
    const [request, items] = requests.entries().next().value!
    const item = items.shift()!
    requests.delete(request)
    if (items.length > 0) requests.set(request, items)
    this.tenants.delete(tenant)
    if (requests.size > 0) this.tenants.set(tenant, requests)
    return item
  }

  /** How many could be under way beside those that are. */
  ready(underWay: ReadonlyMap<string, number>, share: number): number {
    const counts = [...this.tenants.keys()].map((tenant) =>
      Math.min(this.waiting(tenant), share - (underWay.get(tenant) ?? 0)),
    )
    return counts.reduce((sum, count) => sum + Math.max(0, count), 0)
  }

  /** How many wait of a tenant, or of one of its requests. */
  waiting(tenant: string, request?: object): number {
    const requests = this.tenants.get(tenant)
    if (!requests) return 0
    if (request) return requests.get(request)?.length ?? 0
    return [...requests.values()].reduce((sum, { length }) => sum + length, 0)
  }

  /** Takes one out, if it is there. */
  remove(item: Item): void {
    const requests = this.tenants.get(item.tenant)
    const items = requests?.get(item.request)
    const at = items?.indexOf(item) ?? -1
    if (!requests || !items || at < 0) return
    items.splice(at, 1)
    if (items.length === 0) requests.delete(item.request)
    if (requests.size === 0) this.tenants.delete(item.tenant)
  }

  /** Takes all out. */
  clear(): Item[] {
    const all = [...this.tenants.values()].flatMap((requests) => [...requests.values()].flat())
    this.tenants.clear()
    return all
  }
}
