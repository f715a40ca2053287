import {
  anything,
  type Checks,
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
import { refuseUsage } from "./errors.ts"
import type { ProxyLimits } from "./limits/gate.ts"
import type { CloseOptions, Deadlines, ListenOptions, SpliceProxyOptions } from "./options.ts"

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

/** Refuses what is no way to close, before anything is closed. */
export function checkCloseOptions(given: unknown): asserts given is CloseOptions {
  refuseUsage("close", given, CLOSE)
}
