import { isIP } from "../../primitives/ip-address.ts"
import type { GatewayAddress } from "../resources.ts"
import type { Channel } from "./channel.ts"
import { addressType, isHostname, isSubdomain, refuseDuplicates } from "./fields.ts"
import { quote, type Report } from "./report.ts"
import { defaulted, list, optional, record, required, type Shape, text } from "./shape.ts"

/**
 * An address of a Gateway; a status must give the value, which a spec may leave to the controller. The experimental
 * channel lets an address say from where it should be reached, since v1.7.
 */
export function address(valueRequired: boolean, channel: Channel): Shape {
  const value = text({ min: valueRequired ? 1 : 0, max: 253 })
  return record<GatewayAddress>(
    {
      type: defaulted(addressType, "IPAddress"),
      value: valueRequired ? required(value) : optional(value),
      ...(channel === "experimental" && { routability: optional(routability) }),
    },
    { rule: checkValue },
  )
}

const routability = text({ max: 253, rule: checkRoutability })

function checkRoutability(value: string, report: Report): void {
  if (value === "" || value === "Cluster") return
  const domain = value.split("/", 1)[0] ?? ""
  const isReserved = domain === "k8s.io" || domain.endsWith(".k8s.io")
  if (/^.*\/.+$/.test(value) && isSubdomain(domain) && !isReserved) return
  report.breach("InvalidValue", "must be empty, Cluster, or a domain that is not k8s.io's, a slash and a path")
}

/** `Gateway.spec.addresses`. */
export const addresses = (channel: Channel): Shape =>
  list<GatewayAddress>(address(false, channel), {
    max: 16,
    rule(items, report) {
      refuseDuplicates(items, uniqueKey, report, (item) => `${item.type ?? "IPAddress"} values must be unique`, "value")
    },
  })

function checkValue({ type, value }: GatewayAddress, report: Report): void {
  if (value === undefined || value === null) return
  if ((type ?? "IPAddress") === "IPAddress") {
    if (!isIP(value)) report.breach("InvalidValue", `must be an IP address, not ${quote(value)}`, "value")
  } else if (type === "Hostname" && !isHostname(value)) {
    report.breach("InvalidValue", `must be a hostname in lower case, not ${quote(value)}`, "value")
  }
}

/** Values of other types may repeat: what they mean is their controller's affair. */
function uniqueKey({ type, value }: GatewayAddress): string | undefined {
  if (value === undefined || value === null) return undefined
  const kind = type ?? "IPAddress"
  return kind === "IPAddress" || kind === "Hostname" ? `${kind} ${value}` : undefined
}
