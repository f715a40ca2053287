import { GATEWAY_API_GROUP } from "../admit/admission.ts"
import type { AdmittedGrant } from "../admit/backend.ts"
import type { ObjectRef } from "../resources.ts"

/**
 * Whether some ReferenceGrant in the target's namespace lets TLSRoutes of `fromNamespace` refer to `target`.
 * References inside one namespace need no grant.
 */
export function isReferencePermitted(
  fromNamespace: string,
  target: ObjectRef,
  grantsOfTargetNamespace: Iterable<AdmittedGrant>,
): boolean {
  if (fromNamespace === target.namespace) return true
  for (const grant of grantsOfTargetNamespace) {
    const from = grant.from.some(
      (entry) => entry.group === GATEWAY_API_GROUP && entry.kind === "TLSRoute" && entry.namespace === fromNamespace,
    )
    // A grant's name left empty, as when left out, covers every object of the kind.
    const to = grant.to.some(
      (entry) =>
        entry.group === target.group &&
        entry.kind === target.kind &&
        (entry.name === undefined || entry.name === "" || entry.name === target.name),
    )
    if (from && to) return true
  }
  return false
}
