import { comparePrecedence } from "./admission.ts"
import type { ListenerAttachment } from "./attachment.ts"
import { hostnameSpecificity } from "./hostname.ts"
import { HostnameMap } from "./hostname-map.ts"
import type { ListenerState } from "./listeners.ts"
import type { RouteState } from "./route-state.ts"
import type { RouteMatch } from "./route-table.ts"

/** A route that asks for a hostname on a listener. */
export interface Candidate {
  readonly match: RouteMatch
  readonly state: RouteState
  readonly routeHostname: string
}

/** The winner of a hostname, with the routes that lost it, best first. */
export interface Contest extends Candidate {
  readonly rivals: readonly Candidate[]
}

/** Who takes which hostname on one listener. */
export type Contests = HostnameMap<Contest>

/**
 * Which of two routes takes a hostname that both intersect to: the more specific own hostname, then the
 * older route, then the first by namespace/name. Negative when `a` does.
 */
export function compareCandidates(a: Candidate, b: Candidate): number {
  const ownA = hostnameSpecificity(a.routeHostname)
  const ownB = hostnameSpecificity(b.routeHostname)
  if (ownA !== ownB) return ownA > ownB ? -1 : 1
  return comparePrecedence(a.state.route, b.state.route)
}

/**
 * Applies changes of routes to the contests of every served listener. Listeners that no change touches
 * keep their contests; the others get new ones, so that tables built before stay as they are.
 */
export function updateContests(
  before: readonly Contests[],
  served: readonly ListenerState[],
  changes: readonly { readonly before: RouteState | undefined; readonly after: RouteState | undefined }[],
): readonly Contests[] {
  const places = new Map(served.map((state, place) => [state.listener.id, place]))
  const drafts = new Map<number, Draft>()
  const each = (state: RouteState | undefined, apply: (draft: Draft, attached: ListenerAttachment) => void): void => {
    for (const attached of state?.attachment.listeners ?? []) {
      const place = places.get(attached.state.listener.id)
      if (place === undefined) continue
      let draft = drafts.get(place)
      if (draft === undefined) {
        draft = new Draft(before[place])
        drafts.set(place, draft)
      }
      apply(draft, attached)
    }
  }
  for (const change of changes) {
    each(change.before, (draft, attached) => draft.remove(change.before, attached))
    each(change.after, (draft, attached) => draft.add(change.after, attached))
  }
  return served.map((_, place) => drafts.get(place)?.finish() ?? before[place] ?? new HostnameMap())
}

const NO_RIVALS: readonly Candidate[] = []

/** Contests of one listener while they change. Hostnames are ranked once, when all changes are in. */
class Draft {
  readonly #contests: Contests
  readonly #added = new Map<string, Candidate[]>()
  readonly #removed = new Map<string, Set<RouteState>>()

  constructor(before: Contests | undefined) {
    this.#contests = new HostnameMap(before)
  }

  add(state: RouteState | undefined, attached: ListenerAttachment): void {
    if (state === undefined) return
    for (const { hostname, routeHostname } of attached.hostnames) {
      const match: RouteMatch = { matched: true, listener: attached.state.listener, route: state.table, hostname }
      const candidate = { match, state, routeHostname }
      const added = this.#added.get(hostname)
      if (added === undefined) this.#added.set(hostname, [candidate])
      else added.push(candidate)
    }
  }

  remove(state: RouteState | undefined, attached: ListenerAttachment): void {
    if (state === undefined) return
    for (const { hostname } of attached.hostnames) {
      const removed = this.#removed.get(hostname)
      if (removed === undefined) this.#removed.set(hostname, new Set([state]))
      else removed.add(state)
    }
  }

  finish(): Contests {
    for (const [hostname, removed] of this.#removed) {
      if (!this.#added.has(hostname)) this.#settle(hostname, removed, [])
    }
    for (const [hostname, added] of this.#added) this.#settle(hostname, this.#removed.get(hostname), added)
    return this.#contests
  }

  #settle(hostname: string, removed: ReadonlySet<RouteState> | undefined, added: readonly Candidate[]): void {
    const contest = this.#contests.get(hostname)
    const before: readonly Candidate[] = contest === undefined ? [] : [contest, ...contest.rivals]
    const kept = removed === undefined ? before : before.filter((candidate) => !removed.has(candidate.state))
    const [winner, ...rivals] = [...kept, ...added].sort(compareCandidates)
    if (winner === undefined) this.#contests.delete(hostname)
    else {
      const { match, state, routeHostname } = winner
      // The old winner may be a rival now: drop the rivals it carried.
      const plain = rivals.map((rival) => ({
        match: rival.match,
        state: rival.state,
        routeHostname: rival.routeHostname,
      }))
      this.#contests.set(hostname, { match, state, routeHostname, rivals: plain.length === 0 ? NO_RIVALS : plain })
    }
  }
}
