import {
  anything,
  type Checks,
  callable,
  flag,
  having,
  holding,
  milliseconds,
  oneOf,
  options,
  positive,
  text,
  wholeNumber,
} from "../primitives/option-checks.ts"
import { scopePolicy } from "./check-policy.ts"
import { refuseArgument, refuseUsage } from "./errors.ts"
import type { ProxyLimits } from "./limits/gate.ts"
import type { CloseOptions, Deadlines, ListenOptions, SpliceProxyOptions } from "./options.ts"
import type { Router } from "./router.ts"
import type { DialEndpoint } from "./target.ts"

const PROXY: Checks<SpliceProxyOptions> = {
  router: having("route"),
  deadlines: options<Deadlines>({
    hello: milliseconds,
    dial: milliseconds,
    idle: milliseconds,
    halfClosed: milliseconds,
    max: milliseconds,
  }),
  refusal: oneOf("close", "reset", "alert"),
  maxHelloBytes: positive("bytes"),
  dialAttempts: wholeNumber(1),
  balance: oneOf("least-connections", "round-robin", "client-hash"),
  limits: options<ProxyLimits>({
    scope: scopePolicy,
    maxHelloMemory: wholeNumber(1),
    descriptorReserve: wholeNumber(0),
  }),
  describeHello: flag,
  names: having("resolve"),
  sharing: anything,
  family: anything,
}

const LISTEN: Checks<ListenOptions> = {
  key: text,
  host: text,
  port: holding("a port, from 0 to 65535", (value) => typeof value === "number"),
  // Looked at with each one that is put in force.
  policy: anything,
  backlog: wholeNumber(1),
  reusePort: flag,
}

const TARGET = holding("the id of a target", (value) => typeof value === "string")
const ENDPOINT = holding("an endpoint of it: { address, port }", (value) => {
  const { address, port } = Object(value) as Partial<DialEndpoint>
  return typeof address === "string" && typeof port === "number"
})
const CHECK = holding("the id of a check", (value) => typeof value === "string")

/** What {@link CloseOptions} may be. */
export const CLOSE: Checks<CloseOptions> = { drainTimeout: milliseconds, spread: milliseconds }

/** Refuses options of a proxy that cannot be what was meant. */
export function checkProxyOptions(given: unknown): asserts given is SpliceProxyOptions {
  refuseUsage("SpliceProxy", given, PROXY, { router: "{ route: () => decision }" })
}

/** Refuses a port that cannot be bound as it was meant. */
export function checkListenOptions(given: unknown): asserts given is ListenOptions {
  refuseUsage("listen", given, LISTEN, { key: '"https"', port: "443" })
}

/** Refuses another router that is none. */
export function checkRouter(given: unknown): asserts given is Router {
  refuseArgument("setRouter", given, PROXY.router)
}

/** Refuses what a check cannot have come to. */
export function checkEndpointHealth(target: unknown, endpoint: unknown, check: unknown, isHealthy: unknown): void {
  refuseArgument("setEndpointHealth", target, TARGET)
  refuseArgument("setEndpointHealth", endpoint, ENDPOINT)
  refuseArgument("setEndpointHealth", check, CHECK)
  refuseArgument("setEndpointHealth", isHealthy, flag)
}

/** Refuses what cannot tell of a removal. */
export function checkRemoval(given: unknown): void {
  refuseArgument("drainRemoved", given, callable)
}

/** Refuses what is no way to close, before anything is closed. */
export function checkCloseOptions(given: unknown): asserts given is CloseOptions {
  refuseUsage("close", given, CLOSE)
}
