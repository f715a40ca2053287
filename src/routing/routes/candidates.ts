import { comparePrecedence } from "../admit/admission.ts"
import { hostnameSpecificity } from "../hostnames/hostname.ts"
import { HostnameMap } from "../hostnames/hostname-map.ts"
import type { ListenerState } from "../listeners/topology.ts"
import type { RouteMatch, TableListener, TableRoute } from "../route-table.ts"
import type { AttachedHostname, ListenerAttachment } from "./attachment.ts"
import type { RouteState } from "./route-state.ts"

/**
 * A route that asks for a hostname on a listener. It is itself the match that lookups return, and in large
 * tables the only object a lookup touches, so it carries the rest where nobody sees it.
 */
export class Candidate implements RouteMatch {
  readonly matched = true
  readonly listener: TableListener
  readonly route: TableRoute
  readonly hostname: string
  readonly #state: RouteState
  readonly #routeHostname: string
  readonly #rivals: readonly Candidate[]

  constructor(
    listener: TableListener,
    state: RouteState,
    { hostname, routeHostname }: AttachedHostname,
    rivals: readonly Candidate[] = NO_RIVALS,
  ) {
    this.listener = listener
    this.route = state.table
    this.hostname = hostname
    this.#state = state
    this.#routeHostname = routeHostname
    this.#rivals = rivals
  }

  /** The route that asks. */
  get state(): RouteState {
    return this.#state
  }

  /** The route's own hostname that the listener's was intersected with. */
  get routeHostname(): string {
    return this.#routeHostname
  }

  /** Routes that lost the hostname to this one, best first. */
  get rivals(): readonly Candidate[] {
    return this.#rivals
  }

  /** This candidate as the winner of others. */
  over(rivals: readonly Candidate[]): Candidate {
    return rivals.length === 0 && this.#rivals.length === 0
      ? this
      : new Candidate(
          this.listener,
          this.#state,
          { hostname: this.hostname, routeHostname: this.#routeHostname },
          rivals,
        )
  }
}

const NO_RIVALS: readonly Candidate[] = []

/** Who takes which hostname on one listener. */
export type Contests = HostnameMap<Candidate>

/**
 * Which of two routes takes a hostname that both intersect to: the more specific own hostname, then the
 * older route, then the first by namespace/name. Negative when `a` does.
 */
function compareCandidates(a: Candidate, b: Candidate): number {
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
    for (const attachedHostname of attached.hostnames) {
      const candidate = new Candidate(attached.state.listener, state, attachedHostname)
      const added = this.#added.get(candidate.hostname)
      if (added === undefined) this.#added.set(candidate.hostname, [candidate])
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
    const winner = this.#contests.get(hostname)
    const [only, second] = added
    if (winner === undefined && only !== undefined && second === undefined) {
      this.#contests.set(hostname, only)
      return
    }
    const before = winner === undefined ? [] : [winner, ...winner.rivals]
    const kept = removed === undefined ? before : before.filter((candidate) => !removed.has(candidate.state))
    const [first, ...others] = [...kept, ...added].sort(compareCandidates)
    if (first === undefined) this.#contests.delete(hostname)
    // The old winner may be a rival now: it lets go of the rivals it carried.
    else this.#contests.set(hostname, first.over(others.map((rival) => rival.over(NO_RIVALS))))
  }
}
