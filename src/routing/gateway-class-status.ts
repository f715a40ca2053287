import type { AdmittedGatewayClass, Fault } from "./admitted-gateway.ts"
import { fails, holds, mergeConditions } from "./conditions.ts"
import { isSupportedBundle } from "./gateway-class.ts"
import { field, objectOf } from "./json.ts"
import type { ResolvedOptions } from "./options.ts"
import type { GatewayClass } from "./resources.ts"
import type { StatusContext } from "./status-context.ts"

const MAX_FEATURES = 64

/** `GatewayClass.status`: Accepted, SupportedVersion where the CRDs' version is known, and the features in order. */
export function gatewayClassStatus(
  ours: AdmittedGatewayClass,
  fault: Fault | undefined,
  options: ResolvedOptions,
  { now }: StatusContext,
): NonNullable<GatewayClass["status"]> {
  const accepted =
    fault === undefined
      ? holds("Accepted", "Accepted", "Gateways of this class are served")
      : fails("Accepted", fault.reason, fault.message)
  const status = field(ours.object, "status")
  return {
    ...objectOf(status),
    conditions: mergeConditions(
      field(status, "conditions"),
      [accepted, ...supportedVersion(options.bundleVersion)],
      ours.generation,
      now,
      ["SupportedVersion"],
    ),
    supportedFeatures: [...new Set(options.supportedFeatures)]
      .sort()
      .slice(0, MAX_FEATURES)
      .map((name) => ({ name })),
  }
}

function supportedVersion(bundleVersion: string | undefined) {
  if (bundleVersion === undefined) return []
  return isSupportedBundle(bundleVersion)
    ? [holds("SupportedVersion", "SupportedVersion", `Gateway API ${bundleVersion} is supported`)]
    : [fails("SupportedVersion", "UnsupportedVersion", `Gateway API ${bundleVersion} is not supported; v1 is`)]
}
