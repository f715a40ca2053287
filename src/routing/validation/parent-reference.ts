import type { ParentReference } from "../resources.ts"
import { GATEWAY_GROUP, group, kind, namespaceName, objectName, portNumber, subdomainName } from "./fields.ts"
import type { Report } from "./report.ts"
import { defaulted, list, optional, record, required, type Shape } from "./shape.ts"

/** A reference from a route to a Gateway or ListenerSet. */
export const parentReference: Shape = record({
  group: defaulted(group, GATEWAY_GROUP),
  kind: defaulted(kind, "Gateway"),
  namespace: optional(namespaceName),
  name: required(objectName),
  sectionName: optional(subdomainName),
  port: optional(portNumber),
})

/** `spec.parentRefs`. The standard channel does not let `port` tell two references to one parent apart. */
export function parentReferences(byPort: boolean): Shape {
  const distinction = byPort ? "sectionName or port" : "sectionName"
  return list<ParentReference>(parentReference, {
    max: 32,
    rule: (refs, report) => checkDistinct(refs, byPort, distinction, report),
  })
}

function checkDistinct(refs: readonly ParentReference[], byPort: boolean, distinction: string, report: Report): void {
  if (refs.length < 2) return
  const parents = new Map<string, { readonly form: string; readonly sections: Set<string> }>()
  for (const [index, ref] of refs.entries()) {
    const section = `${ref.sectionName ?? ""}/${byPort ? (ref.port ?? "") : ""}`
    const form = `${isGiven(ref.sectionName)}/${byPort && isGiven(ref.port)}`
    // The name comes last: it is the only part that may have a slash. A namespace left out differs from one given.
    const key = `${ref.group ?? GATEWAY_GROUP}/${ref.kind ?? "Gateway"}/${ref.namespace ?? ""}/${ref.name}`
    const parent = parents.get(key)
    if (parent === undefined) {
      parents.set(key, { form, sections: new Set([section]) })
    } else if (parent.form !== form) {
      const message = `${distinction} must be specified in all references to the same parent, or in none`
      report.breach("Required", message, index)
    } else if (parent.sections.has(section)) {
      report.breach("Duplicate", `${distinction} must be unique among references to the same parent`, index)
    } else {
      parent.sections.add(section)
    }
  }
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null
