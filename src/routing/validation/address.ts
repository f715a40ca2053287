import { isIP } from "../../primitives/ip-address.ts"
import type { GatewayAddress } from "../resources.ts"
import { addressType, isHostname, refuseDuplicates } from "./fields.ts"
import { quote, type Report } from "./report.ts"
import { defaulted, list, optional, record, required, type Shape, text } from "./shape.ts"

/** An address of a Gateway; a status must give the value, which a spec may leave to the controller. */
export function address({ valueRequired }: { readonly valueRequired: boolean }): Shape {
  const value = text({ min: valueRequired ? 1 : 0, max: 253 })
  return record<GatewayAddress>(
    { type: defaulted(addressType, "IPAddress"), value: valueRequired ? required(value) : optional(value) },
    { rule: checkValue },
  )
}

/** `Gateway.spec.addresses`. */
export const addresses: Shape = list<GatewayAddress>(address({ valueRequired: false }), {
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
