import type { ObjectRef, ResourceProblem } from "../resources.ts"
import { fails, type OwnCondition } from "./conditions.ts"

/** Condition that an object carries while policies of its own are refused. */
export const POLICIES = "tlsroute.dev/PoliciesAccepted"

const MAX_TOLD = 5

/** Policies that the data plane refuses, by the object that says them. */
export interface RefusedPolicies {
  /** The condition for an object, and for others whose policies matter to it; none when all is well. */
  conditions(...objects: readonly ObjectRef[]): readonly OwnCondition[]
}

/** Sorts what is wrong with policies by object. */
export function refusedPolicies(problems: readonly ResourceProblem[] = []): RefusedPolicies {
  const messages = new Map<string, string[]>()
  for (const { object, path, message } of problems) {
    if (object === undefined) continue
    const told = messages.get(keyOf(object))
    const sentence = path === "" ? message : `${path}: ${message}`
    if (told === undefined) messages.set(keyOf(object), [sentence])
    else told.push(sentence)
  }
  if (messages.size === 0) return { conditions: () => [] }
  return {
    conditions(...objects) {
      const found = [...new Map(objects.map((object) => [keyOf(object), object])).values()].flatMap((object, at) => {
        const of = at === 0 ? "" : `${object.kind} ${object.namespace}/${object.name}: `
        return (messages.get(keyOf(object)) ?? []).map((message) => `${of}${message}`)
      })
      if (found.length === 0) return []
      const more = found.length > MAX_TOLD ? [`and ${found.length - MAX_TOLD} more`] : []
      return [fails(POLICIES, "InvalidPolicies", [...found.slice(0, MAX_TOLD), ...more].join("; "))]
    },
  }
}

const keyOf = ({ kind, namespace, name }: ObjectRef): string => `${kind}/${namespace}/${name}`
