import { compareText } from "../../primitives/compare-text.ts"
import { listFew } from "../../primitives/list-few.ts"
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
    if (isFrom(fromNamespace, grant) && isTo(target, grant)) return true
  }
  return false
}

/**
 * What a grant of these is for that was meant for the namespace; empty where none was. Grants for others are not
 * told of: what they say is not for everybody.
 */
export function grantMeant(fromNamespace: string, grantsOfTargetNamespace: Iterable<AdmittedGrant>): string {
  for (const grant of [...grantsOfTargetNamespace].sort((a, b) => compareText(a.key, b.key))) {
    const ofNamespace = grant.from.filter(({ namespace }) => namespace === fromNamespace)
    if (ofNamespace.length === 0) continue
    const what = (
      entries: readonly { readonly group: string; readonly kind: string; readonly name?: string | undefined }[],
    ) =>
      listFew(
        entries.map(({ group, kind, name }) => `${kind} of group ${group || '""'}${name ? ` named ${name}` : ""}`),
      )
    const references = isFrom(fromNamespace, grant)
      ? `to ${grant.to.length === 0 ? "nothing" : what(grant.to)}`
      : `from ${what(ofNamespace)}`
    return `; ReferenceGrant ${grant.key} is for references ${references}`
  }
  return ""
}

const isFrom = (namespace: string, { from }: AdmittedGrant): boolean =>
  from.some((entry) => entry.group === GATEWAY_API_GROUP && entry.kind === "TLSRoute" && entry.namespace === namespace)

// A grant's name left empty, as when left out, covers every object of the kind.
const isTo = ({ group, kind, name }: ObjectRef, { to }: AdmittedGrant): boolean =>
  to.some((entry) => entry.group === group && entry.kind === kind && (!entry.name || entry.name === name))
