import { isDeepStrictEqual } from "node:util"
import type { Condition, ParentReference, RouteParentStatus } from "../routing/resources.ts"

type Fields = Readonly<Record<string, unknown>>

/** Three states of one status. */
export interface StatusMerge {
  /** As it is on the server now. */
  readonly current: Fields | undefined
  /** As it was when the desired status was computed. */
  readonly base: Fields | undefined
  /** As it should be. */
  readonly desired: Fields
  /** Entries of `parents` with this name are ours. */
  readonly controllerName: string
}

/**
 * The fields of `status` to write, as a JSON merge patch (RFC 7386), or `undefined` when the server has them
 * already. What others wrote since `base`, or own at all, stays as it is: entries of `parents` of other
 * controllers (Gateway API: an implementation MUST NOT touch them), conditions that the desired status did not
 * change, fields that it does not have.
 */
export function statusPatch({ current = {}, base = {}, desired, controllerName }: StatusMerge): Fields | undefined {
  const patch: Record<string, unknown> = {}
  for (const field of new Set([...Object.keys(desired), ...Object.keys(base)])) {
    const merged = mergeField(field, current[field], base[field], desired[field], controllerName)
    if (!isDeepStrictEqual(merged, current[field])) patch[field] = merged ?? null
  }
  return Object.keys(patch).length === 0 ? undefined : patch
}

function mergeField(field: string, current: unknown, base: unknown, desired: unknown, controllerName: string): unknown {
  switch (field) {
    case "conditions":
      return mergeConditions(listOf(current), listOf(base), listOf(desired))
    case "listeners":
      return mergeListeners(listOf(current), listOf(base), listOf(desired))
    case "parents":
      return mergeParents(listOf(current), listOf(base), listOf(desired), controllerName)
    default:
      return desired
  }
}

function mergeConditions(
  current: readonly Condition[],
  base: readonly Condition[],
  desired: readonly Condition[],
): readonly Condition[] {
  const wanted = byKey(desired, typeOf)
  const known = byKey(base, typeOf)
  const seen = new Set(current.map(typeOf))
  const kept = current.flatMap((theirs): readonly Condition[] => {
    const ours = wanted.get(theirs.type)
    if (ours === undefined) return known.has(theirs.type) ? [] : [theirs]
    if (isDeepStrictEqual(ours, known.get(theirs.type))) return [theirs]
    // The time tells when the status changed: a new message or generation leaves it.
    return [theirs.status === ours.status ? { ...ours, lastTransitionTime: theirs.lastTransitionTime } : ours]
  })
  return [...kept, ...desired.filter(({ type }) => !seen.has(type))]
}

interface NamedListener {
  readonly name: string
  readonly conditions: readonly Condition[]
}

function mergeListeners(
  current: readonly NamedListener[],
  base: readonly NamedListener[],
  desired: readonly NamedListener[],
): readonly NamedListener[] {
  const theirs = byKey(current, nameOf)
  const known = byKey(base, nameOf)
  return desired.map((ours) => ({
    ...ours,
    conditions: mergeConditions(
      listOf(theirs.get(ours.name)?.conditions),
      listOf(known.get(ours.name)?.conditions),
      ours.conditions,
    ),
  }))
}

function mergeParents(
  current: readonly RouteParentStatus[],
  base: readonly RouteParentStatus[],
  desired: readonly RouteParentStatus[],
  controllerName: string,
): readonly RouteParentStatus[] {
  const isOurs = (entry: RouteParentStatus): boolean => entry.controllerName === controllerName
  const wanted = byKey(desired.filter(isOurs), parentOf)
  const known = byKey(base.filter(isOurs), parentOf)
  const written = new Set<string>()
  const kept = current.flatMap((entry): readonly RouteParentStatus[] => {
    if (!isOurs(entry)) return [entry]
    const key = parentOf(entry)
    const ours = wanted.get(key)
    if (ours === undefined || written.has(key)) return []
    written.add(key)
    const conditions = mergeConditions(entry.conditions, known.get(key)?.conditions ?? [], ours.conditions)
    return [{ ...ours, conditions }]
  })
  return [...kept, ...[...wanted].flatMap(([key, ours]) => (written.has(key) ? [] : [ours]))]
}

const listOf = <T>(value: unknown): readonly T[] => (Array.isArray(value) ? value : [])

const byKey = <T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, T> =>
  new Map(items.map((item) => [key(item), item]))

const typeOf = ({ type }: Condition): string => type
const nameOf = ({ name }: NamedListener): string => name

// The API server fills in the defaults of group and kind, so that both spellings mean one parent.
function parentOf({ parentRef }: RouteParentStatus): string {
  const {
    group = "gateway.networking.k8s.io",
    kind = "Gateway",
    namespace,
    name,
    sectionName,
    port,
  }: ParentReference = parentRef
  return JSON.stringify([group, kind, namespace, name, sectionName, port])
}
