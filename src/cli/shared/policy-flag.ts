import { annotationName, POLICY_KEYS } from "../../gateway/policies/fields.ts"
import { closestKey } from "../../gateway/policies/layer.ts"
import { PolicyError, type PolicySettings, readPolicyOptions } from "../../gateway/policies/options.ts"
import { InvalidArgumentError } from "./commander.ts"

/** Reads `NAME=VALUE`, each as in an annotation, into the policies given so far. */
export function parsePolicy(text: string, before: PolicySettings = {}): PolicySettings {
  const [, name = "", value] = /^([^=]*)=(.*)$/s.exec(text) ?? []
  if (value === undefined) throw new InvalidArgumentError("Expected NAME=VALUE, for example max-connections=10000.")
  const key = POLICY_KEYS.find((each) => annotationName(each) === name)
  if (key === undefined) {
    // An annotation's whole name is the likeliest slip of all.
    const close = closestKey(name.slice(name.lastIndexOf("/") + 1), annotationName)
    throw new InvalidArgumentError(close === undefined ? "No such policy." : `No such policy; did you mean ${close}?`)
  }
  const policies = { ...before, [key]: value.trim() }
  try {
    readPolicyOptions(policies)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    throw new InvalidArgumentError(`${error.message.replace(`policies.${key}`, name)}.`)
  }
  return policies
}
