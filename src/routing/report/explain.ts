import type { NamespaceLabels } from "../admit/namespace-rule.ts"
import { ANY_HOSTNAME, hostnameMatches, hostnameSpecificity, intersectHostnames } from "../hostnames/hostname.ts"
import { matchRoute, type SocketListeners } from "../listeners/sockets.ts"
import type { ListenerState } from "../listeners/topology.ts"
import type {
  ExplainedListener,
  ExplainedRoute,
  Explanation,
  NoMatch,
  RouteMatch,
  RouteQuery,
  TableListener,
} from "../route-table.ts"
import { whyRefused } from "../routes/attachment.ts"
import type { Candidate } from "../routes/candidates.ts"
import type { RouteState } from "../routes/route-state.ts"
import type { Snapshot } from "../snapshot.ts"

/** Tells every step of a lookup. Looks at all routes: not for the hot path. */
export function explainQuery(snapshot: Snapshot, given: RouteQuery): Explanation {
  // People write names as they please, and what a client sends is read in lower case as well.
  const query = given.serverName === undefined ? given : { ...given, serverName: given.serverName.toLowerCase() }
  const result = matchRoute(snapshot.listening.sockets, snapshot.contests, query)
  const chosen = result.listener
  return {
    query,
    result,
    listeners: explainListeners(snapshot.listening.sockets.at(query.port, query.address), chosen, query.serverName),
    routes: chosen === undefined ? [] : explainRoutes(snapshot, chosen, result, query.serverName),
  }
}

function explainListeners(
  socket: SocketListeners | undefined,
  chosen: TableListener | undefined,
  serverName: string | undefined,
): readonly ExplainedListener[] {
  if (socket === undefined) return []
  const listeners = [...socket.entries()]
    .map(([, node]) => node)
    .sort((a, b) => {
      const difference =
        hostnameSpecificity(b.listener.hostname ?? ANY_HOSTNAME) -
        hostnameSpecificity(a.listener.hostname ?? ANY_HOSTNAME)
      return Number.isNaN(difference) || difference === 0 ? a.index - b.index : difference
    })
  return listeners.map(({ listener }) => explainListener(listener, chosen, serverName))
}

function explainListener(
  listener: TableListener,
  chosen: TableListener | undefined,
  serverName: string | undefined,
): ExplainedListener {
  const hostname = listener.hostname ?? ANY_HOSTNAME
  if (listener === chosen) {
    const reason = `${described(hostname)} is the most specific that matches ${named(serverName)}; no other listener is asked`
    return { listener, outcome: "chosen", reason }
  }
  if (!takes(hostname, serverName)) {
    return { listener, outcome: "no-match", reason: `${described(hostname)} does not match ${named(serverName)}` }
  }
  const winner = chosen === undefined ? "another" : described(chosen.hostname ?? ANY_HOSTNAME)
  return { listener, outcome: "lost", reason: `${described(hostname)} matches, but ${winner} is more specific` }
}

function explainRoutes(
  snapshot: Snapshot,
  listener: TableListener,
  result: RouteMatch | NoMatch,
  serverName: string | undefined,
): readonly ExplainedRoute[] {
  const place = snapshot.listening.served.findIndex((state) => state.listener === listener)
  const state = snapshot.listening.served[place]
  if (state === undefined) return []
  const contest = snapshot.contests[place]?.lookup(serverName)
  const explained: ExplainedRoute[] = []
  for (const route of snapshot.routes.flat()) {
    const attached = route.attachment.listeners.find((entry) => entry.state === state)
    if (attached === undefined) explained.push(...explainUnattached(route, state, snapshot.listening.labels))
    else explained.push(...explainAttached(route, state, contest, result, serverName))
  }
  return explained.sort((a, b) => RANK[a.outcome] - RANK[b.outcome])
}

const RANK = { won: 0, lost: 1, "no-match": 2, "not-attached": 3 } as const

function explainAttached(
  route: RouteState,
  state: ListenerState,
  contest: Candidate | undefined,
  result: RouteMatch | NoMatch,
  serverName: string | undefined,
): readonly ExplainedRoute[] {
  const listenerHostname = state.listener.hostname ?? ANY_HOSTNAME
  return route.route.hostnames.map((routeHostname) => {
    const hostname = intersectHostnames(listenerHostname, routeHostname)
    const entry = { route: route.route.ref, routeHostname, hostname }
    if (hostname === undefined) {
      const reason = `${routeHostname} has no name in common with the listener's ${listenerHostname}`
      return { ...entry, outcome: "no-match", reason }
    }
    if (!takes(hostname, serverName)) {
      return { ...entry, outcome: "no-match", reason: `${hostname} does not match ${named(serverName)}` }
    }
    if (!result.matched || contest === undefined) return { ...entry, outcome: "no-match", reason: "nothing matches" }
    if (contest.state === route && contest.routeHostname === routeHostname && contest.hostname === hostname) {
      return { ...entry, outcome: "won", reason: whyWon(contest) }
    }
    return { ...entry, outcome: "lost", reason: whyLost(route, routeHostname, hostname, contest) }
  })
}

function whyWon(contest: Candidate): string {
  const { hostname } = contest
  const [rival] = contest.rivals
  if (rival === undefined) return `${hostname} is the most specific that matches`
  const other = rival.state.route.key
  return `${hostname} is the most specific that matches, and ${contest.state.route.key} comes before ${other}`
}

function whyLost(route: RouteState, routeHostname: string, hostname: string, winner: Candidate): string {
  const by = winner.state.route.key
  if (hostname !== winner.hostname) return `${winner.hostname} of ${by} is more specific than ${hostname}`
  if (routeHostname !== winner.routeHostname) {
    return `on equal ${hostname}, ${by} has the more specific own hostname ${winner.routeHostname}`
  }
  if (route.route.created !== winner.state.route.created) return `on equal hostnames, ${by} is older`
  return `on equal hostnames and age, ${by} comes first by name`
}

/** Routes that point at the listener's parent and are not attached to this listener. */
function explainUnattached(
  route: RouteState,
  state: ListenerState,
  labels: NamespaceLabels,
): readonly ExplainedRoute[] {
  const { parent } = state.listener
  const pointing = route.attachment.parents.find(
    ({ ref }) =>
      ref.kind === parent.kind &&
      ref.namespace === parent.namespace &&
      ref.name === parent.name &&
      (ref.sectionName === undefined || ref.sectionName === state.listener.name) &&
      (ref.port === undefined || ref.port === state.listener.port),
  )
  if (pointing === undefined) return []
  const refusal = whyRefused(route.route, state, labels)
  const why = refusal ?? "no hostname of the route intersects its own"
  const reason = pointing.fault?.message ?? `this listener does not take it (${why}); another of ${parent.name} does`
  return [
    {
      route: route.route.ref,
      routeHostname: route.route.hostnames[0] ?? "",
      hostname: undefined,
      outcome: "not-attached",
      reason,
    },
  ]
}

function takes(hostname: string, serverName: string | undefined): boolean {
  return serverName === undefined ? hostname === ANY_HOSTNAME : hostnameMatches(hostname, serverName)
}

function described(hostname: string): string {
  return hostname === ANY_HOSTNAME ? "any hostname" : `hostname ${hostname}`
}

function named(serverName: string | undefined): string {
  return serverName === undefined ? "a connection without SNI" : serverName
}
