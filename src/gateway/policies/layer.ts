import { suggest } from "../../primitives/suggest.ts"
import { CidrList } from "../../proxy/limits/cidr.ts"
import { POLICY_FIELDS, POLICY_KEYS, type PolicyField, type PolicyKey, type PolicyValues } from "./fields.ts"

/** What one object or one set of options says; nothing where it says nothing. */
export type PolicyLayer = { readonly [Key in PolicyKey]?: PolicyValues[Key] }

/** A layer being filled. */
export type MutablePolicyLayer = { -readonly [Key in keyof PolicyLayer]: PolicyLayer[Key] }

/** A layer that says nothing. */
export const EMPTY_LAYER: PolicyLayer = Object.freeze({})

/** The row of the table, with the relation between key and value kept. */
export function fieldOf<Key extends PolicyKey>(key: Key): PolicyField<PolicyValues[Key]> {
  return POLICY_FIELDS[key] as unknown as PolicyField<PolicyValues[Key]>
}

/** Sets one value of a layer. */
export function assign<Key extends PolicyKey>(layer: MutablePolicyLayer, key: Key, value: PolicyValues[Key]): void {
  ;(layer as { [K in Key]?: PolicyValues[K] })[key] = value
}

/** The value of the most specific layer that sets it, else the initial one. Layers go from most to least specific. */
export function inherited<Key extends PolicyKey>(
  key: Key,
  layers: readonly (PolicyLayer | undefined)[],
): PolicyValues[Key] | undefined {
  for (const layer of layers) {
    const value = layer?.[key]
    if (value !== undefined) return value
  }
  return fieldOf(key).initial
}

/** The value of a policy whose initial value is one. */
export function definite<Key extends PolicyKey>(
  key: Key,
  layers: readonly (PolicyLayer | undefined)[],
): PolicyValues[Key] {
  return inherited(key, layers) as PolicyValues[Key]
}

/** Lays options over annotations: what the program says about an object by name has the last word. */
export function overlay(below: PolicyLayer, above: PolicyLayer | undefined): PolicyLayer {
  if (above === undefined || above === EMPTY_LAYER) return below
  return below === EMPTY_LAYER ? above : { ...below, ...above }
}

/** The layer of an object whose access rules could not be read: nobody is let in by them. */
export function closeOff(layer: MutablePolicyLayer): void {
  layer.allowCidrs = new CidrList([])
}

/** The policy whose name is closest to `name`, if any is close. */
export function closestKey(name: string, write: (key: PolicyKey) => string): string | undefined {
  return suggest(name, POLICY_KEYS.map(write))
}
