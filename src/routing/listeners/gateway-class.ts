import { suggest } from "../../primitives/suggest.ts"
import type { Fault } from "../admit/fault.ts"
import type { AdmittedGateway, AdmittedGatewayClass } from "../admit/gateway.ts"
import type { ResolvedOptions } from "../options.ts"

/** Why a class is refused, and the field at fault. */
export interface ClassFault extends Fault {
  readonly path: string
}

/** Which Gateways are ours. */
export interface ClassSelection {
  /** Classes that name our controller, with why they are refused. */
  readonly ours: ReadonlyMap<string, { readonly class: AdmittedGatewayClass; readonly fault: ClassFault | undefined }>
  /** Whether the snapshot holds no class at all, so that every Gateway counts. */
  readonly everyGateway: boolean
}

/** Picks the classes that name our controller. `present` tells whether there is any class object, usable or not. */
export function selectClasses(
  classes: Iterable<AdmittedGatewayClass>,
  present: boolean,
  options: ResolvedOptions,
): ClassSelection {
  const ours = new Map<string, { class: AdmittedGatewayClass; fault: ClassFault | undefined }>()
  for (const candidate of classes) {
    if (candidate.controllerName !== options.controllerName) continue
    ours.set(candidate.key, { class: candidate, fault: classFault(candidate) })
  }
  return { ours, everyGateway: !present }
}

/** Whether a Gateway is ours to serve and to write status for. */
export function isOurGateway(gateway: AdmittedGateway, selection: ClassSelection, options: ResolvedOptions): boolean {
  if (options.gatewayClassNames !== undefined && !options.gatewayClassNames.has(gateway.className)) return false
  return selection.everyGateway || selection.ours.has(gateway.className)
}

/** Why a Gateway is not ours, for people. `classes` are all that the snapshot holds, by name. */
export function whyNotOurs(
  { className }: AdmittedGateway,
  classes: ReadonlyMap<string, AdmittedGatewayClass>,
  { controllerName, gatewayClassNames }: ResolvedOptions,
): string {
  if (gatewayClassNames !== undefined && !gatewayClassNames.has(className)) {
    return `its class ${className} is not among those to serve: ${[...gatewayClassNames].join(", ")}`
  }
  const found = classes.get(className)
  if (found === undefined) {
    const meant = suggest(className, classes.keys())
    return `there is no GatewayClass ${className}${meant === undefined ? "" : `; did you mean ${meant}?`}`
  }
  return `its GatewayClass ${className} is of the controller ${found.controllerName}, not of ${controllerName}`
}

function classFault({ hasParameters }: AdmittedGatewayClass): ClassFault | undefined {
  if (!hasParameters) return undefined
  const path = "spec.parametersRef"
  return { reason: "InvalidParameters", path, message: `${path} is not supported; remove it` }
}
