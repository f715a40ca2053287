import { field, objectOf } from "../../primitives/json.ts"
import type { Fault } from "../admit/fault.ts"
import type { AdmittedGatewayClass } from "../admit/gateway.ts"
import type { ResolvedOptions } from "../options.ts"
import type { GatewayClass } from "../resources.ts"
import { fails, holds, mergeConditions, type OwnCondition } from "./conditions.ts"
import type { StatusContext } from "./status-context.ts"
import { judgeVersions } from "./supported-version.ts"

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

function supportedVersion(versions: readonly string[] | undefined): readonly OwnCondition[] {
  const verdict = judgeVersions(versions)
  if (verdict === undefined) return []
  return verdict.supported
    ? [holds("SupportedVersion", "SupportedVersion", verdict.message)]
    : [fails("SupportedVersion", "UnsupportedVersion", verdict.message)]
}
