import { isAbsent, objectOf } from "../../primitives/json.ts"
import { suggest } from "../../primitives/suggest.ts"
import type { GatewayResources, ResourceProblem } from "../resources.ts"

const LISTS: Readonly<Record<Exclude<keyof GatewayResources, "admitted" | "latest">, true>> = {
  gatewayClasses: true,
  gateways: true,
  listenerSets: true,
  tlsRoutes: true,
  referenceGrants: true,
  namespaces: true,
  services: true,
  endpointSlices: true,
  others: true,
  bundleVersions: true,
  problems: true,
}

/** What is wrong with a snapshot before any object of it is looked at. Such a part counts as left out. */
export function shapeProblems(resources: unknown): readonly ResourceProblem[] {
  const snapshot = objectOf(resources)
  if (snapshot === undefined) return [invalid("", "the resources are no object that holds lists of objects")]
  return Object.entries(snapshot).flatMap(([name, list]) => {
    if (name === "admitted") {
      return isAbsent(list) || typeof list === "boolean" ? [] : [invalid(name, "must be true or false")]
    }
    if (name === "latest") {
      return isAbsent(list) || typeof list === "function" ? [] : [invalid(name, "must be a function")]
    }
    if (Object.hasOwn(LISTS, name)) {
      return isAbsent(list) || Array.isArray(list) ? [] : [invalid(name, "must be a list")]
    }
    const meant = suggest(name, Object.keys(LISTS))
    return [invalid(name, `there is no list of this name${meant === undefined ? "" : `; ${meant} is meant perhaps`}`)]
  })
}

function invalid(path: string, message: string): ResourceProblem {
  return { severity: "error", code: "InvalidResources", path, message }
}
