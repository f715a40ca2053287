import type { Condition, ObjectRef, ParentReference } from "../routing/resources.ts"

/** An Event before it has an object and a time: what happened, in the words of `events.k8s.io/v1`. */
export interface EventDraft {
  /** `Warning` wants somebody's attention. */
  readonly type: "Normal" | "Warning"
  /** Why, in CamelCase, for example `Programmed` or `NotAllowedByListeners`. */
  readonly reason: string
  /** What was done or tried, for machines, for example `Program`. */
  readonly action: string
  /** Sentence for people; what is over a kilobyte is cut off. */
  readonly note: string
}

interface StatusShape {
  readonly conditions?: readonly Condition[]
  readonly listeners?: readonly { readonly name: string; readonly conditions?: readonly Condition[] }[]
  readonly parents?: readonly {
    readonly parentRef: ParentReference
    readonly controllerName: string
    readonly conditions?: readonly Condition[]
  }[]
}

/** Conditions whose first `True` is news; of the others, only the end of a `False` is. */
const NEWS: Readonly<Record<string, string>> = {
  Gateway: "Programmed",
  ListenerSet: "Programmed",
  TLSRoute: "Accepted",
}
/** Conditions that are bad when they hold. */
const NEGATIVE: ReadonlySet<string> = new Set(["Conflicted", "OverlappingTLSConfig"])
/** Reasons that say nothing without their condition. */
const VAGUE: ReadonlySet<string> = new Set(["Pending", "Invalid"])

/**
 * The Events that a written status is worth: conditions of ours that came to fail, fail in another way, or hold again.
 * What the status before said already gives none, so that a replica that takes over repeats nothing.
 */
export function statusEvents(
  { kind }: Pick<ObjectRef, "kind">,
  before: unknown,
  after: unknown,
  controllerName: string,
): readonly EventDraft[] {
  const [old, now] = [(before ?? {}) as StatusShape, (after ?? {}) as StatusShape]
  const own = changes(old.conditions, now.conditions, NEWS[kind], "")
  const said = new Set((now.conditions ?? []).map(({ message }) => message))
  const ofListeners = (now.listeners ?? []).flatMap(({ name, conditions }) => {
    const known = old.listeners?.find((listener) => listener.name === name)?.conditions
    // What the parent says of itself is not said again of each listener.
    const news = conditions?.filter(({ message }) => !said.has(message))
    return changes(known, news, undefined, `listener ${name}: `)
  })
  const ofParents = (now.parents ?? []).flatMap(({ parentRef, controllerName: owner, conditions }) => {
    if (owner !== controllerName) return []
    const parent = parentName(parentRef)
    const known = old.parents?.find((entry) => {
      return entry.controllerName === owner && parentName(entry.parentRef) === parent
    })
    return changes(known?.conditions, conditions, NEWS[kind], `${parent}: `)
  })
  const all = [...own, ...ofListeners, ...ofParents]
  return all.filter(({ reason, note }, at) => all.findIndex((e) => e.reason === reason && e.note === note) === at)
}

function changes(
  before: readonly Condition[] = [],
  after: readonly Condition[] = [],
  news: string | undefined,
  where: string,
): readonly EventDraft[] {
  const failed = new Set<string>()
  const drafts = after.flatMap((condition): readonly EventDraft[] => {
    const { type, reason, message } = condition
    const known = before.find((candidate) => candidate.type === type)
    const note = `${where}${message}`
    if (isBad(condition)) {
      if (known !== undefined && isBad(known) && known.reason === reason && known.message === message) return []
      if (failed.has(message)) return []
      failed.add(message)
      return [{ type: "Warning", reason: VAGUE.has(reason) ? `Not${type}` : reason, action: type, note }]
    }
    // The CRDs' defaults are conditions that are Unknown.
    const isNews =
      known === undefined || known.status === "Unknown" ? type === news : isBad(known) && !NEGATIVE.has(type)
    return condition.status === "True" && isNews ? [{ type: "Normal", reason: type, action: type, note }] : []
  })
  return drafts
}

const isBad = ({ type, status }: Condition): boolean => status === (NEGATIVE.has(type) ? "True" : "False")

function parentName({ kind = "Gateway", namespace, name, sectionName, port }: ParentReference): string {
  const object = `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`
  const section = sectionName === undefined ? "" : ` ${sectionName}`
  return `${object}${section}${port === undefined ? "" : ` port ${port}`}`
}
