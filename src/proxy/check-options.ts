import {
  anything,
  type Checks,
  flag,
  having,
  oneOf,
  optionFault,
  options,
  wholeNumber,
} from "../primitives/option-checks.ts"
import { ProxyError } from "./errors.ts"
import type { ProxyLimits } from "./limits/gate.ts"
import type { Deadlines, SpliceProxyOptions } from "./options.ts"

const CHECKS: Checks<SpliceProxyOptions> = {
  router: having("route"),
  deadlines: options<Deadlines>({
    // Their values are looked at where defaults are filled in.
    hello: anything,
    dial: anything,
    idle: anything,
    halfClosed: anything,
    max: anything,
  }),
  refusal: oneOf("close", "reset", "alert"),
  maxHelloBytes: anything,
  dialAttempts: wholeNumber(1),
  balance: oneOf("least-connections", "round-robin", "client-hash"),
  limits: options<ProxyLimits>({ scope: anything, maxHelloMemory: wholeNumber(1), descriptorReserve: wholeNumber(0) }),
  describeHello: flag,
  names: having("resolve"),
  sharing: anything,
  family: anything,
}

/**
 * Refuses options of a proxy that cannot be what was meant.
 *
 * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE`
 */
export function checkProxyOptions(given: unknown): asserts given is SpliceProxyOptions {
  const fault = optionFault(given, CHECKS, { router: "{ route: () => decision }" })
  if (fault !== undefined) throw new ProxyError("ERR_TLSROUTE_PROXY_USAGE", `SpliceProxy: ${fault}`)
}
