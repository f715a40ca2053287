import { field, objectOf } from "../../primitives/json.ts"
import type { Fault } from "../admit/fault.ts"
import type { AdmittedGatewayClass } from "../admit/gateway.ts"
import type { ResolvedOptions } from "../options.ts"
import type { GatewayClass } from "../resources.ts"
import { fails, holds, mergeConditions, type OwnCondition } from "./conditions.ts"
import type { StatusContext } from "./status-context.ts"

const MAX_FEATURES = 64

/** `GatewayClass.status`: Accepted, SupportedVersion where the CRDs' version is known, and the features in order. */
export function gatewayClassStatus(
  ours: AdmittedGatewayClass,
  fault: Fault | undefined,
  options: ResolvedOptions,
  { now, bundleVersions }: StatusContext,
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
      [accepted, ...supportedVersion(bundleVersions)],
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

/** Whether the CRDs are of versions whose shapes are known. Where they are not, objects are served as far as they can be read. */
function supportedVersion(versions: readonly string[] | undefined): readonly OwnCondition[] {
  if (versions === undefined || versions.length === 0) return []
  const unknown = versions.filter((version) => !/^v1\.\d/.test(version))
  const named = (list: readonly string[]) =>
    [...new Set(list)].map((version) => version || "without a version").join(", ")
  return unknown.length === 0
    ? [holds("SupportedVersion", "SupportedVersion", `Gateway API CRDs ${named(versions)} are supported`)]
    : [
        fails(
          "SupportedVersion",
          "UnsupportedVersion",
          `Gateway API CRDs ${named(unknown)} are not known; v1 is supported`,
        ),
      ]
}
