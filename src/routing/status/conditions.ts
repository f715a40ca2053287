import { arrayOf, field, objectOf, stringOf } from "../../primitives/json.ts"
import type { Condition } from "../resources.ts"

/** A condition that we set, before it is merged with what the object has. */
export interface OwnCondition {
  readonly type: string
  readonly status: Condition["status"]
  readonly reason: string
  readonly message: string
}

/** Most conditions that the API takes in one list. */
const MAX_CONDITIONS = 8
const MAX_MESSAGE = 32_768

/** A condition that holds. */
export function holds(type: string, reason: string, message: string): OwnCondition {
  return { type, status: "True", reason, message }
}

/** A condition that does not hold. */
export function fails(type: string, reason: string, message: string): OwnCondition {
  return { type, status: "False", reason, message }
}

/**
 * Our conditions merged into a list as others may have written it. Theirs stay as and where they are; of
 * ours, those in `retired` that are not set again go. `lastTransitionTime` moves when `status` does, and a
 * condition computed from a newer generation than we know is left alone.
 */
export function mergeConditions(
  existing: unknown,
  own: readonly OwnCondition[],
  generation: number,
  now: string,
  retired: readonly string[] = [],
): readonly Condition[] {
  const pending = new Map(own.map((condition) => [condition.type, condition]))
  const merged: Condition[] = []
  const seen = new Set<string>()
  for (const entry of arrayOf(existing) ?? []) {
    const type = stringOf(field(entry, "type"))
    // The list is a map by type: what repeats or has none could not be written back.
    if (type === undefined || seen.has(type)) continue
    seen.add(type)
    const condition = pending.get(type)
    pending.delete(type)
    if (condition !== undefined) merged.push(renewed(entry, condition, generation, now))
    else if (!retired.includes(type)) merged.push(entry as Condition)
  }
  for (const condition of pending.values()) merged.push(written(condition, generation, now))
  return merged.slice(0, MAX_CONDITIONS)
}

function renewed(entry: unknown, condition: OwnCondition, generation: number, now: string): Condition {
  const observed = field(entry, "observedGeneration")
  if (typeof observed === "number" && observed > generation) return entry as Condition
  const since = stringOf(field(entry, "lastTransitionTime"))
  const moved = field(entry, "status") !== condition.status || since === undefined
  return { ...(objectOf(entry) ?? {}), ...written(condition, generation, moved ? now : since) }
}

function written(condition: OwnCondition, generation: number, lastTransitionTime: string): Condition {
  const { type, status, reason } = condition
  const message = condition.message.slice(0, MAX_MESSAGE)
  return { type, status, reason, message, observedGeneration: generation, lastTransitionTime }
}
