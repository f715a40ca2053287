import type { NameResolver } from "../proxy/backend/name-resolver.ts"
import { type ActiveCheck, ActiveChecks, type ActiveChecksOptions } from "../proxy/health/active-checks.ts"
import type { HealthCheck } from "../proxy/policy.ts"
import type { StarttlsPolicy } from "../proxy/starttls/policy.ts"
import type { DialEndpoint } from "../proxy/target.ts"
import type { BackendTarget, ListenerBinding, RouteTable, TableRoute } from "../routing/route-table.ts"
import type { EndpointVerdict } from "./data-plane.ts"
import type { Policies } from "./policies/policies.ts"

/** How often names are looked up again for their checks, in milliseconds. The resolver keeps answers for their TTL. */
const RESOLVE_EVERY = 5_000

/** A change of an endpoint's health, as active checks see it. */
export interface EndpointHealthChange extends EndpointVerdict {
  /** Why it is unhealthy: a system or TLS error code, `timeout` or `closed`. */
  readonly reason: string | undefined
}

interface TargetCheck {
  readonly target: string
  readonly check: HealthCheck
  /** SNI of TLS probes. */
  readonly serverName: string | undefined
  readonly where: readonly DialEndpoint[] | (BackendTarget & { readonly kind: "name" })
}

interface EndpointCheck extends ActiveCheck {
  readonly target: string
  readonly check: string
}

/**
 * Probes the endpoints of a table whose policy asks for it. Every gateway has one, however many workers carry
 * its connections, so that endpoints are probed once.
 */
export class HealthChecks {
  readonly #names: NameResolver
  readonly #active: ActiveChecks<EndpointCheck>
  #checks: readonly TargetCheck[] = []
  #timer: NodeJS.Timeout | undefined
  #round = 0

  /**
   * @param names - finds the endpoints of targets given by name
   * @param onChange - is told when an endpoint becomes unhealthy, or healthy again
   * @param probe - tries an endpoint
   */
  constructor(
    names: NameResolver,
    onChange: (change: EndpointHealthChange) => void,
    probe?: ActiveChecksOptions["probe"],
  ) {
    this.#names = names
    this.#active = new ActiveChecks({
      onChange: ({ target, address, port, check }, healthy, reason) =>
        onChange({ target, endpoint: { address, port }, check, healthy, reason }),
      ...(probe === undefined ? undefined : { probe }),
    })
  }

  /** Endpoints that are probed. */
  get size(): number {
    return this.#active.size
  }

  /** Takes a new table. What was found about endpoints that are still in it goes on counting. */
  update(table: RouteTable, policies: Policies): void {
    this.#checks = policies.hasHealthChecks ? checksOf(table, policies) : []
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#checks.some(({ where }) => "host" in where)) {
      this.#timer = setInterval(() => void this.#apply(), RESOLVE_EVERY).unref()
    }
    void this.#apply()
  }

  /** Stops probing. */
  stop(): void {
    clearInterval(this.#timer)
    this.#checks = []
    this.#round += 1
    this.#active.stop()
  }

  async #apply(): Promise<void> {
    this.#round += 1
    const round = this.#round
    const known = this.#checks.map((check) => this.#endpoints(check))
    // Without names there is nothing to wait for, and a table is checked from the turn in which it is applied.
    const found = known.some((each) => each instanceof Promise) ? await Promise.all(known) : known
    if (round !== this.#round) return
    this.#active.update(
      this.#checks.flatMap((check, index) => {
        const endpoints = found[index]
        return endpoints instanceof Promise ? [] : (endpoints ?? []).map((endpoint) => activeCheck(check, endpoint))
      }),
    )
  }

  #endpoints({ where }: TargetCheck): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> {
    if (!("host" in where)) return where
    try {
      const endpoints = this.#names.resolve(where.host, where.port, where.anyAddress)
      return endpoints instanceof Promise ? endpoints.then(sound, () => []) : sound(endpoints)
    } catch {
      // A name that does not resolve is refused when a connection asks for it; there is nothing to probe.
      return []
    }
  }
}

/** What a resolver of somebody else answered, as far as it can be probed. */
function sound(endpoints: unknown): readonly DialEndpoint[] {
  if (!Array.isArray(endpoints)) return []
  return endpoints.filter(
    (endpoint) => typeof Object(endpoint).address === "string" && Number.isInteger(Object(endpoint).port),
  )
}

function activeCheck({ target, check, serverName }: TargetCheck, { address, port }: DialEndpoint): EndpointCheck {
  const { id, kind, proxyHeader, starttls, interval, timeout, rise, fall } = check
  const key = `${target} ${address} ${port} ${id}`
  const how = { kind, serverName, proxyHeader, starttls, interval, timeout, rise, fall }
  return { key, target, check: id, address, port, ...how }
}

function checksOf(table: RouteTable, policies: Policies): readonly TargetCheck[] {
  const checks = new Map<string, TargetCheck>()
  const ways = new WaysIn(table, policies)
  for (const route of table.routes) {
    for (const starttls of ways.to(route)) {
      for (const { ref, target } of route.backends) {
        if (target.kind === "invalid") continue
        const check = policies.healthCheck(route.ref, ref, starttls)
        if (check === undefined) continue
        const serverName = check.kind === "tls" ? (check.serverName ?? nameToProbe(table, route)) : undefined
        const where = target.kind === "name" ? target : target.endpoints
        checks.set(`${target.id} ${check.id}`, { target: target.id, check, serverName, where })
      }
    }
  }
  return [...checks.values()]
}

/** How connections begin that come to a route: probes are to begin likewise. */
class WaysIn {
  readonly #table: RouteTable
  readonly #sockets: readonly { readonly binding: ListenerBinding; readonly starttls: StarttlsPolicy | undefined }[]

  constructor(table: RouteTable, policies: Policies) {
    this.#table = table
    this.#sockets = table.listeners.map((binding) => ({
      binding,
      starttls: policies.binding(binding.key)?.listener.starttls,
    }))
  }

  /** Each way once; where none leads to the route, connections that begin with TLS are as good as any. */
  to({ ref }: TableRoute): readonly (StarttlsPolicy | undefined)[] {
    if (this.#sockets.every(({ starttls }) => starttls === undefined)) return [undefined]
    const names = this.#table.hostnamesOf(ref).map((hostname) => (hostname === "*" ? undefined : sample(hostname)))
    const leads = ({ port, address }: ListenerBinding): boolean =>
      names.some((serverName) => {
        const match = this.#table.match({ port, address, serverName })
        return match.matched && match.route.ref === ref
      })
    const ways = new Set(this.#sockets.filter(({ binding }) => leads(binding)).map(({ starttls }) => starttls))
    return ways.size === 0 ? [undefined] : [...ways]
  }
}

/** A name that a hostname matches. */
function sample(hostname: string): string {
  return hostname.startsWith("*.") ? `health-check${hostname.slice(1)}` : hostname
}

/** A name that the route's backends must have a certificate for; none where the route takes any. */
function nameToProbe(table: RouteTable, { ref }: TableRoute): string | undefined {
  const hostnames = table.hostnamesOf(ref)
  const exact = hostnames.find((hostname) => !hostname.startsWith("*"))
  const wildcard = hostnames.find((hostname) => hostname.startsWith("*."))
  return exact ?? (wildcard === undefined ? undefined : sample(wildcard))
}
