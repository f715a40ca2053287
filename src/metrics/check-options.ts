import { GatewayError } from "../gateway/errors.ts"
import { type Check, having, optionFault, wholeNumber } from "../primitives/option-checks.ts"

const source = having("on", "off")

/**
 * Refuses options of what takes metrics that cannot be what was meant.
 *
 * @param what - the function that they are given to
 * @param given - the options
 * @param others - checks of those that it has besides `gateway`, `proxy` and `maxRoutes`
 * @param required - which of these may not be left out, each with an example
 * @throws {@link GatewayError} `ERR_TLSROUTE_OPTION`
 */
export function checkMetricsOptions(
  what: string,
  given: unknown,
  others: Readonly<Record<string, Check>>,
  required: Readonly<Record<string, string>> = {},
): void {
  const checks: Readonly<Record<string, Check>> = {
    gateway: source,
    proxy: source,
    maxRoutes: wholeNumber(1),
    ...others,
  }
  const origin = "proxy" in Object(given) ? {} : { gateway: "gateway" }
  const fault = optionFault<Readonly<Record<string, unknown>>>(given, checks, { ...origin, ...required })
  if (fault !== undefined) throw new GatewayError("ERR_TLSROUTE_OPTION", `${what}: ${fault}`)
}
