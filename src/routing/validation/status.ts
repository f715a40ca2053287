import type { Condition, GatewayAddress } from "../resources.ts"
import { address } from "./address.ts"
import type { Channel } from "./channel.ts"
import { controllerName, GATEWAY_GROUP, group, int32, kind, refuseDuplicates, subdomainName } from "./fields.ts"
import { generation, time } from "./metadata.ts"
import { parentReference } from "./parent-reference.ts"
import { Report } from "./report.ts"
import { advisory, choice, defaulted, type Field, list, optional, record, required, type Shape, text } from "./shape.ts"

/**
 * Statuses are written by controllers through a subresource of their own, and the API server ignores them in what
 * users apply. So what is wrong in one is a warning, and one that cannot be read is dropped when defaults are applied.
 */
function status(shape: Shape): Shape {
  return advisory(shape, (value) => {
    const report = new Report(() => ({ group: "", kind: "", namespace: "", name: "" }))
    shape.check(value, report)
    return report.unreadable === 0
  })
}

function refuseTwins(what: string, items: readonly { readonly name: string }[], report: Report): void {
  const key = ({ name }: { readonly name: string }) => name
  refuseDuplicates(items, key, report, ({ name }) => `${what} ${name} is there twice`, "name")
}

const condition = record({
  type: required(
    text({
      max: 316,
      pattern:
        /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$/,
      be: "a word such as Accepted, after an optional domain name and a slash",
    }),
  ),
  status: required(choice("True", "False", "Unknown")),
  reason: required(
    text({ min: 1, max: 1024, pattern: /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/, be: "one CamelCase word" }),
  ),
  message: required(text({ max: 32768 })),
  lastTransitionTime: required(time),
  observedGeneration: optional(generation),
})

const conditions = (min: number): Shape =>
  list<Condition>(condition, {
    min,
    max: 8,
    rule: (items, report) =>
      refuseDuplicates(
        items,
        (item) => item.type,
        report,
        (item) => `condition ${item.type} is there twice`,
        "type",
      ),
  })

/** Conditions that an object has before any controller has seen it. */
const pending = (...types: readonly string[]): Field =>
  defaulted(
    conditions(0),
    types.map((type) => ({
      type,
      status: "Unknown",
      reason: "Pending",
      message: "Waiting for controller",
      lastTransitionTime: "1970-01-01T00:00:00Z",
    })),
  )

const listenerStatuses = list<{ readonly name: string }>(
  record({
    name: required(subdomainName),
    supportedKinds: optional(
      list(record({ group: defaulted(group, GATEWAY_GROUP), kind: required(kind) }), { max: 8 }),
    ),
    attachedRoutes: required(int32),
    conditions: required(conditions(0)),
  }),
  {
    max: 64,
    rule: (items, report) => refuseTwins("listener", items, report),
  },
)

/** `GatewayClass.status`. */
export const gatewayClassStatus: Field = defaulted(
  status(
    record({
      conditions: pending("Accepted"),
      supportedFeatures: optional(
        list<{ readonly name: string }>(record({ name: required(text()) }), {
          max: 64,
          rule: (items, report) => refuseTwins("feature", items, report),
        }),
      ),
    }),
  ),
  {},
)

/** `Gateway.status`. */
export const gatewayStatus = (channel: Channel): Field =>
  defaulted(
    status(
      record({
        addresses: optional(list<GatewayAddress>(address(true, channel), { max: 16 })),
        attachedListenerSets: optional(int32),
        conditions: pending("Accepted", "Programmed"),
        listeners: optional(listenerStatuses),
      }),
    ),
    {},
  )

/** `ListenerSet.status`. */
export const listenerSetStatus: Field = defaulted(
  status(record({ conditions: pending("Accepted", "Programmed"), listeners: optional(listenerStatuses) })),
  {},
)

/** `TLSRoute.status`. */
export const routeStatus: Field = optional(
  status(
    record({
      parents: required(
        list(
          record({
            parentRef: required(parentReference),
            controllerName: required(controllerName),
            conditions: required(conditions(1)),
          }),
          { max: 32 },
        ),
      ),
    }),
  ),
)
