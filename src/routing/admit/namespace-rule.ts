import { field, isAbsent, objectOf } from "../../primitives/json.ts"
import { listFew } from "../../primitives/list-few.ts"
import type { Findings } from "./admission.ts"
import { type CompiledSelector, compileSelector, labelText, NAMESPACE_NAME_LABEL } from "./label-selector.ts"

/** Which namespaces something is open to. A selector that cannot be read opens it to none. */
export type NamespaceRule =
  | { readonly from: "All" }
  | { readonly from: "Same" }
  | { readonly from: "None" }
  | { readonly from: "Selector"; readonly selector: CompiledSelector }

/** Labels of a namespace; `undefined` when the snapshot does not hold it. */
export type NamespaceLabels = (namespace: string) => ReadonlyMap<string, string> | undefined

/** Reads `namespaces` of `allowedRoutes` and `allowedListeners`. */
export function readNamespaceRule(
  value: unknown,
  fallback: "Same" | "None",
  path: string,
  findings: Findings,
): NamespaceRule {
  if (isAbsent(value)) return { from: fallback }
  const from = field(value, "from") ?? fallback
  if (objectOf(value) !== undefined && (from === "All" || from === "Same")) return { from }
  if (from === "None" && fallback === "None") return { from }
  if (from !== "Selector" || objectOf(value) === undefined) {
    findings.error("InvalidValue", `${path}.from`, "must be All, Selector or Same; nothing may attach")
    return { from: "None" }
  }
  // API convention: a selector that is left out selects nothing, an empty one everything.
  const selectorValue = field(value, "selector")
  if (isAbsent(selectorValue)) {
    findings.warn("Required", `${path}.selector`, "from: Selector without a selector: nothing may attach")
    return { from: "None" }
  }
  const selector = compileSelector(selectorValue)
  if ("error" in selector) {
    findings.error("InvalidValue", `${path}.selector`, `${selector.error}; nothing may attach`)
    return { from: "None" }
  }
  return { from: "Selector", selector }
}

/** Whether a namespace is open under a rule. Negative requirements never hold for namespaces that are not known. */
export function isNamespaceAllowed(
  rule: NamespaceRule,
  ownNamespace: string,
  namespace: string,
  labels: NamespaceLabels,
): boolean {
  if (rule.from === "All") return true
  if (rule.from === "Same") return ownNamespace === namespace
  if (rule.from === "None") return false
  const known = labels(namespace)
  if (known === undefined && rule.selector.keys.some((key) => key !== NAMESPACE_NAME_LABEL)) return false
  return rule.selector.matches(new Map([...(known ?? []), [NAMESPACE_NAME_LABEL, namespace]]))
}

/** Why a namespace is not open under a rule, for people. `path` leads to the rule. */
export function whyNotAllowed(
  rule: NamespaceRule,
  ownNamespace: string,
  namespace: string,
  labels: NamespaceLabels,
  path: string,
): string {
  if (rule.from === "Same") return `${path}.from is Same: namespace ${ownNamespace} only, not ${namespace}`
  if (rule.from !== "Selector") return `${path} lets no namespace in`
  const known = labels(namespace)
  const { text, keys } = rule.selector
  if (known === undefined && keys.some((key) => key !== NAMESPACE_NAME_LABEL)) {
    return `${path}.selector (${text}) does not match namespace ${namespace}, whose labels are not known here`
  }
  const has = new Map([...(known ?? []), [NAMESPACE_NAME_LABEL, namespace]])
  const own = keys.filter((key) => has.has(key)).map((key) => labelText(key, has.get(key) ?? ""))
  const found = own.length === 0 ? "has no such label" : `has ${listFew(own, ",")}`
  return `${path}.selector (${text}) does not match: namespace ${namespace} ${found}`
}
